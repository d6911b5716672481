"""The standard streams: UTF-8 in pipes, nothing harmful on terminals, quiet when nobody reads."""

import io
import json
import os
import select
import sys
from typing import Any, TextIO, cast

from charnn.errors import CharnnError

LONGEST_LINE = 500  # characters of what is said about a model or a run
_TAB_AND_NEWLINE = (0x09, 0x0A)
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))  # C0 with ESC and NUL, DEL, C1
_REORDERING = (
    0x061C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
)  # bidi, line separators
_LINE_ESCAPES = {point: ascii(chr(point))[1:-1] for point in (*_CONTROLS, *_REORDERING)}
_ESCAPES = {point: name for point, name in _LINE_ESCAPES.items() if point not in _TAB_AND_NEWLINE}


def escape(text: str) -> str:
    r"""`text` made harmless for a terminal: ESC reads \x1b, and so on; tab and newline stand."""
    return text.translate(_ESCAPES)


def escape_line(text: str) -> str:
    """As `escape`, and on one line; a file name's bytes that aren't UTF-8 are escaped too."""
    return text.translate(_LINE_ESCAPES).encode("utf-8", "backslashreplace").decode()


def short_line(text: str, longest: int = LONGEST_LINE) -> str:
    """Text as one escaped line of at most so many characters; a longer one ends in how long it was."""
    line = escape_line(text)
    if len(line) <= longest:
        return line
    end = f"… ({len(text):,} characters)"
    return line[: longest - len(end)] + end


_encode = json.JSONEncoder(allow_nan=False).encode  # json.dumps would make an encoder for every line


def json_line(value: dict[str, Any]) -> str:
    """One line of JSON in printable ASCII, safe on any terminal and in any locale."""
    return _encode(value).replace("\x7f", "\\u007f")


def note(message: str) -> None:
    """Say one line on stderr, after what stdout was given before."""
    sys.stdout.flush()
    print(escape_line(message), file=sys.stderr)


def colours_in(stream: TextIO) -> bool:
    """Whether `stream` may carry colours: NO_COLOR forbids, FORCE_COLOR allows, else a terminal that isn't dumb."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def guard_streams() -> None:
    """Replace the standard streams by guarded ones, whatever state the process was started with.

    In a pipe or a file stdout is UTF-8 in every locale; on a terminal, characters that its encoding lacks are
    escaped. When nobody reads stdout any more the process ends silently with 0; any other failure to write there is
    a CharnnError. What stderr can't take is dropped.
    """
    _open_closed_streams()
    sys.stdout = _rewrapped(sys.stdout, _Stdout(sys.stdout))
    sys.stderr = _rewrapped(sys.stderr, _Stderr(sys.stderr), line_buffering=True)


class _Guarded(io.RawIOBase):
    """The unbuffered end of a standard stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream  # kept: it closes the descriptor when it goes
        self._raw = cast(io.FileIO, getattr(stream.buffer, "raw", stream.buffer))

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def _write(self, data: Any) -> int:
        while (written := self._raw.write(data)) is None:  # a non-blocking pipe that is full
            select.select([], [self._raw], [])
        return written

    def _abandon(self) -> None:
        """Send what is still buffered nowhere, or Python's exit would complain about it."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


class _Stdout(_Guarded):
    def write(self, data: Any) -> int:
        try:
            return self._write(data)
        except BrokenPipeError:
            self._abandon()
            raise SystemExit(0) from None
        except OSError as error:
            self._abandon()
            raise CharnnError(f"cannot write to standard output: {error.strerror}") from error


class _Stderr(_Guarded):
    def write(self, data: Any) -> int:
        try:
            return self._write(data)
        except OSError:
            self._abandon()
            return len(data)


def _rewrapped(stream: TextIO, raw: _Guarded, line_buffering: bool = False) -> TextIO:
    terminal = raw.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding if terminal else "utf-8",
        errors="backslashreplace",
        newline="\n",
        line_buffering=line_buffering or terminal,
    )


def _open_closed_streams() -> None:
    """A closed stdin is empty; a closed stdout or stderr becomes a pipe that nobody reads."""
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    if sys.stdout is None:
        sys.stdout = _unread_pipe(1)
    if sys.stderr is None:
        sys.stderr = _unread_pipe(2)


def _unread_pipe(descriptor: int) -> TextIO:
    reader, writer = os.pipe()
    os.close(reader)
    if writer != descriptor:
        os.dup2(writer, descriptor)
        os.close(writer)
    return os.fdopen(descriptor, "w", closefd=False)
