"""Pairs from files: what is read, what is refused, how they are split and batched."""

import gzip
import json
import os
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from charnn.config import DataConfig
from charnn.data.corpus import Corpus, open_corpus
from charnn.data.pair_batches import PairBatches
from charnn.data.pair_files import Pair
from charnn.data.vocab import IGNORED
from charnn.errors import CorpusError, InputError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def read(*paths: Path, layout: str = "pairs", **data: object) -> Corpus:
    sources = tuple(map(str, paths))
    return open_corpus(DataConfig(sources, layout=layout, **{"val_fraction": 0.0, **data}))  # type: ignore[arg-type]


def pairs_of(corpus: Corpus) -> list[Pair]:
    """As they stand in the file, but for separators."""
    assert corpus.pairs is not None
    part, sides = corpus.pairs, corpus.pairs.separators
    return [
        Pair(part.text(p.source, sides.source), part.text(p.target, sides.target), part.text(p.features, ";"))
        for p in corpus.train.glyphs()
    ]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


TSV = "walk\twalked\tV;PST\ngo\twent\tV;PST\ngo\tgone\tV;PTCP\n\ncat\tcats\tN\n"
PAIRS = [
    Pair("walk", "walked", "V;PST"),
    Pair("go", "went", "V;PST"),
    Pair("go", "gone", "V;PTCP"),
    Pair("cat", "cats", "N"),
]


def test_lines_with_tabs(tmp_path):
    corpus = read(write(tmp_path / "a.tsv", TSV))
    assert pairs_of(corpus) == PAIRS
    assert corpus.documents.count == 4
    assert set(corpus.pairs.source) == set("walkgocat")
    assert [*corpus.pairs.symbols_of(corpus.pairs.features)] == ["N", "V", "PST", "PTCP"]


def test_compressed_and_several_files(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(TSV.encode()))
    assert pairs_of(read(path, write(tmp_path / "b.txt", "x\ty\n"))) == [*PAIRS, Pair("x", "y")]


def test_records_with_quoted_fields(tmp_path):
    path = write(tmp_path / "a.csv", 'source,target\n"a, ""b""","c\td"\ne,f\n')
    assert pairs_of(read(path)) == [Pair('a, "b"', "c\td"), Pair("e", "f")]
    named = write(tmp_path / "b.csv", "word,form,tags\ngo,went,PST\n")
    columns = {"source_column": "word", "target_column": "form", "features_column": "tags"}
    assert pairs_of(read(named, **columns)) == [Pair("go", "went", "PST")]
    with pytest.raises(CorpusError, match=r"no field 'source'; give --source-column one of word, form, tags"):
        read(named)


def test_json_lines_and_parquet(tmp_path):
    records = [{"source": p.source, "target": p.target, "features": p.features} for p in PAIRS]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    assert pairs_of(read(path)) == PAIRS
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "a.parquet")
    assert pairs_of(read(tmp_path / "a.parquet")) == PAIRS


def test_two_files_line_by_line(tmp_path):
    source, target = write(tmp_path / "a", "go\ncat\n"), write(tmp_path / "b", "went\ncats")
    assert pairs_of(read(source, target, layout="parallel")) == [Pair("go", "went"), Pair("cat", "cats")]
    short = write(tmp_path / "c", "went\n")
    with pytest.raises(CorpusError, match=r"c ends before line 2, which .*a has; the two need equally many"):
        read(source, short, layout="parallel")


def test_symbols_between_separators(tmp_path):
    path = write(tmp_path / "a.tsv", "trip\tT R IH P\ntap\tT AE  P\n")
    corpus = read(path, target_separator=" ")
    assert pairs_of(corpus) == [Pair("trip", "T R IH P"), Pair("tap", "T AE P")]
    assert sorted(corpus.pairs.symbols_of(corpus.vocabulary.characters)) == ["AE", "IH", "P", "R", "T"]
    turned = read(path, target_separator=" ", reverse=True)
    assert pairs_of(turned) == [Pair("T R IH P", "trip"), Pair("T AE P", "tap")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\nno tab\n", r"a\.tsv, line 2 has no tab; write a source, a tab and its target"),
        ("a\tb\nc\t\n", r"a\.tsv, line 2 has an empty target"),
        ("\tb\n", r"a\.tsv, line 1 has an empty source"),
        ("a\tb\tc\td\n", r"a\.tsv, line 1 has 4 fields"),
        ("\n", r"there are no pairs"),
    ],
)
def test_what_is_no_pair_is_named(text, message, tmp_path):
    with pytest.raises(CorpusError, match=message):
        read(write(tmp_path / "a.tsv", text))


def test_columns_of_what_is_no_record(tmp_path):
    with pytest.raises(InputError, match="is read as source, tab, target"):
        read(write(tmp_path / "a.tsv", TSV), source_column="word")


def numbered(count: int) -> str:
    return "".join(f"{number}\t{number + 1}\n" for number in range(count))


def test_a_source_is_on_one_side_wherever_it_stands(tmp_path):
    """Neither its place, nor its target, nor the order of the symbols' first appearance moves it across."""
    lines = numbered(300).splitlines(keepends=True)
    sides = []
    for name, text in (
        ("a", "".join(lines)),
        ("b", "".join(reversed(lines)) + numbered(300).replace("\t", "\t7")),
    ):
        corpus = read(write(tmp_path / f"{name}.tsv", text), val_fraction=None)
        sides.append({pair.source for pair in corpus.val.glyphs()})
        assert not sides[-1] & {pair.source for pair in corpus.train.glyphs()}
    assert sides[0] == sides[1]
    assert 10 < len(sides[0]) < 60


def test_few_sources_are_split_too(tmp_path):
    corpus = read(write(tmp_path / "a.tsv", "a\tb\nc\td\n"), val_fraction=None)
    assert (corpus.train.count, corpus.val.count) == (1, 1)
    with pytest.raises(CorpusError, match="two different sources"):
        read(write(tmp_path / "b.tsv", "a\tb\na\tc\n"), val_fraction=None)


def test_a_validation_file_has_its_own_symbols(tmp_path):
    val = write(tmp_path / "val.tsv", "q\tX YY\n")
    path = write(tmp_path / "a.tsv", "a\tZZ X\n")
    corpus = read(path, val=str(val), target_separator=" ")
    found = [corpus.pairs.text(pair.target, " ") for pair in corpus.val.glyphs()]
    assert found == ["X YY"]
    assert corpus.val.batch(np.array([0])).target[:, 0].tolist() == [
        *corpus.vocabulary.encode(corpus.pairs.glyphs("X YY", " ")).tolist(),
        corpus.vocabulary.end_id,
    ]


def test_a_batch_has_sources_with_features_and_targets_with_ends(tmp_path):
    corpus = read(write(tmp_path / "a.tsv", TSV))
    batch = corpus.train.batch(np.array([0, 3]))
    source = corpus.pairs.source.index
    features = {
        f: len(corpus.pairs.source) + i for i, f in enumerate(corpus.pairs.symbols_of(corpus.pairs.features))
    }
    assert batch.lengths.tolist() == [6, 4]
    assert batch.source[:, 0].tolist() == [*map(source, "walk"), features["V"], features["PST"]]
    assert batch.source[:, 1].tolist() == [*map(source, "cat"), features["N"], IGNORED, IGNORED]
    target, end = corpus.vocabulary.characters.index, corpus.vocabulary.end_id
    assert batch.target[:, 1].tolist() == [*map(target, "cats"), end, IGNORED, IGNORED]
    assert len(corpus.train) == sum(len(pair.target) + 1 for pair in PAIRS)


def test_an_epoch_reads_every_pair_once_in_an_order_of_its_own(tmp_path):
    corpus = read(write(tmp_path / "a.tsv", numbered(100)))
    batches = PairBatches(corpus.train, 8, seed=3)

    def epoch(number: int, batches: PairBatches = batches) -> list[bytes]:
        first = number * batches.batches_per_epoch
        found = [batches.batch(first + i) for i in range(batches.batches_per_epoch)]
        columns = [column for batch in found for column in batch.source.T]
        assert max(np.ptp(batch.lengths) for batch in found) <= 1
        return [column[column != IGNORED].tobytes() for column in columns]

    first, second = epoch(0), epoch(1)
    assert len(set(first)) == 100
    assert sorted(first) == sorted(second) and first != second
    assert epoch(0, PairBatches(corpus.train, 8, seed=3)) == first
    assert epoch(0, PairBatches(corpus.train, 8, seed=4)) != first


def test_what_was_read_once_comes_from_the_cache(tmp_path):
    path = write(tmp_path / "a.tsv", TSV)
    os.utime(path, (1e9, 1e9))
    before = read(path)
    with patch("charnn.data.pair_encoding.read_pairs", side_effect=AssertionError):
        assert pairs_of(read(path)) == pairs_of(before)
        with pytest.raises(AssertionError):
            read(path, reverse=True)


@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_nothing_but_separators_is_empty(reverse, tmp_path):
    path = write(tmp_path / "a.tsv", "a-b\tx|y\n--\tz\n")
    separators = {"source_separator": "-", "target_separator": "|", "reverse": reverse}
    with pytest.raises(CorpusError, match=r"a\.tsv, line 2 has an empty source"):
        read(path, **separators)
    with pytest.raises(CorpusError, match=r"b\.tsv, line 1 has an empty target"):
        read(write(tmp_path / "b.tsv", "a-b\t||\n"), **separators)
    assert pairs_of(read(path, source_separator="+"))[1] == Pair("--", "z")
