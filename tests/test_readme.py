"""Commands in the README and the user pages: each option exists, and the quick ones run."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from cli import piped

from charnn.bundled import bundled_model

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
USER_PAGES = ("usage", "fill", "tour", "inspect", "textbook", "benchmarks", "curves", "cells")
MOST_WORDS = 900  # what a newcomer reads


def fenced(text: str) -> list[str]:
    """The lines of the blocks that name no language: commands."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [
        line for language, block in blocks if not language for line in block.replace("\\\n", " ").splitlines()
    ]


def commands(text: str) -> list[str]:
    """What follows `charnn` on each line, without comments and redirections."""
    lines = [line.partition("charnn ")[2] for line in fenced(text) if "charnn " in line]
    return [re.split(r"\s#\s|[|>]", line)[0] for line in lines]


PAGES = [README, *((ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in USER_PAGES)]
COMMANDS = [command for page in PAGES for command in commands(page)]
NAMES = ("train", "sample", "score", "fill", "inspect", "info", "curves")
QUICK = [
    line for line in COMMANDS if line.startswith(("sample --temp 0.8", "sample --prompt", 'score "To be'))
]


def words(command: str) -> list[str]:
    return shlex.split(command)


@pytest.mark.parametrize("command", sorted({c for c in COMMANDS if words(c)[0] in NAMES}))
def test_every_option_exists(command: str) -> None:
    name, *rest = words(command)
    group = [rest.pop(0)] if name == "inspect" else []
    documented = piped(name, *group, "--help").stdout.decode()
    for option in (word for word in rest if re.match(r"--?[a-z]", word)):
        assert re.search(rf"(^|[\s,/]){re.escape(option)}\b", documented), option


@pytest.mark.parametrize("command", QUICK)
def test_quick_ones_run(command: str) -> None:
    assert piped(*words(command), env={"CHARNN_MODEL": str(bundled_model())}).returncode == 0


def test_the_readme_is_short_and_begins_with_the_commands_of_set_up() -> None:
    assert len(README.split()) <= MOST_WORDS
    assert [line.split("#")[0].split() for line in fenced(README)[:2]] == [["make", "demo"], ["make", "test"]]


def test_the_readme_shows_each_command() -> None:
    assert {words(command)[0] for command in commands(README)} >= {"train", "sample", "score"}
    assert len(COMMANDS) > 30
    assert len(QUICK) >= 3


def test_what_the_readme_shows_of_sampling_and_scoring_is_what_they_write() -> None:
    """Deterministic up to the machine's floating point: the scores to three digits, the text by its length."""
    shown = re.findall(r"^```\n(charnn (?:sample|score) .*?)\n```\n\n```text\n(.*?)^```", README, re.M | re.S)
    assert len(shown) == 2
    for command, output in shown:
        done = piped(*words(command)[1:], env={"CHARNN_MODEL": str(bundled_model())})
        written = done.stdout.decode()
        if words(command)[1] == "sample":
            assert len(written) == len(output.removesuffix("\n"))
            continue
        numbers = [list(map(float, line.split("\t")[:5])) for line in written.splitlines()]
        printed = [list(map(float, line.split("\t")[:5])) for line in output.splitlines() if "\t" in line]
        np.testing.assert_allclose(printed, numbers, rtol=1e-3)
