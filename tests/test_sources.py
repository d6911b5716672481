import bz2
import gzip
import io
import lzma
import os
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charnn.config import Errors
from charnn.data.reading import Findings, ReadOptions, read_corpus
from charnn.data.sources import list_sources
from charnn.data.streams import Tally
from charnn.data.utf8 import Decoder
from charnn.errors import CharnnError, CorpusError
from tests import zstd

TEXT = "Now is the winter — ÿ 漢字 😀\r\n" * 400
BYTES = TEXT.encode()


def read(
    *names: object,
    separator: str = "",
    errors: Errors = "strict",
    chunk_size: int = 1000,
    tally: Tally | None = None,
) -> str:
    sources = list_sources([str(name) for name in names])
    options = ReadOptions(separator, errors, newlines="keep")
    return "".join(read_corpus(sources, options, tally or Tally(), Findings(), chunk_size))


def decode(data: bytes, errors: Errors, size: int) -> tuple[str, int]:
    decoder = Decoder("text", errors)
    pieces = [decoder.decode(data[i : i + size]) for i in range(0, len(data), size)]
    return "".join([*pieces, decoder.decode(b"", final=True)]), decoder.replaced


@given(
    st.binary(max_size=60) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.integers(1, 7),
)
def test_however_bytes_are_cut_they_decode_as_the_whole(data: bytes, size: int) -> None:
    whole = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    assert decode(data, "replace", size)[0] == whole
    try:
        expected = data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        offset = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        with pytest.raises(CorpusError, match=rf"at offset {offset}\b"):
            decode(data, "strict", size)
    else:
        assert decode(data, "strict", size) == (expected, 0)


def test_only_replaced_bytes_are_counted_not_the_replacement_characters_of_the_text() -> None:
    assert decode("a\ufffdb".encode() + b"\xff\xc3", "replace", 1) == ("a\ufffdb\ufffd\ufffd", 2)


def test_the_errors_of_decoding_name_source_byte_offset_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"abc\xffdef")
    with pytest.raises(CorpusError, match=r"bad\.txt isn't UTF-8: byte 0xFF at offset 3.*--errors replace"):
        read(tmp_path / "bad.txt")
    (tmp_path / "wide.txt").write_bytes("abc".encode("utf-16"))
    with pytest.raises(CorpusError, match="looks like UTF-16"):
        read(tmp_path / "wide.txt")


def test_a_byte_order_mark_is_dropped_at_every_files_start_and_line_ends_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfone\r\n")
    (tmp_path / "b").write_bytes(b"\xef\xbb\xbf\xef\xbb\xbftwo")
    assert read(tmp_path / "a", tmp_path / "b", chunk_size=1) == "one\r\n\ufefftwo"


def test_several_files_are_joined_by_the_separator(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name if name != "b" else "")
    assert read(tmp_path / "b", tmp_path / "a", tmp_path / "c", separator="|") == "|a|c"


def test_a_folder_gives_its_visible_text_files_sorted_by_path(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/b/c.txt", ".hidden", ".git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name} ")
    (tmp_path / "binary").write_bytes(b"x" * 8191 + b"\0")
    (tmp_path / "late-nul").write_bytes(b"x" * 8192 + b"\0")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "nowhere").symlink_to("gone")
    assert read(tmp_path) == "a/b/c.txt a/z.txt b.txt " + "x" * 8192 + "\0"


def test_a_glob_matches_in_sorted_order(tmp_path: Path) -> None:
    for name in ("2.txt", "1.txt", "3.md", "sub/4.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert read(tmp_path / "*.txt") == "1.txt2.txt"
    assert read(tmp_path / "**/*.txt") == "1.txt2.txtsub/4.txt"
    with pytest.raises(CorpusError, match=r"no file matches .*\*\.rst"):
        read(tmp_path / "*.rst")


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "[a].txt").write_text("brackets")
    assert read(tmp_path / "[a].txt") == "brackets"


@pytest.mark.parametrize("name", ["", "gone.txt", "gone/\0", "x" * 300])
def test_a_missing_file_is_one_line(name: str) -> None:
    with pytest.raises(CharnnError, match=r"^[^\n]*(no such file|cannot read)[^\n]*$"):
        read(name)


@pytest.mark.timeout(10)
def test_a_fifo_or_device_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in (tmp_path / "fifo", "/dev/zero"):
        with pytest.raises(CorpusError, match="not a regular file"):
            read(name)


def test_a_folder_without_text_and_no_corpus_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no text files in"):
        read(tmp_path)
    with pytest.raises(CorpusError, match="no corpus given"):
        read()


def test_standard_input_is_read_to_its_end_and_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BYTES)))
    assert read("-", chunk_size=7) == TEXT
    with pytest.raises(CorpusError, match="only once"):
        read("-", "-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CorpusError, match="standard input is closed"):
        read("-")


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("chunk_size", [1, 7, 1 << 20])
def test_compressed_files_of_one_or_more_streams(tmp_path: Path, suffix: str, chunk_size: int) -> None:
    compress = COMPRESSORS[suffix]
    path = tmp_path / f"text{suffix.upper()}"
    path.write_bytes(compress(BYTES[:5000]) + compress(BYTES[5000:]))
    tally = Tally()
    assert read(path, chunk_size=chunk_size, tally=tally) == TEXT
    assert tally.done == path.stat().st_size


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_compressed_file_cut_short_or_damaged_is_never_taken_for_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"text{suffix}"
    whole = COMPRESSORS[suffix](BYTES)
    for data in (whole[:5], whole[: len(whole) // 2], whole[:-1], b"plain text", b"\0" + whole[1:]):
        path.write_bytes(data)
        with pytest.raises(CorpusError, match="cut short or damaged"):
            read(path)


def test_a_decompression_bomb_stays_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "spaces.zst"
    path.write_bytes(zstd.compress(b" " * (1 << 26)))
    pieces = read_corpus(list_sources([str(path)]), ReadOptions(), Tally(), Findings(), 1 << 16)
    longest = max(map(len, pieces))
    assert longest <= 1 << 16


def make_zip(path: Path, members: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path.read_bytes()


def test_a_zips_text_members_are_read_sorted_by_name(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a-link")
    link.external_attr = 0o120777 << 16
    make_zip(tmp_path / "x.zip", {"b.txt": b"two", "a/": b"", "a/z.txt": BYTES, "image": b"\0\1"})
    with zipfile.ZipFile(tmp_path / "x.zip", "a") as archive:
        archive.writestr(link, "b.txt")
    assert read(tmp_path / "x.zip", separator="|") == TEXT + "|two"


def test_damaged_and_encrypted_zips_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    whole = make_zip(path, {"a.txt": os.urandom(100).hex().encode() * 100})
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match="cut short or damaged"):
        read(path)
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with pytest.raises(CorpusError, match="cut short or damaged"):
        read(path)
    locked = bytearray(whole)
    locked[6] |= 1
    locked[whole.rindex(b"PK\1\2") + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(CorpusError, match="encrypted"):
        read(path)


class Server(HTTPServer):
    """Serves `body`; claims `lock_run` bytes."""

    body, lock_run = BYTES, len(BYTES)


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path.startswith("/gone"):
            self.send_error(404)
            return
        if self.path.startswith("/chunked"):
            self.protocol_version = "HTTP/1.1"
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n" % len(self.server.body) + self.server.body[:100])
            return
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.lock_run))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    with Server(("127.0.0.1", 0), Answer) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_an_address_is_fetched(server: tuple[Server, str]) -> None:
    assert read(f"{server[1]}/text é.txt?x=.zip") == TEXT


def test_a_compressed_or_zipped_address_is_unpacked(server: tuple[Server, str], tmp_path: Path) -> None:
    for name, body in (
        ("x.gz", gzip.compress(BYTES)),
        ("x.zst", zstd.compress(BYTES)),
        ("x.zip", make_zip(tmp_path / "x", {"a": BYTES})),
    ):
        server[0].body, server[0].lock_run = body, len(body)
        assert read(f"{server[1]}/{name}?download=1") == TEXT


@pytest.mark.parametrize("name", ["x.txt", "x.gz", "x.zip"])
def test_a_connection_cut_before_the_promised_length_is_noticed(
    server: tuple[Server, str], name: str
) -> None:
    server[0].lock_run = len(BYTES) + 1
    if name == "x.gz":
        server[0].body = gzip.compress(BYTES)
    with pytest.raises(CorpusError, match=f"{name} .*(cut|damaged)"):
        read(f"{server[1]}/{name}")


def test_dead_addresses_are_one_line(server: tuple[Server, str]) -> None:
    for address in (
        f"{server[1]}/gone",
        f"{server[1]}/chunked",
        "http://127.0.0.1:1/",
        "http://",
        "http://[x/",
    ):
        with pytest.raises(CorpusError, match=r"^[^\n]*(can't be fetched|cut)[^\n]*$"):
            read(address)


def test_other_schemes_go_through_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.filesystem("memory").pipe("/corpus.gz", gzip.compress(BYTES))
    assert read("memory://corpus.gz") == TEXT
    with pytest.raises(CorpusError, match="can't be fetched"):
        read("nosuch://corpus")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(CorpusError, match=r"pip install 'charnn\[remote\]'"):
        read("memory://corpus.gz")
