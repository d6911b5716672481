"""Compressed streams: nothing is dropped in silence, and none takes more memory or disk than text is worth."""

import bz2
import gzip
import io
import lzma
import struct
import zlib
from collections.abc import Callable

import pytest

from charnn.data.decompression import DecompressionBombError, ExpansionLimit, compression_of, decompressed
from tests import zstd

TEXT = b"Now is the winter of our discontent\n" * 500
CHECKED = {zstd.CompressionParameter.checksum_flag: 1}
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstd.compress(data, options=CHECKED),
}
DAMAGE = (EOFError, OSError, zlib.error)


def read(suffix: str, data: bytes) -> bytes:
    return decompressed(suffix, io.BytesIO(data)).read()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.txt", ("", "")),
        ("a.TXT.GZ", ("", ".gz")),
        ("a.tar", (".tar", "")),
        ("a.tar.zst", (".tar", ".zst")),
        ("a.tgz", (".tar", ".gz")),
        ("a.tbz2", (".tar", ".bz2")),
        ("A.TXZ", (".tar", ".xz")),
        ("b/a.zip", (".zip", "")),
        ("tar", ("", "")),
    ],
)
def test_what_a_name_says_of_its_bytes(name: str, found: tuple[str, str]) -> None:
    assert compression_of(name) == found


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_second_member_that_is_damaged_is_an_error(suffix: str) -> None:
    first, second = COMPRESSORS[suffix](TEXT), COMPRESSORS[suffix](TEXT[::-1])
    assert read(suffix, first + second) == TEXT + TEXT[::-1]
    middle = len(second) // 2
    for rest in (
        second[:4],
        second[:middle],
        second[:-1],
        second[1:],
        b"X" + second,
        bytes([second[0] ^ 255]) + second[1:],
        second[:middle] + bytes([second[middle] ^ 255]) + second[middle + 1 :],
        b"what is this",
    ):
        with pytest.raises(DAMAGE):
            read(suffix, first + rest)


@pytest.mark.parametrize("suffix", [".bz2", ".xz", ".zst"])
def test_nothing_at_all_is_no_compressed_text(suffix: str) -> None:
    with pytest.raises(EOFError):
        read(suffix, b"")


def test_an_xz_file_may_be_padded_by_zeros_in_fours() -> None:
    first, second = lzma.compress(TEXT), lzma.compress(b"more")
    assert read(".xz", first + bytes(8) + second + bytes(4)) == TEXT + b"more"
    for zeros in (1, 3, 6):
        with pytest.raises(EOFError, match="zeros"):
            read(".xz", first + bytes(zeros))


def test_skippable_frames_of_zstd_are_skipped() -> None:
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"note"
    assert read(".zst", skippable + zstd.compress(TEXT) + skippable) == TEXT


def with_dictionary(data: bytes, code: int) -> bytes:
    """An .xz whose only block claims another dictionary: (2 | code & 1) << code / 2 + 11 bytes of it."""
    assert data[14:16] == b"\x21\x01"  # LZMA2, one byte of properties
    header = data[12:16] + bytes([code]) + data[17:20]
    return data[:12] + header + struct.pack("<I", zlib.crc32(header)) + data[24:]


def test_a_dictionary_that_would_take_a_gigabyte_is_refused() -> None:
    whole = lzma.compress(TEXT)
    assert read(".xz", with_dictionary(whole, 30)) == TEXT  # 128 MiB
    with pytest.raises(EOFError, match=r"limit exceeded.*by hand"):
        read(".xz", with_dictionary(whole, 36))  # 1 GiB


def test_a_window_that_would_take_a_gigabyte_is_refused() -> None:
    frames = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 30})
    data = frames.compress(TEXT, mode=frames.FLUSH_BLOCK) + frames.flush()
    with pytest.raises(EOFError, match=r"too much memory.*by hand"):
        read(".zst", data)


def test_what_expands_beyond_text_is_refused_at_once_and_text_never() -> None:
    limit = ExpansionLimit(lambda: 1 << 20)
    limit.count(200 << 20)  # two hundred times its size
    with pytest.raises(DecompressionBombError, match="200 times"):
        limit.count(1)
    limit = ExpansionLimit(lambda: 10)
    limit.count(64 << 20)  # whatever takes so little
    with pytest.raises(DecompressionBombError):
        limit.count(1)
