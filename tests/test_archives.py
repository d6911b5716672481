"""Zip and tar archives as corpora: their text files, sorted by name; bombs and damage refused."""

import bz2
import gzip
import io
import lzma
import os
import struct
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from corpus_reader import corpus_text

from charnn.errors import CorpusError
from tests import zstd

TEXT = "Now is the winter — 漢字 😀\n" * 400


def read(path: Path, separator: str = "|") -> str:
    return corpus_text(path, separator=separator)


def tarred(members: dict[str, bytes], **options) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **options) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, kind in (("a-link", tarfile.SYMTYPE), ("a-fifo", tarfile.FIFOTYPE), ("a", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return file.getvalue()


TARRED = tarred({"b.txt": b"two", "a/z.txt": TEXT.encode(), "image": b"\0\1"})
ARCHIVES = {
    ".tar": TARRED,
    ".tgz": gzip.compress(TARRED),
    ".tar.gz": gzip.compress(TARRED),
    ".tar.bz2": bz2.compress(TARRED),
    ".tar.xz": lzma.compress(TARRED),
    ".tar.zst": zstd.compress(TARRED),
}


@pytest.mark.parametrize("suffix", ARCHIVES)
def test_a_tars_text_members_are_read_sorted_by_name(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"x{suffix}").write_bytes(ARCHIVES[suffix])
    assert read(tmp_path / f"x{suffix}") == TEXT + "|two"


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_every_dialect_of_tar_is_read(tmp_path: Path, kind: int) -> None:
    (tmp_path / "x.tar").write_bytes(tarred({"d/" * 40 + "é.txt": b"text"}, format=kind))
    assert read(tmp_path / "x.tar") == "text"


@pytest.mark.parametrize("suffix", ARCHIVES)
def test_a_tar_cut_short_or_damaged_is_never_taken_for_whole(tmp_path: Path, suffix: str) -> None:
    path, whole = tmp_path / f"x{suffix}", ARCHIVES[suffix]
    cuts = [whole[:5], whole[: len(whole) // 2], b"", b"plain text " * 100]
    if suffix == ".tar":
        second = 512 + 512  # where the second member's header begins
        cuts += [whole[:second], whole[: second + 100], whole[:second] + b"\1" + whole[second + 1 :]]
    for data in cuts:
        path.write_bytes(data)
        with pytest.raises(CorpusError, match="cut short or damaged"):
            read(path)


def test_a_tars_headers_may_announce_headers_without_end(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    (tmp_path / "x.tar").write_bytes((info.tobuf() + b"ab".ljust(512, b"\0")) * 5000)
    with pytest.raises(CorpusError, match="cut short or damaged"):
        read(tmp_path / "x.tar")


def test_a_sparse_member_is_not_read(tmp_path: Path) -> None:
    """Its hole of a gigabyte would be a gigabyte of NULs."""
    (tmp_path / "hole").write_text("x" * 10_000)
    os.truncate(tmp_path / "hole", 1 << 30)
    (tmp_path / "a.txt").write_text("text\n")
    if subprocess.run(["tar", "-S", "-cf", "x.tar", "a.txt", "hole"], cwd=tmp_path, check=False).returncode:
        pytest.skip("no tar that makes sparse members")
    assert (tmp_path / "x.tar").stat().st_size < 1 << 20
    assert read(tmp_path / "x.tar") == "text\n"


def overlapping(count: int) -> bytes:
    """A zip whose entries all name the bytes of one."""
    data = b"To be or not to be\n" * 50_000
    packed = zlib.compress(data, 9)[2:-4]
    sizes = struct.pack("<HHHHHIII", 20, 0, 8, 0, 0, zlib.crc32(data), len(packed), len(data))
    local = b"PK\3\4" + sizes + struct.pack("<HH", 5, 0) + b"a.txt" + packed
    entry = b"PK\1\2" + struct.pack("<H", 20) + sizes
    entry += struct.pack("<HHHHHII", 5, 0, 0, 0, 0, 0, 0) + b"a.txt"
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(entry) * count, len(local), 0)
    return local + entry * count + b"PK\5\6" + end


def test_overlapping_entries_of_a_zip_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(overlapping(1))
    assert len(read(path)) == 950_000
    path.write_bytes(overlapping(600))
    with pytest.raises(CorpusError, match="overlapped"):
        read(path)


def test_a_zip_that_expands_beyond_text_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for i in range(5):
            archive.writestr(f"{i}.txt", b" " * (16 << 20))
    with pytest.raises(CorpusError, match="200 times its size"):
        read(tmp_path / "x.zip")


@pytest.mark.parametrize("suffix", [".gz", ".tar.gz", ".xz", ".zst"])
def test_a_compressed_file_that_expands_beyond_text_is_refused(tmp_path: Path, suffix: str) -> None:
    spaces = b" " * (80 << 20)
    pack = {".gz": gzip.compress, ".xz": lambda data: lzma.compress(data, preset=0), ".zst": zstd.compress}
    data = tarred({"a.txt": spaces}) if "tar" in suffix else spaces
    (tmp_path / f"x{suffix}").write_bytes(pack[suffix.removeprefix(".tar")](data))
    with pytest.raises(CorpusError, match="200 times its size"):
        read(tmp_path / f"x{suffix}")
