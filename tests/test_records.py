import json
from pathlib import Path
from typing import Any

import pytest

from charnn.config import DataConfig
from charnn.data.corpus import open_corpus
from charnn.data.records import read_records, record_suffix
from charnn.errors import CharnnError, CorpusError, InputError


def read(name: str, text: str, *columns: str, **options: Any) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    return list(read_records(name, lines, columns, options.get("errors", "strict")))


def test_suffixes_of_records_compressed_too() -> None:
    names = ["a.csv", "B.JSONL.gz", "https://x.org/t.tsv?v=1", "a.parquet", "a.txt", "a.csv.txt"]
    assert [record_suffix(name) for name in names] == [".csv", ".jsonl", ".tsv", ".parquet", None, None]


def test_the_only_field_of_text_is_taken() -> None:
    quoted = read("t.csv", 'id,likes,tweet\n1,3,"Hello, ""you""\nthere"\n2,,second\n')
    assert quoted == [
        'Hello, "you"\nthere',
        "second",
    ]
    assert read("t.tsv", 'id\ttext\n1\ta "b\n') == ['a "b']
    assert read("t.jsonl", '{"id": 1, "text": "a\\nb"}\n\n{"id": 2, "text": "\\u00e9"}') == ["a\nb", "é"]
    assert read("t.csv", "name\nAda\n") == ["Ada"]
    assert read("t.csv", "id;name\n1;Ada, Lady\n") == ["Ada, Lady"]


def test_columns_are_joined_by_a_tab_in_the_order_given() -> None:
    assert read("t.csv", "a,b,c\n1,x,y\n", "c", "a") == ["y\t1"]


@pytest.mark.parametrize(
    ("name", "text", "columns", "message"),
    [
        ("t.csv", "a,b\nx,y\n", [], "several fields of text.*--column.*a, b"),
        ("t.csv", "a,b\nx,y\n", ["c"], "no field 'c'.*a, b"),
        ("t.csv", 'a,b\nx,"y\nz', ["a"], r"line 2 isn't CSV.*quotes"),
        ("t.csv", "a,b\nx,y\nz\n", ["a"], "line 3 has 1 fields, the first line 2"),
        ("t.csv", "a,b\n1,2\n", [], "no field that holds text, of a, b"),
        ("t.jsonl", '{"a": "x"}\n{"a": "y"\n', [], "line 2 isn't JSON"),
        ("t.jsonl", '{"a": "x"}\n[1]\n', [], "line 2 isn't a JSON object"),
        ("t.jsonl", '{"a": "x"}\n{"a": 5}\n', [], "line 2: the field 'a' isn't text but a number"),
        ("t.jsonl", '{"a": "x"}\n{"a": null}\n', [], "line 2: the field 'a' isn't text but null"),
        ("t.jsonl", '{"a": "x"}\n{"b": "y", "c": 1}\n', ["a"], "line 2 has no field 'a'.*b, c"),
        ("t.jsonl", '{"a": "\\ud800"}', [], "line 1: the field 'a' isn't valid text"),
    ],
)
def test_bad_records_are_named_with_file_line_and_fields(
    name: str, text: str, columns: list[str], message: str
) -> None:
    with pytest.raises(CorpusError, match=message) as error:
        read(name, text, *columns)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_half_a_surrogate_pair_is_replaced_on_request() -> None:
    assert read("t.jsonl", '{"a": "x\\ud800y"}', errors="replace") == ["x\ufffdy"]


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table(
        {"id": [1, 2, 3], "text": ["one", None, "three\nlines"], "lang": ["en", "en", "en"]}
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def corpus_of(path: Path, **options: Any) -> list[int]:
    corpus = open_corpus(DataConfig((str(path),), documents="auto", val_fraction=0.0, **options))
    assert corpus.documents.kind == "records"
    return [corpus.documents.count, corpus.chars]


def test_parquet_is_read_in_batches_and_missing_values_are_no_documents(
    parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert corpus_of(parquet, column=("text",)) == [2, len("onethree\nlines")]
    with pytest.raises(CorpusError, match=r"several fields of text.*text, lang"):
        corpus_of(parquet)
    with pytest.raises(CorpusError, match="'id' isn't text"):
        corpus_of(parquet, column=("id",))
    parquet.write_bytes(parquet.read_bytes()[:-20])
    with pytest.raises(CorpusError, match="isn't a whole Parquet file"):
        corpus_of(parquet, column=("text",))


def test_parquet_without_pyarrow_names_the_extra(
    parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(CorpusError, match=r"charnn\[parquet\]"):
        corpus_of(parquet)


def test_columns_are_for_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a.txt").write_text("abc\n" * 20)
    with pytest.raises(InputError, match="--column"):
        open_corpus(DataConfig((str(tmp_path / "a.txt"),), documents="auto", column=("x",)))


def test_a_folder_of_records_and_other_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.jsonl").write_text(json.dumps({"text": "abc"}))
    (folder / "b.txt").write_text("abc")
    with pytest.raises(CharnnError, match=r"b\.txt holds no records"):
        open_corpus(DataConfig((str(folder),), documents="auto"))


def texts_of(path: Path, **options: Any) -> list[str]:
    corpus = open_corpus(DataConfig((str(path),), documents="auto", val_fraction=0.0, **options))
    return list(corpus.train.texts(corpus.vocabulary))


@pytest.fixture
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_cache")
def test_a_record_keeps_its_own_line_end(tmp_path: Path) -> None:
    """A CR at the end of one isn't the beginning of the next."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": "one\\r"}\n{"a": "two"}\n{"a": "three\\r\\nfour"}\n{"a": "\\r"}\n')
    assert texts_of(path) == ["one\n", "two", "three\nfour"]
    assert texts_of(path, newlines="keep") == ["one\r", "two", "three\r\nfour"]


@pytest.mark.usefixtures("_cache")
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_records_end_in_any_line_end(tmp_path: Path, line_end: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(line_end.join([b"a", b'"one,', b'two"', b"three", b""]))
    corpus = open_corpus(DataConfig((str(path),), documents="auto", val_fraction=0.0))
    assert list(corpus.train.texts(corpus.vocabulary)) == ["one,\ntwo", "three"]


@pytest.mark.usefixtures("_cache")
def test_parquet_that_is_no_utf8_is_said_or_replaced(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    raw = pyarrow.array([b"caf\xe9", None, b"tea"], pyarrow.binary())
    odd = pyarrow.Array.from_buffers(pyarrow.string(), 3, raw.buffers())
    for column in (odd, odd.dictionary_encode()):
        parquet.write_table(pyarrow.table({"text": column}), tmp_path / "t.parquet")
        with pytest.raises(CorpusError, match=r"'text' holds what isn't UTF-8.*--errors replace"):
            texts_of(tmp_path / "t.parquet", column=("text",))
        assert texts_of(tmp_path / "t.parquet", column=("text",), errors="replace") == ["caf\ufffd", "tea"]


@pytest.mark.usefixtures("_cache")
def test_two_fields_of_one_name_in_parquet_are_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.Table.from_arrays([["one", "two"]] * 2, names=["text", "text"])
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(CorpusError, match="more than one field 'text'"):
        texts_of(tmp_path / "t.parquet", column=("text",))


def test_an_error_names_some_fields_of_many() -> None:
    header = ",".join(f"column{number}" for number in range(10_000))
    row = ",".join(["x"] * 10_000)
    for columns in ((), ("text",)):
        with pytest.raises(CorpusError, match="column19, and 9,980 more") as error:
            read("t.csv", f"{header}\n{row}", *columns)
        assert len(str(error.value)) < 500
