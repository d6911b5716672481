"""Standard input as bytes, waited for: an empty pipe that another program made non-blocking isn't at its end."""

import io
import select
import sys
from typing import Any, BinaryIO, cast

from charnn.errors import CorpusError

_BUFFER = 1 << 16


class _Waiting(io.RawIOBase):
    """A raw stream that waits where a non-blocking one would give nothing."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while (count := self._raw.readinto(buffer)) is None:
            select.select([self._raw], [], [])
        return count


def standard_input() -> BinaryIO:
    """Standard input, which stays open when this is closed. Raises CorpusError when there is none."""
    if sys.stdin is None:
        raise CorpusError("standard input is closed; pipe the text in or name a file")
    buffer = sys.stdin.buffer
    raw = getattr(buffer, "raw", None)  # none where a program put a stream of its own in place
    return buffer if raw is None else cast(BinaryIO, io.BufferedReader(_Waiting(raw), _BUFFER))
