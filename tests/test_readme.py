"""The README's commands are commands: each runs, or, where it would take minutes or the network, is understood."""

import re
import shlex
from pathlib import Path

import pytest
from cli import piped

from charnn.bundled import bundled_model

README = Path(__file__).parent.parent / "README.md"
FENCED = re.findall(r"^```(\w*)\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
LINES = [
    line for language, block in FENCED if not language for line in block.replace("\\\n", " ").splitlines()
]
COMMANDS = [re.split(r"\s#\s|[|>]", line.partition("charnn ")[2])[0] for line in LINES if "charnn " in line]
NAMES = ("train", "sample", "score", "fill", "inspect", "info")
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


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) > 15
    assert len(QUICK) >= 3
