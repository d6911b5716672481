"""Compressed streams → their bytes: every member read to its end, in bounded memory, nothing dropped in silence."""

import bz2
import gzip
import io
import lzma
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol, cast

XZ_MEMORY = (
    129 << 20
)  # bytes; the decoder of a 128 MiB dictionary, twice that of xz -9; zstd's own limit is the same
EXPANSION_ALLOWED = 64 << 20  # bytes that any archive may decompress to, and beyond them
EXPANSION_RATIO = 200  # times its own size; text is seldom compressed to less than a fiftieth
_BUFFER = 1 << 17
_PADDING = 4  # bytes; an .xz file may end in zeros, a multiple of so many
_LONG_NAMES = {
    ".tgz": ".tar.gz",
    ".tbz": ".tar.bz2",
    ".tbz2": ".tar.bz2",
    ".txz": ".tar.xz",
    ".tzst": ".tar.zst",
}
_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")


class DecompressionBombError(Exception):
    """A stream that decompresses to far more than text does."""


class _Decompressor(Protocol):
    """What bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def compression_of(name: str) -> tuple[str, str]:
    """(the archive's suffix, the compression's) of a file's name, in lower case, "" where there is none.

    `book.tgz` → (".tar", ".gz"); `book.txt.xz` → ("", ".xz"); `book.zip` → (".zip", "").
    """
    name = name.lower()
    for short, long in _LONG_NAMES.items():
        if name.endswith(short):
            name = name.removesuffix(short) + long
    suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), "")
    rest = name.removesuffix(suffix)
    if rest.endswith(".tar"):
        return ".tar", suffix
    return (".zip", "") if name.endswith(".zip") else ("", suffix)


def decompressed(suffix: str, raw: BinaryIO) -> BinaryIO:
    """The bytes that `raw` holds compressed. Reading raises EOFError or the format's own error for damage."""
    match suffix:
        case ".gz":
            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        case ".bz2":
            return _buffered(_Members(raw, bz2.BZ2Decompressor, OSError))
        case ".xz":
            return _buffered(_Members(raw, _xz_decompressor, lzma.LZMAError, padding=_PADDING))
        case ".zst":
            return _buffered(_zstd_members(raw))
    return raw


def _buffered(members: "_Members") -> BinaryIO:
    return io.BufferedReader(members, _BUFFER)


def _xz_decompressor() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)  # zeros are a stream of an older format


def _zstd_members(raw: BinaryIO) -> "_Members":
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return _Members(raw, zstd.ZstdDecompressor, zstd.ZstdError)


class _Members(io.RawIOBase):
    """The members of a stream one after another. (bz2's and lzma's own files drop a damaged second member.)"""

    def __init__(
        self,
        raw: BinaryIO,
        new_member: Callable[[], _Decompressor],
        damage: type[Exception],
        padding: int = 0,
    ) -> None:
        self._raw, self._new_member, self._damage = raw, new_member, damage
        self._padding = padding
        self._member = new_member()
        self._pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._member.eof and not self._next_member():
                return 0
            if data := self._decompress(len(buffer)):
                buffer[: len(data)] = data
                return len(data)

    def _decompress(self, length: int) -> bytes:
        if self._member.needs_input and not self._pending:
            self._pending = self._raw.read(_BUFFER)
            if not self._pending:
                raise EOFError("the compressed stream is cut short")
        data, self._pending = self._pending, b""
        try:
            return self._member.decompress(data, length)
        except self._damage as error:
            raise EOFError(_reason(error)) from error

    def _next_member(self) -> bool:
        """Begin the member that follows the one that ended; False at the stream's end."""
        self._pending = self._member.unused_data or self._raw.read(_BUFFER)
        if self._padding:
            self._skip_padding()
        if not self._pending:
            return False
        self._member = self._new_member()
        return True

    def _skip_padding(self) -> None:
        zeros = 0
        while self._pending:
            rest = self._pending.lstrip(b"\0")
            zeros += len(self._pending) - len(rest)
            self._pending = rest or self._raw.read(_BUFFER)
            if rest:
                break
        if zeros % self._padding:
            raise EOFError("it ends in zeros that belong to no stream")


def _reason(error: Exception) -> str:
    if "memory" in str(error).lower():  # lzma's and zstd's words for a limit
        return f"{error}: it needs over {XZ_MEMORY >> 20} MB to be decompressed; decompress it by hand"
    return str(error)


class ExpansionLimit:
    """Counts what an archive decompresses to against what it takes compressed, as `compressed()` tells."""

    def __init__(self, compressed: Callable[[], int]) -> None:
        self._compressed = compressed
        self._expanded = 0

    def count(self, expanded: int) -> None:
        """Raises DecompressionBombError when it is too much to be text."""
        self._expanded += expanded
        if self._expanded > max(EXPANSION_ALLOWED, EXPANSION_RATIO * self._compressed()):
            raise DecompressionBombError(
                f"it decompresses to over {EXPANSION_RATIO} times its size; decompress it by hand if that is right"
            )
