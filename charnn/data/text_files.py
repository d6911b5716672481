"""A file that a command reads, or standard input: its text as it arrives, read as a corpus is."""

from collections.abc import Iterator

from charnn.config import Errors, Newlines
from charnn.data.encodings import UTF8
from charnn.data.sources import Source
from charnn.data.streams import Tally, documents
from charnn.data.utf8 import decoded, unified

STDIN = "-"
CHUNK = 1 << 18  # bytes


def read_text_file(
    name: str,
    *,
    encoding: str = UTF8,
    errors: Errors = "strict",
    newlines: Newlines = "lf",
    chunk_size: int = CHUNK,
) -> Iterator[str]:
    """The text of a file, compressed or not, or of standard input for "-", in pieces as they arrive.

    A byte-order mark at the start is dropped; CR LF and CR become LF unless `newlines` is "keep". Raises InputError for
    a file that isn't there, is damaged or isn't text in its encoding, with the byte's offset; CharnnError where
    reading fails.
    """
    tally = Tally()
    source = Source(name, "stdin" if name == STDIN else "file")
    files = documents(source, tally, chunk_size)
    pieces = (piece for file in files for piece in decoded(file, errors, tally, encoding) if piece)
    return pieces if newlines == "keep" else unified(pieces, tally)
