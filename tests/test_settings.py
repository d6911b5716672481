"""A setting is declared once: command line, checks, stored bounds and comparison on resume follow from the field."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from charnn.cli.commands import GroupedCommand
from charnn.cli.options import option, with_settings
from charnn.config import TRAIN_SETTINGS
from charnn.errors import InputError
from charnn.settings import Form, Range, checked, configured, require_valid, setting, settings_of


@dataclass(frozen=True)
class Config:
    """One of each kind."""

    count: int = setting(3, "How many.", "Some", flags="-n --num", within=Range(1, 64))
    many: int = setting(1, "However many.", "Some")
    share: float = setting(0.5, "Which share.", "Some", within=Range(0, below=1))
    rate: float = setting(0.1, "How fast.", "Some", within=Range(above=0))
    kind: Literal["auto", "a", "b"] = setting("auto", "Which kind.", "Other", shown="{}, mostly a")
    limit: int | None = setting(None, "At most.", "Other", within=Range(2), shown="no limit")
    path: str | None = setting(None, "A file.", "Other", metavar="FILE")
    glue: str = setting("", "Between.", "Other", metavar="TEXT")
    every: str = setting("1m", "How often.", "Other", metavar="10m", form=Form(r"\d+[ms]", "a time (30s)"))
    ends: tuple[str, ...] = setting((), "Ends.", "Other", metavar="TEXT")
    is_on: bool = setting(False, "Whether.", "Other")
    inner: float = setting(0.9, within=Range(0, below=1))


SETTINGS = settings_of(Config)

GOOD = [
    ("count", 64, 64),
    ("count", np.int64(3), 3),
    ("many", 2**63 - 1, 2**63 - 1),
    ("share", 0, 0.0),
    ("share", np.float32(0.5), 0.5),
    ("share", np.int8(0), 0.0),
    ("kind", "b", "b"),
    ("limit", 2, 2),
    ("path", Path("a/b"), "a/b"),
    ("glue", "", ""),
    ("every", "30s", "30s"),
    ("ends", "KING", ("KING",)),
    ("ends", ["a", "b"], ("a", "b")),
    ("is_on", True, True),
]
BAD = [
    ("count", 0, "--num 0: give a whole number from 1 to 64"),
    ("count", 2.0, "--num 2.0: give a whole number from 1 to 64"),
    ("count", True, "--num True: give a whole number from 1 to 64"),
    ("count", "3", "--num '3': give a whole number from 1 to 64"),
    ("many", 2**63, "--many 9223372036854775808: give a whole number below 2^63"),
    ("share", 1, "--share 1: give a number from 0 up, below 1"),
    ("share", float("nan"), "--share nan: give a number from 0 up, below 1"),
    ("rate", 0, "--rate 0: give a finite number above 0"),
    ("rate", float("inf"), "--rate inf: give a finite number above 0"),
    ("kind", "c", "--kind 'c': give one of auto, a, b"),
    ("kind", None, "--kind None: give one of auto, a, b"),
    ("path", "", "--path '': give a text of one character or more"),
    ("every", "x", "--every 'x': give a time (30s)"),
    ("ends", ("",), "--ends ('',): give a text of one character or more"),
    ("ends", 3, "--ends 3: give a text of one character or more"),
    ("is_on", 1, "--is-on 1: give true or false"),
]


@pytest.mark.parametrize(("name", "value", "parsed"), GOOD)
def test_good_values_become_what_is_declared(name, value, parsed):
    found = checked(SETTINGS, {name: value}, "try")[name]
    assert found == parsed and type(found) is type(parsed)


@pytest.mark.parametrize(("name", "value", "message"), BAD)
def test_bad_values_are_refused_with_option_value_and_bound(name, value, message):
    with pytest.raises(InputError) as caught:
        checked(SETTINGS, {name: value}, "try")
    assert str(caught.value) == message


def test_a_number_too_long_to_be_written_out_is_refused():
    with pytest.raises(
        InputError, match=r"^--many with thousands of digits: give a whole number below 2\^63$"
    ):
        checked(SETTINGS, {"many": 10**5000}, "try")


@pytest.mark.parametrize("name", ["cuont", "inner"])
def test_what_is_no_option_is_refused(name):
    with pytest.raises(InputError, match=f"--{name} is no option of try"):
        checked(SETTINGS, {name: 1}, "try")


@pytest.mark.parametrize(("name", "value"), [("count", 65), ("inner", 1.0), ("kind", "c"), ("is_on", 0)])
def test_a_configuration_from_a_file_is_held_to_the_same_bounds(name, value):
    require_valid(Config(), "config")
    with pytest.raises(ValueError, match=f"^config.{name} is {value!r}: it must be "):
        require_valid(replace(Config(), **{name: value}), "config")


def test_a_configuration_takes_what_is_given_then_what_is_chosen():
    assert configured(Config, {"count": 5, "other": 1}, count=4, share=0.2) == Config(count=5, share=0.2)


def command(*configs: type, name: str = "try") -> tuple[list[dict[str, Any]], typer.Typer]:
    """A program with one command that takes a configuration's settings, and the list of what it was given."""
    calls: list[dict[str, Any]] = []
    app = typer.Typer(rich_markup_mode=None)

    @app.command(cls=GroupedCommand)
    @with_settings(*configs)
    def run(
        quiet: Annotated[bool, option("--quiet", "Other", None, "Less.")] = False, **options: Any
    ) -> None:
        """Run."""
        calls.append({"quiet": quiet, **options})

    return calls, app


def test_the_command_line_is_derived():
    calls, app = command(Config)
    runner = CliRunner()
    assert runner.invoke(app, []).exit_code == 0
    words = ["-n", "5", "--share", "0.25", "--kind", "b", "--path", "x", "--ends", "a", "--ends", "b"]
    assert runner.invoke(app, [*words, "--is-on", "--quiet"]).exit_code == 0
    given = {"count": 5, "share": 0.25, "kind": "b", "path": "x", "ends": ("a", "b"), "is_on": True}
    assert calls == [{"quiet": False}, {"quiet": True, **given}]
    assert str(runner.invoke(app, ["--num", "65"]).exception) == BAD[0][2].replace(" 0:", " 65:")


def test_help_is_derived():
    text = CliRunner().invoke(command(Config)[1], ["--help"]).output
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "-n, --num N How many. [default: 3]" in lines
    assert "--kind auto|a|b Which kind. [default: auto, mostly a]" in lines
    assert "--limit N At most. [default: no limit]" in lines
    assert "--glue TEXT Between." in lines and "--inner" not in text
    assert lines.index("Some:") < lines.index("Other:")


def test_every_option_says_its_bounds_within_a_line():
    for one in TRAIN_SETTINGS.values():
        assert not one.help or (one.expected and len(one.expected) < 100 and one.panel)
