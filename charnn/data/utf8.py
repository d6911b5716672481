"""UTF-8 bytes, however they are cut into chunks → text."""

import codecs
from collections.abc import Iterable, Iterator

from charnn.config import Errors
from charnn.data.streams import Tally
from charnn.data.vocab import UNKNOWN_GLYPH
from charnn.errors import CorpusError

_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_GLYPH_BYTES = UNKNOWN_GLYPH.encode()


class Decoder:
    """Decodes one document. A byte-order mark at its start is dropped; line ends are kept as they are.

    `replaced` counts the U+FFFD that stand for bytes that aren't UTF-8 (errors="replace").
    """

    def __init__(self, name: str, errors: Errors) -> None:
        self.replaced = 0
        self._name, self._errors = name, errors
        self._offset = 0  # of the pending bytes, in the document
        self._pending = b""
        self._at_start = True

    def decode(self, data: bytes, *, final: bool = False) -> str:
        """The text that `data` completes. Raises CorpusError naming the document and the byte's offset."""
        data = self._pending + data
        try:
            text, used = codecs.utf_8_decode(data, self._errors, final)
        except UnicodeDecodeError as error:
            raise self._complaint(data, error.start) from None
        if self._errors == "replace":
            self.replaced += text.count(UNKNOWN_GLYPH) - data[:used].count(_GLYPH_BYTES)
        self._pending, self._offset = data[used:], self._offset + used
        if self._at_start and text:
            self._at_start = False
            text = text.removeprefix(_BYTE_ORDER_MARK)
        return text

    def _complaint(self, data: bytes, start: int) -> CorpusError:
        offset = self._offset + start
        hint = ""
        if not offset and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            hint = " (it looks like UTF-16: iconv -f UTF-16 -t UTF-8 converts it)"
        return CorpusError(
            f"{self._name} isn't UTF-8: byte 0x{data[start]:02X} at offset {offset}{hint}; "
            "convert it, or use --errors replace"
        )


def decoded(name: str, chunks: Iterable[bytes], errors: Errors, tally: Tally) -> Iterator[str]:
    """The text of one file's chunks, a piece a chunk; keeps `tally.replaced` current."""
    decoder = Decoder(name, errors)
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)
    tally.replaced += decoder.replaced
