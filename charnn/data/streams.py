"""A source → its documents, each a stream of byte chunks: fetched, decompressed, in bounded memory."""

import bz2
import gzip
import http.client
import io
import lzma
import shutil
import string
import sys
import tempfile
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from stat import S_ISLNK
from typing import Any, BinaryIO, cast

from charnn.data.sources import BINARY_PROBE, Source
from charnn.errors import CharnnError, CorpusError

HTTP_TIMEOUT = 30.0  # seconds without an answer
_ZSTD_INPUT = 1024  # bytes; a zstd block of 4 bytes may hold 128 KB, so this bounds the output to 32 MB
_UNKNOWN_VERSION = NotImplementedError  # what zipfile says of one
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, _UNKNOWN_VERSION)


@dataclass
class Tally:
    """What has been read of all the sources: bytes, before decompression, and how many weren't UTF-8."""

    done: int = 0
    replaced: int = 0


def documents(source: Source, tally: Tally, chunk_size: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    """A source's documents, (name, chunks): itself, or every text member of a zip, sorted by name.

    Read each document to its end before taking the next. Raises CorpusError for a missing file, a dead
    address, a cut connection or a damaged archive; CharnnError where the machine fails.
    """
    with _explained(source), _open(source, tally, chunk_size) as raw:
        if _suffix(source) == ".zip":
            yield from _members(source, raw, chunk_size)
        else:
            yield source.name, _chunks(source, _decompressed(_suffix(source), raw), chunk_size)


def _suffix(source: Source) -> str:
    path = urllib.parse.urlsplit(source.name).path if source.kind == "http" else source.name
    return PurePosixPath(path).suffix.lower()


def _chunks(source: Source, stream: BinaryIO, chunk_size: int) -> Iterator[bytes]:
    with _explained(source):
        while data := stream.read(chunk_size):
            yield data


def _decompressed(suffix: str, raw: BinaryIO) -> BinaryIO:
    match suffix:
        case ".gz":
            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        case ".bz2":
            return cast(BinaryIO, bz2.BZ2File(raw))
        case ".xz":
            return cast(BinaryIO, lzma.LZMAFile(raw))
        case ".zst":
            return io.BufferedReader(_ZstdReader(raw), 1 << 17)
    return raw


def _members(source: Source, raw: BinaryIO, chunk_size: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    with _seekable(raw) as file, zipfile.ZipFile(file) as archive:
        members = [m for m in archive.infolist() if _is_file(m)]
        for member in sorted(members, key=lambda member: member.filename):
            name = f"{source.name}/{member.filename}"
            try:
                stream = archive.open(member)
            except RuntimeError as error:  # encrypted, or a compression that zipfile doesn't know
                raise CorpusError(f"{name}: {error}; unpack it first") from error
            with stream:
                start = stream.read(BINARY_PROBE)
                if b"\0" not in start:
                    stream.seek(0)
                    yield name, _chunks(source, cast(BinaryIO, stream), chunk_size)


def _is_file(member: zipfile.ZipInfo) -> bool:
    """Neither a folder nor a link nor without a name."""
    return bool(member.filename) and not member.is_dir() and not S_ISLNK(member.external_attr >> 16)


@contextmanager
def _seekable(raw: BinaryIO) -> Iterator[BinaryIO]:
    """A zip's directory stands at its end: what can't seek is spooled to a temporary file."""
    if raw.seekable():
        yield raw
        return
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(raw, spool)
        yield cast(BinaryIO, spool)


def _open(source: Source, tally: Tally, chunk_size: int) -> BinaryIO:
    expected = None
    match source.kind:
        case "file":
            raw: Any = io.FileIO(source.name)
        case "stdin":
            raw = _standard_input()
        case "http":
            raw = _fetch(source.name)
            expected = raw.length
        case "remote":
            raw = _open_remote(source.name)
    return io.BufferedReader(
        _Counted(raw, tally, expected, owned=source.kind != "stdin"), max(chunk_size, 1 << 13)
    )


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise CorpusError("standard input is closed; pipe the corpus in or name a file")
    return sys.stdin.buffer


def _fetch(address: str) -> Any:
    url = urllib.parse.quote(address, safe=string.punctuation)
    request = urllib.request.Request(
        url, headers={"User-Agent": "charnn"}
    )  # many sites refuse urllib's own name
    return urllib.request.urlopen(request, timeout=HTTP_TIMEOUT)


def _open_remote(address: str) -> Any:
    try:
        import fsspec

        return fsspec.open(address, "rb").open()
    except ImportError as error:
        raise CorpusError(
            f"{address} needs a library more ({error}); pip install 'charnn[remote]'"
        ) from error


class _Counted(io.RawIOBase):
    """A raw stream whose bytes are tallied, and must be as many as `expected` when that is known."""

    def __init__(self, raw: Any, tally: Tally, expected: int | None, owned: bool) -> None:
        self._raw, self._tally, self._missing, self._owned = raw, tally, expected, owned

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self._tally.done += len(data)
        if self._missing is not None:
            self._missing -= len(data)
            if not data and self._missing:
                raise EOFError(f"the connection was cut {self._missing:,} bytes before the end")
        return len(data)

    def seekable(self) -> bool:
        return self._missing is None and bool(self._raw.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._raw.seek(offset, whence))

    def tell(self) -> int:
        return int(self._raw.tell())

    def close(self) -> None:
        if self._owned:
            self._raw.close()
        super().close()


class _ZstdReader(io.RawIOBase):
    """Zstandard frames, decompressed. The library's own reader takes a stream cut short for a whole one."""

    def __init__(self, raw: BinaryIO) -> None:
        import zstandard

        self._raw, self._error = raw, zstandard.ZstdError
        self._new_frame = zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._raw.read(_ZSTD_INPUT)
            if not data:
                break
            self._ready = memoryview(self._decompress(data))
        if not self._ready and self._frame is not None and not self._frame.eof:
            raise EOFError("the compressed stream is cut short")
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def _decompress(self, data: bytes) -> bytes:
        pieces = []
        while data:
            if self._frame is None or self._frame.eof:
                self._frame = self._new_frame()
            try:
                pieces.append(self._frame.decompress(data))
            except self._error as error:
                raise EOFError(str(error)) from error
            data = self._frame.unused_data
        return b"".join(pieces)


@contextmanager
def _explained(source: Source) -> Iterator[None]:
    """Turn what reading may raise into one line that names the source and the remedy."""
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(source, error) from error
    except (http.client.HTTPException, OSError, ValueError) as error:
        if source.kind in ("http", "remote"):
            raise CorpusError(
                f"{source.name} can't be fetched ({error}); check the address and the connection"
            ) from error
        if isinstance(error, FileNotFoundError):
            raise CorpusError(f"no such file: {source.name}; check the path") from error
        if not isinstance(error, OSError) or error.errno is None:  # gzip's and bz2's way of saying it
            raise _damaged(source, error) from error
        raise CharnnError(f"cannot read {source.name}: {error.strerror}") from error


def _damaged(source: Source, error: Exception) -> CorpusError:
    return CorpusError(f"{source.name} is cut short or damaged ({error}); fetch or make it again")
