"""The corpus reader: bytes of any kind, packed in any way, in chunks of any size, are encoded or refused in one line.

A case is one line that says how to read it (suffix, errors, chunk size) and then the file's bytes.
"""

import bz2
import codecs
import gzip
import io
import lzma
import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Literal, cast
from unittest.mock import patch

from charnn.data.encode import encode_text
from tests import zstd

from .campaign import ACCEPTED, Target
from .mutate import mutated_bytes

TEXTS = (
    b"",
    b"To be, or not to be\r\nthat is the question\n" * 3,
    "naïve café 🙂 e\u0301 \N{CJK UNIFIED IDEOGRAPH-4E00}\u2028\ufeff\ufffd\n".encode() * 5,
    codecs.BOM_UTF8 + b"marked\n",
    "sixteen".encode("utf-16"),
    "ünïcode".encode("latin-1"),
    "".join(map(chr, range(0x100, 0x300))).encode(),
    b"\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80\xf0\x9f\x99",
    b"a\0b\x1b]52;c;\x07",
    b"x" * 9_000,
)


def _zipped(text: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("b.txt", text), ("folder/a.txt", b"first\n"), ("binary", b"\0\1\2")):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".txt": bytes,
    ".gz": partial(gzip.compress, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
    ".zip": _zipped,
}


def make(numbers: Random) -> bytes:
    suffix = numbers.choice((".txt", ".txt", *PACKED))
    texts = [_text(numbers)]
    if suffix not in (".txt", ".zip") and numbers.random() < 0.2:
        texts.append(_text(numbers))
    content = b"".join(map(PACKED[suffix], texts))
    is_mutated = numbers.random() < 0.7
    if is_mutated:
        content = mutated_bytes(numbers, content)
    errors, chunk = (
        numbers.choice(("strict", "replace")),
        numbers.choice((1, 7, 100, 1000, 4096, 1 << 18, 1 << 18)),
    )
    unpacked = 1_000_000 if is_mutated and suffix != ".txt" else sum(map(len, texts))  # as much as it may be
    enough = max(len(content), unpacked) // 5_000  # thousands of chunks, not millions
    return f"{suffix} {errors} {max(chunk, enough)}\n".encode() + content


def _text(numbers: Random) -> bytes:
    text = numbers.choice(TEXTS)
    return text if numbers.random() < 0.5 else mutated_bytes(numbers, text)


def run(case: bytes, folder: Path) -> str:
    first, _, content = case.partition(b"\n")
    suffix, errors, chunk = first.decode().split()
    path = folder / f"corpus{suffix}"
    path.write_bytes(content)
    shutil.rmtree(folder / "charnn", ignore_errors=True)
    with patch.dict(os.environ, XDG_CACHE_HOME=str(folder)):
        kind = cast(Literal["strict", "replace"], errors)
        encoded = encode_text([str(path)], errors=kind, chunk_size=int(chunk))
    assert not list((folder / "charnn/texts").glob(".tmp*"))
    text = "".join(encoded.characters[i] for i in encoded.ids.tolist())
    assert text == _expected(suffix, errors, content, text)
    return ACCEPTED


def _expected(suffix: str, errors: str, content: bytes, found: str) -> str:
    """The text by the standard library's shortest way, where there is one; archives are only asked to be read."""
    with suppress(EOFError):
        plain = {".txt": bytes, ".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": _plain_xz}.get(suffix)
        return plain(content).decode("utf-8", errors).removeprefix("\ufeff") if plain else found
    raise AssertionError("cut short, and taken for whole")


def _plain_xz(content: bytes) -> bytes:
    """Zeros may follow in fours, which `lzma.decompress` doesn't know."""
    stripped = content.rstrip(b"\0")
    padded = content if (len(content) - len(stripped)) % 4 else stripped
    return lzma.decompress(padded, lzma.FORMAT_XZ)


TARGET = Target("corpora", make, run)
