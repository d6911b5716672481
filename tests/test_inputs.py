"""What commands read: texts that come in pieces, lines that come in bursts."""

import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charnn.cli.inputs import bursts_of, read_bursts, read_pieces
from charnn.errors import InputError
from tests import zstd


@settings(deadline=None)  # the first error loads what knows encodings
@given(st.binary(max_size=30), st.integers(1, 7))
def test_pieces_of_any_size_are_the_text(tmp_path_factory, data, size):
    path = tmp_path_factory.getbasetemp() / "pieces.txt"
    path.write_bytes(data)
    try:
        expected = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        place = "." if b"\0" in data[: error.start] else f"offset {error.start};"
        with pytest.raises(InputError, match=place):
            list(read_pieces(str(path), size))
        return
    expected = expected.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in expected:
        with pytest.raises(InputError, match="holds NULs"):
            list(read_pieces(str(path), size))
    else:
        assert "".join(read_pieces(str(path), size)) == expected


@given(st.lists(st.text("ab\r\n", max_size=5)))
def test_lines_are_the_same_however_the_text_is_cut(pieces):
    text = "".join(pieces)
    expected = [line.removesuffix("\r") for line in text.split("\n")]
    if not text or text.endswith("\n"):
        expected.pop()
    bursts = list(bursts_of(pieces))
    assert [line for burst in bursts for line in burst] == expected
    assert all(bursts)


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst", ".tar"])
def test_compressed_files_are_read_as_training_reads_them(tmp_path, suffix):
    text = "one line\r\nanother\r" * 50
    data = text.encode()
    if suffix == ".tar":
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            member = tarfile.TarInfo("a.txt")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        packed = file.getvalue()
    else:
        packed = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstd.compress}[suffix](data)
    (tmp_path / f"x{suffix}").write_bytes(packed)
    lines = [line for burst in read_bursts(str(tmp_path / f"x{suffix}")) for line in burst]
    assert lines == ["one line", "another"] * 50


@pytest.mark.parametrize(("name", "match"), [("gone.txt", "no such file"), (".", "is a folder")])
def test_what_is_no_file_is_bad_input(name, match):
    with pytest.raises(InputError, match=match):
        list(read_pieces(name))


def test_a_file_whose_name_is_no_utf8_is_read(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")
    Path(path).write_text("text")
    assert "".join(read_pieces(path)) == "text"


SLOW_READER = """
import os
os.set_blocking(0, False)
from charnn.cli.inputs import read_pieces
print("ready", flush=True)
for piece in read_pieces("-"):
    print(repr(piece), flush=True)
"""


def test_standard_input_is_read_as_it_arrives_and_waited_for():
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout.readline() == "ready\n"
        for line in ("one\n", "two\n"):
            reader.stdin.write(line)
            reader.stdin.flush()
            assert reader.stdout.readline() == repr(line) + "\n"
        reader.stdin.close()
        assert reader.wait() == 0
