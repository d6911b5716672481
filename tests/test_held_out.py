"""The text that training leaves out."""

import pytest

import charnn
from charnn.bundled import bundled_corpus
from charnn.config import DataConfig
from charnn.data.corpus import open_corpus
from charnn.data.held_out import held_out
from charnn.errors import CorpusError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_it_is_the_part_that_training_validates_on(tmp_path):
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("abcdefghij" * 7)
    second.write_text("日本語 " * 20)
    text = first.read_text() + second.read_text()
    corpus = open_corpus(DataConfig((str(first), str(second))))
    assert charnn.held_out([first, second]) == text[int(0.9 * len(text)) :]
    assert len(held_out([first, second])) == len(corpus.val)


def test_without_a_corpus_it_is_of_the_bundled_one():
    text = bundled_corpus().read_text()
    assert held_out() == text[int(0.9 * len(text)) :]


def test_a_corpus_that_is_too_short_is_refused(tmp_path):
    (tmp_path / "short.txt").write_text("ab")
    with pytest.raises(CorpusError, match="too short"):
        held_out([tmp_path / "short.txt"])
