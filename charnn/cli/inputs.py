"""What people give a command to read: files and standard input, as a stream."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from charnn.cli.terminal import note

STDIN = "-"
CHUNK = 1 << 18  # bytes


def read_pieces(name: str, chunk_size: int = CHUNK, **reading: Any) -> Iterator[str]:
    """As `read_text_file`, with the settings of ReadConfig; says so where somebody has to type."""
    from charnn.data.text_files import read_text_file

    if name == STDIN and sys.stdin.isatty():
        note("reading from the terminal; Ctrl-D ends the text")
    yield from read_text_file(name, chunk_size=chunk_size, **reading)


def read_bursts(name: str, **reading: Any) -> Iterator[list[str]]:
    """The lines of a file or of standard input without their ends, in lists of those that arrived together."""
    return bursts_of(read_pieces(name, **reading))


def bursts_of(pieces: Iterable[str]) -> Iterator[list[str]]:
    """The lines that each piece of a text completes, however it is cut; none after the last newline."""
    parts: list[str] = []
    for piece in pieces:
        first, *rest = piece.split("\n")
        parts.append(first)
        if rest:
            yield [line.removesuffix("\r") for line in ("".join(parts), *rest[:-1])]
            parts = [rest[-1]]
    if last := "".join(parts):
        yield [last.removesuffix("\r")]
