"""Line ends: CR LF and CR become LF."""

from collections.abc import Iterable, Iterator
from io import IncrementalNewlineDecoder

from charnn.data.streams import Tally


def unified(pieces: Iterable[str], tally: Tally) -> Iterator[str]:
    """The text of `pieces` with LF at the end of each line, however it is cut; counts the others."""
    decoder = IncrementalNewlineDecoder(None, translate=True)
    for piece in pieces:
        tally.newlines += piece.count("\r")
        if text := decoder.decode(piece):
            yield text
    if text := decoder.decode("", final=True):
        yield text
