"""A page of docs/ whose commands are run one after another, as they stand but for a few steps instead of minutes."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from torture import processes

DOCS = Path(__file__).parent.parent / "docs"


def blocks_of(page: str) -> list[tuple[str, str]]:
    """The language and the text of each block of code."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands_of(page: str) -> list[list[str]]:
    """The arguments of each command in the blocks of no language."""
    lines = (line for kind, block in blocks_of(page) if not kind for line in block.splitlines())
    return [words[1:] for line in lines if (words := shlex.split(line, comments=True))]


def run_all(
    home: Path,
    commands: Sequence[Sequence[str]],
    little: Sequence[str],
    quick: Mapping[tuple[str, ...], Sequence[str]] | None = None,
) -> dict[str, str]:
    """What each command writes, by the command; every one must succeed where those before it ran.

    `little` stands in the place of the minutes of a training; `quick` says what to add to other commands, by their
    first two words.
    """
    written = {}
    for command in commands:
        ended = processes.run(home, *_shortened(command, little), *(quick or {}).get(tuple(command[:2]), ()))
        assert ended.code == 0, ended.stderr
        written[" ".join(command)] = ended.stdout
    return written


def _shortened(command: Sequence[str], little: Sequence[str]) -> list[str]:
    if command[0] != "train":
        return list(command)
    place = list(command).index("--minutes")
    return [*command[:place], *command[place + 2 :], *little]
