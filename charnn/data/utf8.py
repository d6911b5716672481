"""Bytes, however they are cut into chunks → text; UTF-8 unless another encoding is named, line ends as LF if wanted."""

import codecs
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import IncrementalNewlineDecoder

from charnn.config import Errors
from charnn.data.encodings import STRAY_SHARE, UTF8, advice, canonical, wide_encoding
from charnn.data.streams import Document, Tally
from charnn.data.vocab import UNKNOWN_GLYPH
from charnn.errors import CorpusError

_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_GLYPH_BYTES = UNKNOWN_GLYPH.encode()
_SURROGATE = re.compile("[\ud800-\udfff]")


class UndecodableError(CorpusError):
    """Bytes that aren't text in their encoding; `data` are some, to advise on, the first odd one at `place`."""

    def __init__(self, message: str, data: bytes, place: int = 0) -> None:
        super().__init__(message)
        self.data, self.place = data, place


@contextmanager
def advised() -> Iterator[None]:
    """Say what bytes that can't be decoded look like, and what to do then."""
    try:
        yield
    except UndecodableError as error:
        raise CorpusError(f"{error}; {advice(error.data, error.place)}") from None


class Decoder:
    """Decodes one document. A byte-order mark at its start is dropped; line ends are kept as they are.

    `replaced` counts the U+FFFD that stand for bytes that aren't text (errors="replace"). NULs are kept and counted in
    `nuls`; with `refuse_nuls` only a few of them are, and more are taken for bytes that aren't text.
    """

    def __init__(self, name: str, errors: Errors, encoding: str = UTF8, *, refuse_nuls: bool = False) -> None:
        self.replaced = 0
        self.nuls = 0
        self._name, self._errors, self._encoding = name, errors, canonical(encoding)
        self._refuse_nuls = refuse_nuls
        self._offset = 0  # of the pending bytes, in the document
        self._pending = b""
        self._at_start = True
        is_utf8 = self._encoding == UTF8
        self._other = None if is_utf8 else codecs.getincrementaldecoder(self._encoding)(errors)

    def decode(self, data: bytes, *, final: bool = False) -> str:
        """The text that `data` completes. Raises UndecodableError naming the document and the offset."""
        text = self._decode_other(data, final) if self._other else self._decode_utf8(data, final)
        if "\0" in text:
            self._judge_nuls(text, data)
        if self._at_start and text:
            self._at_start = False
            text = text.removeprefix(_BYTE_ORDER_MARK)
        return text

    def _decode_utf8(self, data: bytes, final: bool) -> str:
        data = self._pending + data
        try:
            text, used = codecs.utf_8_decode(data, self._errors, final)
        except UnicodeDecodeError as error:
            raise self._complaint(data, error.start, self._offset) from None
        if self._errors == "replace":
            self.replaced += text.count(UNKNOWN_GLYPH) - data[:used].count(_GLYPH_BYTES)
        self._pending, self._offset = data[used:], self._offset + used
        return text

    def _decode_other(self, data: bytes, final: bool) -> str:
        assert self._other
        start = self._offset - len(self._other.getstate()[0])
        self._offset += len(data)
        try:
            text = self._other.decode(data, final)
        except UnicodeDecodeError as error:
            raise self._complaint(bytes(error.object), error.start, start) from None
        except UnicodeError as error:  # UTF-16 or UTF-32 without a byte-order mark
            raise UndecodableError(f"{self._name}: {error}", data) from None
        self.replaced += text.count(UNKNOWN_GLYPH) if self._errors == "replace" else 0
        if _SURROGATE.search(text):
            raise UndecodableError(f"{self._name} isn't {self._encoding}: it has halves of characters", data)
        return text

    def _judge_nuls(self, text: str, data: bytes) -> None:
        """Count the NULs of a text. Raises UndecodableError where they show that it is another thing."""
        count = text.count("\0")
        is_stray = count <= STRAY_SHARE * len(text) and UNKNOWN_GLYPH not in text
        if is_stray or not self._refuse_nuls or (self._errors == "replace" and not wide_encoding(data)):
            self.nuls += count
            return
        raise UndecodableError(f"{self._name} holds NULs, which no text does", data)

    def _complaint(self, data: bytes, start: int, offset: int) -> UndecodableError:
        """`data` begins at `offset` in the document."""
        what = f"{self._name} isn't {self._encoding.upper()}: byte 0x{data[start]:02X} at offset {offset + start}"
        return UndecodableError(what, data, start)


def decoded(document: Document, errors: Errors, tally: Tally, encoding: str = UTF8) -> Iterator[str]:
    """The text of one document, a piece a chunk; keeps `tally` current. Raises CorpusError for what isn't text."""
    decoder = Decoder(document.name, errors, encoding, refuse_nuls=not document.is_found)
    with advised():
        yield from _decoded(decoder, document.chunks, tally)


def _decoded(decoder: Decoder, chunks: Iterable[bytes], tally: Tally) -> Iterator[str]:
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)
    tally.replaced += decoder.replaced
    tally.nuls += decoder.nuls


def unified_text(text: str, tally: Tally) -> str:
    """A whole text with LF at the end of each line; counts the others."""
    return "".join(unified([text], tally)) if "\r" in text else text


def unified(pieces: Iterable[str], tally: Tally) -> Iterator[str]:
    """The text of `pieces` with LF at the end of each line, however it is cut; counts the others."""
    decoder = IncrementalNewlineDecoder(None, translate=True)
    for piece in pieces:
        tally.newlines += piece.count("\r")
        if text := decoder.decode(piece):
            yield text
    if text := decoder.decode("", final=True):
        yield text
