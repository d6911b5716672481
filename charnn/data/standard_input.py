"""Standard input as bytes, waited for: an empty pipe that another program made non-blocking isn't at its end."""

import io
import select
import sys
from typing import Any, BinaryIO, cast

from charnn.errors import CorpusError


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
    """Standard input, which stays open when this is closed; a read gives what has arrived.

    Raises CorpusError when there is none.
    """
    if sys.stdin is None:
        raise CorpusError("standard input is closed; pipe the text in or name a file")
    buffer = sys.stdin.buffer
    raw = getattr(buffer, "raw", None)  # none where a program put a stream of its own in place
    return cast(BinaryIO, _Waiting(raw)) if raw else buffer
