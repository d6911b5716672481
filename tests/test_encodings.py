"""Texts in other encodings: read when the encoding is named, refused with its name when it isn't."""

import codecs
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from corpus_reader import corpus_text

from charnn.data.encodings import advice, canonical
from charnn.data.streams import Tally
from charnn.errors import CorpusError, InputError

FRENCH = "Le café était fermé, naïve élève à Noël. Où est-il allé? Ça dépend.\n" * 20
CHINESE = "道可道，非常道。名可名，非常名。无名天地之始，有名万物之母。\n" * 20
RUSSIAN = "Все счастливые семьи похожи друг на друга.\n" * 20
JAPANESE = "吾輩は猫である。名前はまだ無い。\n" * 20


def read(path: Path | str, encoding: str = "utf-8", chunk_size: int = 1000, errors: str = "strict") -> str:
    return corpus_text(path, encoding=encoding, chunk_size=chunk_size, errors=errors)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "latin-1"),
        (FRENCH, "cp1252"),
        (CHINESE, "gb18030"),
        (CHINESE, "big5"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "iso2022_jp"),
        (RUSSIAN, "koi8-r"),
        (CHINESE + "😀", "utf-16"),
        (CHINESE + "😀", "utf-16-le"),
        (CHINESE + "😀", "utf-32"),
        (FRENCH, "UTF8"),
        (FRENCH, "utf-8-sig"),
    ],
)
@pytest.mark.parametrize("chunk_size", [1, 7, 1 << 20])
def test_a_text_is_read_in_the_encoding_that_is_named(
    tmp_path: Path, text: str, encoding: str, chunk_size: int
) -> None:
    text = text.encode(encoding, "ignore").decode(encoding)  # Big5 lacks some
    (tmp_path / "x").write_bytes(text.encode(encoding))
    assert read(tmp_path / "x", encoding, chunk_size) == text


def test_the_byte_order_mark_of_a_wide_text_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(codecs.BOM_UTF16_BE + FRENCH.encode("utf-16-be"))
    assert read(tmp_path / "x", "utf-16") == read(tmp_path / "x", "utf-16-be") == FRENCH


@pytest.mark.parametrize("name", ["utf-9", "", "rot13", "hex", "zip", "a\0b", "\udcff", "../x", "idna" * 50])
def test_what_is_no_encoding_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"--encoding .* is unknown"):
        canonical(name)


def test_another_encodings_damage_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CHINESE.encode("gb18030") + b"\xff\xff")
    place = len(CHINESE.encode("gb18030"))
    for size in (1, 7, 1 << 20):
        with pytest.raises(CorpusError, match=f"isn't GB18030: byte 0xFF at offset {place}"):
            read(tmp_path / "x", "gb18030", size)
    assert read(tmp_path / "x", "gb18030", errors="replace").startswith(CHINESE + "\ufffd")
    (tmp_path / "x").write_bytes(b"\x3d\xd8a\0")
    with pytest.raises(CorpusError, match="isn't UTF-16-LE"):
        read(tmp_path / "x", "utf-16-le")


@pytest.mark.parametrize(
    ("text", "encoding", "advised"),
    [
        (FRENCH, "latin-1", "cp1252"),
        ("café", "latin-1", "cp1252"),
        ("“Smart quotes” – it’s fine… €5", "cp1252", "cp1252"),
        (CHINESE, "gb18030", "gb18030"),
        (CHINESE, "big5", "big5"),
        (JAPANESE, "shift_jis", "cp932"),
        (JAPANESE, "euc_jp", "euc_jp"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (FRENCH, "utf-16", "utf-16"),
        (FRENCH, "utf-32", "utf-32"),
        (FRENCH, "utf-16-le", "utf-16-le"),
        (FRENCH, "utf-16-be", "utf-16-be"),
        (CHINESE, "utf-16-le", "utf-16-le"),
        (CHINESE, "utf-16-be", "utf-16-be"),
        (FRENCH, "utf-32-le", "utf-32-le"),
        (CHINESE, "utf-32-be", "utf-32-be"),
        ("ab", "utf-16-le", "utf-16-le"),
    ],
)
def test_the_error_names_the_likely_encoding_which_then_reads_it(
    tmp_path: Path, text: str, encoding: str, advised: str
) -> None:
    text = text.encode(encoding, "ignore").decode(encoding)
    data = text.encode(encoding)
    (tmp_path / "x").write_bytes(data)
    (tmp_path / "x.gz").write_bytes(gzip.compress(data))
    (tmp_path / "x.xz").write_bytes(lzma.compress(data))
    for name in ("x", "x.gz", "x.xz"):
        with pytest.raises(CorpusError, match=f"give --encoding {advised}\\b"):
            read(tmp_path / name)
        assert read(tmp_path / name, advised) == text


def test_a_wide_text_in_a_pipe_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FRENCH.encode("utf-16-le"))))
    with pytest.raises(CorpusError, match="give --encoding utf-16-le"):
        read("-")


def test_a_wide_text_without_its_mark_is_advised_on(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(FRENCH.encode("utf-16-be"))
    with pytest.raises(CorpusError, match="give --encoding utf-16-be"):
        read(tmp_path / "x", "utf-16")


def test_many_nuls_are_no_text_and_a_few_are_kept_and_counted(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("ein Täxt\0 mit einem".encode() + b"x" * 9000)
    tally = Tally()
    assert corpus_text(tmp_path / "x", tally=tally).startswith("ein Täxt\0 mit einem") and tally.nuls == 1
    (tmp_path / "x").write_bytes(b"\x7fELF\2\1\1\0\0\0\0\0" * 9)
    with pytest.raises(CorpusError, match=r"holds NULs.*a program"):
        read(tmp_path / "x")
    (tmp_path / "x").write_bytes(FRENCH.encode("utf-16-le"))
    with pytest.raises(CorpusError, match="give --encoding utf-16-le"):  # whatever may be replaced
        read(tmp_path / "x", errors="replace")


def test_in_a_folder_the_first_8_kb_decide_and_later_nuls_are_counted(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 9000 + b"\0" * 3)
    tally = Tally()
    text = corpus_text(tmp_path, tally=tally)
    assert text.endswith("\0") and tally.nuls == 3


@pytest.mark.parametrize("text,encoding", [(RUSSIAN, "koi8-r"), (CHINESE, "gb18030"), (JAPANESE, "cp932")])
def test_what_comes_late_decides_on_the_encoding(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "x").write_bytes(b"ASCII for a long time.\n" * 5000 + text.encode(encoding))
    with pytest.raises(CorpusError, match=f"give --encoding {codecs.lookup(encoding).name}"):
        read(tmp_path / "x", chunk_size=1 << 18)


def test_an_archive_without_text_says_what_it_holds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.txt", FRENCH.encode("utf-16"))
        archive.writestr("b.png", b"\x89PNG\0")
    with pytest.raises(CorpusError, match=r"no text files in .*x.zip \(left out: 1 in utf-16, .*1 binary\)"):
        read(tmp_path / "x.zip")


def test_archives_under_another_name_are_recognised(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"text"))
    for data, what in ((file.getvalue(), "tar archive"), (gzip.compress(b"text", mtime=0), "gzip file")):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(CorpusError, match=what):
            read(tmp_path / "x")
    assert "binary data" in advice(bytes(range(256)) * 4)
