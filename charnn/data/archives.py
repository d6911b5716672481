"""The text files inside a zip or tar archive, sorted by name; nothing is unpacked to a path that the archive names."""

import tarfile
import zipfile
from collections.abc import Iterator
from operator import attrgetter
from stat import S_ISLNK
from typing import BinaryIO, cast

from charnn.errors import CorpusError

_LOCAL_HEADER = 30  # bytes, before the name
_TAR_BLOCK = 512  # bytes

Member = tuple[str, BinaryIO]
"""A member's name and its bytes, open until the next member is asked for."""


def members(suffix: str, file: BinaryIO) -> Iterator[Member]:
    """The regular files of a `.zip` or `.tar` that can seek, sorted by name.

    Raises zipfile.BadZipFile or tarfile.TarError for a damaged archive, CorpusError for an encrypted one.
    """
    file.seek(0)
    yield from (_zip_members if suffix == ".zip" else _tar_members)(file)


def _zip_members(file: BinaryIO) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        found = archive.infolist()
        _require_apart(found, archive.start_dir)
        for member in sorted(filter(_is_zipped_file, found), key=attrgetter("filename")):
            try:
                stream = archive.open(member)
            except RuntimeError as error:  # encrypted, or a compression that zipfile doesn't know
                raise CorpusError(f"{error}; unpack the archive first") from error
            with stream:
                yield member.filename, cast(BinaryIO, stream)


def _require_apart(found: list[zipfile.ZipInfo], end: int) -> None:
    """Refuse members that share bytes: kilobytes would give gigabytes (CVE-2024-0450; Python 3.11.8 checks it too)."""
    by_place = sorted(found, key=attrgetter("header_offset"))
    starts = [member.header_offset for member in by_place[1:]]
    for member, limit in zip(by_place, [*starts, end], strict=False):
        if member.header_offset + _LOCAL_HEADER + member.compress_size > limit:
            raise zipfile.BadZipFile(f"overlapped entries: {member.filename!a}")


def _is_zipped_file(member: zipfile.ZipInfo) -> bool:
    """Neither a folder nor a link nor without a name."""
    return bool(member.filename) and not member.is_dir() and not S_ISLNK(member.external_attr >> 16)


def _tar_members(file: BinaryIO) -> Iterator[Member]:
    with tarfile.open(fileobj=file, mode="r:", errors="surrogateescape") as archive:
        found = archive.getmembers()
        _require_end(file, archive)
        # a sparse file's holes would be read as endless NULs
        plain = [member for member in found if member.isreg() and not member.issparse() and member.name]
        for member in sorted(plain, key=attrgetter("name")):
            stream = archive.extractfile(member)
            assert stream is not None  # of a regular file
            with stream:
                yield member.name, cast(BinaryIO, stream)


def _require_end(file: BinaryIO, archive: tarfile.TarFile) -> None:
    """tarfile takes whatever isn't a header for the archive's end; that is a block of zeros."""
    file.seek(archive.offset)
    if file.read(_TAR_BLOCK) != bytes(_TAR_BLOCK):
        raise tarfile.ReadError("the archive has no end")
