"""Encodings by name, and what bytes that aren't text in one look like, for the advice of an error."""

import codecs
import unicodedata
from collections.abc import Mapping

from charnn.errors import InputError

UTF8 = "utf-8"
_BYTE_ORDER_MARKS = {  # the longer first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_MAGIC: Mapping[bytes, str] = {
    b"\x1f\x8b": "a gzip file: its name should end in .gz",
    b"BZh": "a bzip2 file: its name should end in .bz2",
    b"\xfd7zXZ": "an xz file: its name should end in .xz",
    b"\x28\xb5\x2f\xfd": "a Zstandard file: its name should end in .zst",
    b"PK\3\4": "a zip archive: its name should end in .zip",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"%PDF": "a PDF: convert it to text",
    b"PAR1": "a Parquet file: its name should end in .parquet",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x7fELF": "a program",
    b"SQLite format 3": "a database",
}
_TAR_MAGIC, _TAR_PLACE = b"ustar", 257
_SAMPLE = 1 << 16  # bytes that are looked at
_PLAIN_SHARE = 0.9  # of a wide text's characters, at least
STRAY_SHARE = 0.1  # of bytes that may be NULs in a text that isn't wide
_CONTROLS_SHARE = 0.02  # of a text's bytes, at most
_SURE = 0.1  # chardet's confidence; below it, a Western text is likelier than what it names
_WESTERN = "cp1252"


def canonical(name: str) -> str:
    """`UTF8` → `utf-8`, `Latin-1` → `iso8859-1`. Raises InputError for what is no encoding of text."""
    try:
        found = codecs.lookup(name)
        b"a".decode(name)  # raises LookupError for a codec of something else
        if found.incrementaldecoder is None:
            raise LookupError
    except UnicodeDecodeError:  # half of a character, as it may be
        pass
    except (LookupError, ValueError):
        raise InputError(
            f"--encoding {name!a} is unknown; give one that Python knows, as utf-8, utf-16, cp1252, gb18030"
        ) from None
    return UTF8 if found.name == "utf-8-sig" else found.name


def wide_encoding(data: bytes) -> str | None:
    """The UTF-16 or UTF-32 that `data` looks like, by its byte-order mark or by its characters; None for neither."""
    for mark, name in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return name
    data = data[:_SAMPLE]
    if b"\0" not in data or _has_stray_nuls(data):
        return None
    scores = {name: _plainness(data, name) for name in _WIDE}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= _PLAIN_SHARE else None


def advice(data: bytes, place: int = 0) -> str:
    """What bytes that aren't UTF-8, or hold a NUL, look like, and what to do then; the first odd one is at `place`."""
    odd, data = data[place : place + _SAMPLE], data[:_SAMPLE]
    if data[_TAR_PLACE:].startswith(_TAR_MAGIC):
        return "it looks like a tar archive: its name should end in .tar"
    if known := next((known for magic, known in _MAGIC.items() if data.startswith(magic)), None):
        return f"it looks like {known}"
    if wide := wide_encoding(data):
        mark = "" if wide in _BYTE_ORDER_MARKS.values() else " without a byte-order mark"
        return f"it looks like {wide[:6].upper()}{mark}; give --encoding {wide}"
    if _is_binary(data):
        return "it looks like binary data; give a text"
    likely = _likely_encoding(odd if place >= _SAMPLE // 2 else data)
    return f"it looks like {likely}; give --encoding {likely}, or --errors replace"


def _has_stray_nuls(data: bytes) -> bool:
    """Whether it is UTF-8 but for a few NULs."""
    try:
        codecs.utf_8_decode(data, "strict", False)
    except UnicodeDecodeError:
        return False
    return data.count(0) < STRAY_SHARE * len(data)


def _plainness(data: bytes, encoding: str) -> float:
    """The share of characters that texts are made of, and a bonus for ASCII: 0 … 2."""
    text = data.decode(encoding, "replace")
    if not text:
        return 0.0
    is_plain = sum(c in "\n\r\t" or unicodedata.category(c) not in ("Cc", "Cn", "Co", "Cs") for c in text)
    is_plain -= text.count("\ufffd")
    return is_plain / len(text) + (
        sum(c.isascii() for c in text) / len(text) if is_plain >= 0.9 * len(text) else 0
    )


def _is_binary(data: bytes) -> bool:
    """Whether NULs and other control characters are more than a damaged text has."""
    controls = sum(data.count(byte) for byte in (*range(9), 11, *range(14, 27), *range(28, 32)))
    return controls > _CONTROLS_SHARE * len(data) + 1


def _likely_encoding(data: bytes) -> str:
    """chardet's guess in Python's name; where it is hardly one, what most such files are in."""
    import chardet

    found = chardet.detect(data, encoding_era=chardet.EncodingEra.MODERN_WEB)
    name, confidence = found["encoding"], float(found["confidence"] or 0)
    try:
        guess = codecs.lookup(str(name)).name
        data.decode(guess, "ignore")
    except LookupError:
        return _WESTERN
    return guess if confidence >= _SURE and guess not in (UTF8, "ascii") else _WESTERN
