from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charnn.config import DataConfig
from charnn.data.collection import DocumentView
from charnn.data.corpus import Corpus, open_corpus
from charnn.data.document_batches import LONGEST_ROW, DocumentBatches
from charnn.data.document_hash import document_hash
from charnn.data.vocab import IGNORED
from charnn.errors import CorpusError


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def corpus_of(folder: Path, documents: list[str], **options: Any) -> Corpus:
    path = folder / "list.txt"
    path.write_text("\n".join(documents))
    return open_corpus(DataConfig((str(path),), documents="lines", **options))


def texts_of(corpus: Corpus, view: Any) -> list[str]:
    assert isinstance(view, DocumentView)
    spans = [(start, length) for chunk in view.spans() for start, length in zip(*chunk, strict=True)]
    return [corpus.vocabulary.decode(view.tokens.read(start, start + length)) for start, length in spans]


def epoch_of(corpus: Corpus, batches: DocumentBatches, epoch: int) -> list[str]:
    """The rows of an epoch, in order; "$" stands for an end."""
    rows: list[str] = []
    glyphs = [*corpus.vocabulary.characters, "$"]
    for position in range(epoch * batches.batches_per_epoch, (epoch + 1) * batches.batches_per_epoch):
        batch = batches.batch(position)
        assert batch.inputs.shape == batch.targets.shape
        assert batch.inputs.shape[1] == batches.rows(position)
        read = ["".join(glyphs[i] for i in row if i != IGNORED) for row in batch.targets.T]
        if batch.begins:
            rows += read
            begun = len(read)
        else:
            rows[-begun:] = [a + b for a, b in zip(rows[-begun:], read, strict=True)]
        for inputs, targets in zip(batch.inputs.T, batch.targets.T, strict=True):
            known = np.count_nonzero(targets != IGNORED)
            assert (inputs[1:known] == targets[: max(known - 1, 0)]).all()
    return rows


def lengths(count: int) -> list[str]:
    numbers = np.random.default_rng(0)
    sizes = np.minimum(numbers.pareto(0.7, count) * 3 + 1, 5000).astype(int)
    return ["".join(numbers.choice(list("abc"), size)) for size in sizes]


def test_an_epoch_reads_each_document_once_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, lengths(400), val_fraction=0.0)
    batches = DocumentBatches(corpus.train, 4, 16, seed=0)
    rows = epoch_of(corpus, batches, 0)
    whole = Counter(row[:-1] for row in rows if row.endswith("$") and len(row) <= LONGEST_ROW)
    short = Counter(text for text in texts_of(corpus, corpus.train) if len(text) < LONGEST_ROW)
    assert all(whole[text] >= count for text, count in short.items())
    assert sum(map(len, rows)) == len(corpus.train)
    assert max(map(len, rows)) == LONGEST_ROW


def test_epochs_and_seeds_order_the_same_documents_anew(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, [f"{a}{b}{c}" for a in "abcd" for b in "abcd" for c in "abcdefgh"])
    orders = [
        epoch_of(corpus, DocumentBatches(corpus.train, 2, 8, seed), epoch)
        for seed in (0, 1)
        for epoch in (0, 1)
    ]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_a_document_begins_after_an_end_symbol_and_inputs_beyond_it_are_ends(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, ["ab", "abc", "abcd"] * 10, val_fraction=0.0)
    batch = DocumentBatches(corpus.train, 16, 64, 0).batch(0)
    end = corpus.vocabulary.end_id
    assert (batch.inputs[0] == end).all()
    assert (batch.inputs[batch.targets == IGNORED] == end).all()


def test_neither_sorting_nor_doubling_a_list_moves_a_document_across(tmp_path: Path) -> None:
    names = [f"name{number}" for number in range(500)]
    parts = []
    for listed in (names, sorted(names, reverse=True), names + names):
        corpus = corpus_of(tmp_path, listed, val_fraction=0.2)
        parts.append((set(texts_of(corpus, corpus.train)), set(texts_of(corpus, corpus.val))))
    assert parts[0] == parts[1] == parts[2]
    assert not parts[0][0] & parts[0][1]
    assert 60 < len(parts[0][1]) < 140


def test_duplicates_are_counted_and_left_out_on_request(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, ["a", "b", "a", "", "c", "a"], val_fraction=0.0)
    assert (corpus.documents.count, corpus.documents.duplicates, corpus.chars) == (5, 2, 5)
    corpus = corpus_of(tmp_path, ["a", "b", "a", "", "c", "a"], val_fraction=0.0, unique=True)
    assert texts_of(corpus, corpus.train) == ["a", "b", "c"]


def test_two_documents_are_one_for_each_part(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, ["abc", "de"])
    assert sorted(texts_of(corpus, corpus.train) + texts_of(corpus, corpus.val)) == ["abc", "de"]


@pytest.mark.parametrize("documents", [[], [""], ["", "abc", ""]])
def test_fewer_than_two_documents_are_refused(tmp_path: Path, documents: list[str]) -> None:
    with pytest.raises(CorpusError, match="needs 2 documents or more"):
        corpus_of(tmp_path, documents)


def test_the_same_document_twice_can_not_be_split(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="two different documents"):
        corpus_of(tmp_path, ["abc", "abc"])


@pytest.mark.parametrize("chunk", [1, 3, 10, 1 << 18])
def test_hashes_depend_on_the_text_alone(tmp_path: Path, chunk: int) -> None:
    from charnn.data.encode import encode_text

    documents = ["a", "漢字", "an example of a longer text 😀", "", "12345678", "1234567812345678", "b"]
    (tmp_path / "x").write_text("\n".join(documents))
    table = encode_text([str(tmp_path / "x")], documents="lines", chunk_size=chunk).documents
    assert table is not None
    assert table.hashes.tolist() == [document_hash(text) for text in documents]


def test_hashes_of_ten_thousand_short_texts_differ() -> None:
    texts = [f"{number}{'x' * (number % 3)}" for number in range(10_000)]
    assert len({document_hash(text) for text in texts}) == len(texts)


def test_empty_lines_are_on_neither_side_of_the_split(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, ["", "abc", "", "de", ""])
    assert sorted(texts_of(corpus, corpus.train) + texts_of(corpus, corpus.val)) == ["abc", "de"]
