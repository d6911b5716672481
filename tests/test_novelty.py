"""What was copied from a corpus, beside a plain search with Python's `in`."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charnn.analysis import novelty
from charnn.analysis.novelty import WINDOW, Overlap, overlap
from charnn.data.cache import EncodedText

LETTERS = "abcdefghijklmnopqrstuvwxyz \n"


def encoded(text: str) -> EncodedText:
    """The text as `encode_text` would give it, without a file."""
    characters = "".join(dict.fromkeys(text))
    ids = np.array([characters.index(character) for character in text], np.uint8)
    return EncodedText(ids, characters, np.bincount(ids), "", 0)


def plainly(text: str, corpus: str) -> Overlap:
    """The definition, slowly."""
    stretches = ((i, j) for i in range(len(text)) for j in range(i + 1, len(text) + 1))
    longest = max((j - i for i, j in stretches if text[i:j] in corpus), default=0)
    windows = [text[i : i + WINDOW] in corpus for i in range(len(text) - WINDOW + 1)]
    return Overlap(longest, sum(windows) / len(windows) if windows else None)


def random_text(length: int, seed: int, letters: str = LETTERS) -> str:
    return "".join(random.Random(seed).choices(letters, k=length))


CORPUS = random_text(30_000, seed=1)


@pytest.mark.parametrize("length", [20, 21, 500, 29_999])
def test_a_stretch_of_the_corpus_is_copied_whole(length):
    assert overlap([CORPUS[1:][:length]], encoded(CORPUS)) == [Overlap(length, 1.0)]


def test_fresh_random_text_is_hardly_copied():
    [result] = overlap([random_text(2000, seed=2)], encoded(CORPUS))
    assert result.longest < 10 and result.share == 0


def test_a_copied_stretch_within_new_text_counts_its_windows():
    text = "#" * 30 + CORPUS[100:140] + "#" * 30
    assert overlap([text], encoded(CORPUS)) == [Overlap(40, 21 / 81)]


def test_short_and_empty_texts_have_no_share():
    assert overlap([CORPUS[:5], ""], encoded(CORPUS)) == [Overlap(5, None), Overlap(0, None)]
    assert overlap([], encoded(CORPUS)) == []


def test_texts_are_measured_each_on_its_own():
    texts = [CORPUS[:50], random_text(300, seed=3), CORPUS[70:90] + CORPUS[50:70], "#€日"]
    corpus = encoded(CORPUS)
    assert overlap(texts, corpus) == [overlap([text], corpus)[0] for text in texts]


def test_an_empty_corpus_holds_nothing():
    assert overlap(["a" * 30], encoded("")) == [Overlap(0, 0.0)]


def test_stretches_across_chunks_are_found():
    corpus = encoded(CORPUS[:2000])
    for start in range(40, 90, 7):
        assert overlap([CORPUS[start : start + 45]], corpus, chunk_size=16) == [Overlap(45, 1.0)]


def test_colliding_hashes_invent_nothing(monkeypatch):
    monkeypatch.setattr(novelty, "_hashes", lambda marks, size: np.zeros(len(marks) - size + 1, np.uint64))
    assert overlap(["#" * 30], encoded(CORPUS)) == [Overlap(0, 0.0)]


@given(st.lists(st.text("ab", max_size=40), max_size=3), st.text("ab", max_size=200))
def test_it_is_what_the_definition_says(texts, corpus):
    assert overlap(texts, encoded(corpus)) == [plainly(text, corpus) for text in texts]
