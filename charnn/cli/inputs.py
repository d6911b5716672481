"""What people give a command to read: UTF-8 files and standard input, as a stream."""

import codecs
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import cast

from charnn.cli.terminal import note
from charnn.errors import CharnnError, InputError

STDIN = "-"
CHUNK = 1 << 18  # bytes
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def read_pieces(name: str, chunk_size: int = CHUNK) -> Iterator[str]:
    """The text of a file, or of standard input for "-", in pieces of at most `chunk_size` bytes, as they arrive.

    A byte-order mark at the start is dropped, line ends are kept. Raises InputError for a file that isn't there or
    isn't UTF-8, with the byte's offset; CharnnError where reading fails.
    """
    called = "standard input" if name == STDIN else name
    with _explained(called), _opened(name) as stream:
        pieces = _decoded(called, iter(lambda: stream.read1(chunk_size), b""))
        yield next(pieces, "").removeprefix(_BYTE_ORDER_MARK)
        yield from pieces


def read_bursts(name: str) -> Iterator[list[str]]:
    """The lines of a file or of standard input without their ends, in lists of those that arrived together.

    A line ends with a newline, or with a carriage return and a newline.
    """
    return bursts_of(read_pieces(name))


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


def _decoded(called: str, chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0  # of what isn't decoded yet
    for chunk in chain(chunks, [b""]):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            byte, place = error.object[error.start], offset - pending + error.start
            raise InputError(
                f"{called} isn't UTF-8: byte 0x{byte:02X} at offset {place}; convert it, say with iconv"
            ) from None
        offset += len(chunk)
        if text:
            yield text


def _opened(name: str) -> AbstractContextManager[BufferedReader]:
    if name != STDIN:
        return Path(name).open("rb")
    if sys.stdin.isatty():
        note("reading from the terminal; Ctrl-D ends the text")
    return nullcontext(cast(BufferedReader, sys.stdin.buffer))


@contextmanager
def _explained(called: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(f"cannot read {called}: {error.strerror}; check the path") from error
    except OSError as error:
        raise CharnnError(f"cannot read {called}: {error.strerror}") from error
