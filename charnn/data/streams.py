"""A source → its documents, each a stream of byte chunks: fetched, decompressed, in bounded memory."""

import io
import lzma
import tarfile
import tempfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, cast

from charnn.data.addresses import complaint
from charnn.data.archives import members
from charnn.data.decompression import DecompressionBombError, ExpansionLimit, compression_of, decompressed
from charnn.data.sources import BINARY_PROBE, LeftOut, Source, no_text_in, reason_against_content
from charnn.data.standard_input import standard_input
from charnn.errors import CharnnError, CorpusError

_UNKNOWN_VERSION = NotImplementedError  # what zipfile says of one
_DAMAGE = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    RecursionError,  # a tar's headers that announce headers
    DecompressionBombError,
    _UNKNOWN_VERSION,
)


@dataclass
class Tally:
    """What has been read of all the sources: bytes before decompression, and what was found odd in their text."""

    done: int = 0
    replaced: int = 0  # bytes or sequences that weren't text in the encoding, U+FFFD in their place
    newlines: int = 0  # CR LF and CR that became LF
    nuls: int = 0  # kept in what looked like text at its beginning


class Document(NamedTuple):
    """One text of a source: `chunks` have to be read to their end before the next document is asked for.

    `is_found`: in a folder or an archive, where its first 8 KB held no NUL.
    """

    name: str
    chunks: Iterator[bytes]
    is_found: bool


def documents(source: Source, tally: Tally, chunk_size: int) -> Iterator[Document]:
    """A source's documents: itself, or every text member of a zip or tar, sorted by name.

    Raises CorpusError for a missing file, a dead address, a cut connection or a damaged archive; CharnnError
    where the machine fails.
    """
    with _explained(source), _open(source, tally, chunk_size) as (raw, counted):
        archive, compression = compression_of(_file_name(source))
        limit = ExpansionLimit(lambda: counted.count) if compression else None
        stream = decompressed(compression, raw)
        if not archive:
            yield Document(source.shown, _chunks(source, stream, chunk_size, limit), source.is_found)
            return
        with _seekable(stream, raw, limit) as file:
            yield from _members(source, archive, file, chunk_size)


def _members(source: Source, archive: str, file: BinaryIO, chunk_size: int) -> Iterator[Document]:
    size = file.seek(0, io.SEEK_END)
    limit = ExpansionLimit(lambda: size) if archive == ".zip" else None
    left_out, is_read = LeftOut(), False
    for name, member in members(archive, file):
        if reason := reason_against_content(member.read(BINARY_PROBE)):
            left_out[reason] += 1
            continue
        member.seek(0)
        is_read = True
        yield Document(f"{source.shown}/{name}", _chunks(source, member, chunk_size, limit), True)
    if not is_read:
        raise no_text_in(source.shown, left_out, "unpack it and name its texts")


@contextmanager
def _seekable(stream: BinaryIO, raw: BinaryIO, limit: ExpansionLimit | None) -> Iterator[BinaryIO]:
    """An archive's members are read in the order of their names: what can't seek is spooled to a temporary file."""
    if stream is raw and raw.seekable():
        yield raw
        return
    with tempfile.TemporaryFile() as spool:
        while data := stream.read(1 << 20):
            if limit:
                limit.count(len(data))
            spool.write(data)
        yield cast(BinaryIO, spool)


def _file_name(source: Source) -> str:
    return urllib.parse.urlsplit(source.name).path if source.kind == "http" else source.name


def _chunks(source: Source, stream: Any, chunk_size: int, limit: ExpansionLimit | None) -> Iterator[bytes]:
    with _explained(source):
        while data := stream.read1(chunk_size):  # as it arrives
            if limit:
                limit.count(len(data))
            yield data


@contextmanager
def _open(source: Source, tally: Tally, chunk_size: int) -> Iterator[tuple[BinaryIO, "_Counted"]]:
    expected = None
    match source.kind:
        case "file":
            raw: Any = io.FileIO(source.name)
        case "stdin":
            raw = standard_input()
        case "http":
            from charnn.data.remote import fetch

            raw = fetch(source.name)
            expected = raw.length
        case "remote":
            from charnn.data.remote import open_remote

            raw = open_remote(source.name)
    counted = _Counted(raw, tally, expected, owned=source.kind != "stdin")
    with io.BufferedReader(counted, max(chunk_size, 1 << 13)) as stream:
        yield cast(BinaryIO, stream), counted


class _Counted(io.RawIOBase):
    """A raw stream whose bytes are tallied, and must be as many as `expected` when that is known."""

    def __init__(self, raw: Any, tally: Tally, expected: int | None, owned: bool) -> None:
        self._raw, self._tally, self._missing, self._owned = raw, tally, expected, owned
        self.count = 0  # bytes of this source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
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


@contextmanager
def _explained(source: Source) -> Iterator[None]:
    """Turn what reading may raise into one line that names the source and the remedy."""
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(source, error) from error
    except Exception as error:
        if not isinstance(error, _failures()):
            raise
        if source.kind in ("http", "remote"):
            raise CorpusError(
                f"{source.shown} can't be fetched ({complaint(source.name, error)}); "
                "check the address and the connection"
            ) from None  # the cause would show the address's secrets
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise CorpusError(f"no such file: {source.name}; check the path") from error
        if isinstance(error, IsADirectoryError):
            raise CorpusError(f"{source.shown} is a folder; name a file") from error
        if not isinstance(error, OSError) or error.errno is None:  # gzip's way of saying it
            raise _damaged(source, error) from error
        raise CharnnError(f"cannot read {source.shown}: {error.strerror}") from error


def _failures() -> tuple[type[Exception], ...]:
    """What reading may raise where nothing is damaged."""
    from http.client import HTTPException  # only now is it asked for

    return HTTPException, OSError, ValueError


def _damaged(source: Source, error: Exception) -> CorpusError:
    return CorpusError(f"{source.shown} is cut short or damaged ({error}); fetch or make it again")
