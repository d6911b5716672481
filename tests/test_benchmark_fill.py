"""What measures the filling of gaps: words are hidden as they stand, and those that are found are counted."""

import re
import sys
from dataclasses import replace

from helpers import ALPHABET, random_model, written

from benchmarks import fill
from charnn.config import ModelConfig
from charnn.inference.infill import Filled

TEXT = "Some words, it's said, are as long as others; 4ever an unforgettable moon.\n" * 30
CONTEXT = 300
WORDS = {"Some", "words", "said", "are", "long", "others", "moon"}


def test_hidden_words_are_whole_and_stand_in_their_text():
    words = fill.hidden_words(TEXT, 60, CONTEXT, seed=1)
    assert {hidden.word for hidden in words} == WORDS
    for hidden in words:
        assert len(hidden.before) == len(hidden.after) == CONTEXT
        assert hidden.before + hidden.word + hidden.after in TEXT


def test_a_seed_decides_which_words():
    assert fill.hidden_words(TEXT, 60, CONTEXT, seed=1) == fill.hidden_words(TEXT, 60, CONTEXT, seed=1)
    assert fill.hidden_words(TEXT, 60, CONTEXT, seed=1) != fill.hidden_words(TEXT, 60, CONTEXT, seed=2)
    assert len(fill.hidden_words(TEXT, 10_000, CONTEXT, seed=1)) < TEXT.count(" ")


def test_where_the_text_has_gaps_of_its_own_nothing_is_hidden():
    assert fill.hidden_words(TEXT.replace("moon", "{}"), 60, CONTEXT, seed=1) == []
    assert fill.hidden_words(TEXT.replace("moon", "m__n"), 60, CONTEXT, seed=1) == []


class Knowing:
    """A filler that has some words for every gap of their length."""

    def __init__(self, *words):
        self.words = words

    def fill(self, text, count):
        length = len(re.search("_+", text)[0])
        fitting = [word for word in self.words if len(word) == length]
        return [Filled(("", ""), (word,), 0.1, -1.0) for word in fitting][:count]


def test_what_is_found_is_counted():
    words = [fill.Hidden("to ", word, " or") for word in ("one", "two", "three", "four")]
    found = fill.result("knowing", Knowing("two", "one", "six", "four"), words)
    assert (found.first, found.among) == (2 / 4, 3 / 4)
    assert found.row().startswith("| knowing | 50.0% | 75.0% | ")
    many = fill.result("knowing", Knowing(*["xxx"] * fill.SHOWN, "one"), words[:1])
    assert many.among == 0


def test_it_runs_on_a_tiny_corpus(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(TEXT * 3)
    config = ModelConfig(vocab_size=len(ALPHABET), hidden=8)
    paths = []
    for name, model in (("forward", config), ("both", replace(config, kind="bidirectional"))):
        (tmp_path / name).mkdir()
        paths.append(str(written(tmp_path / name, random_model(model))))
    monkeypatch.setattr(
        sys, "argv", ["fill", *paths, "--corpus", str(corpus), "--words", "5", "--context", "30"]
    )
    fill.main()
    heading, _, *rows = capsys.readouterr().out.splitlines()
    assert heading.startswith("| 5 words hidden |")
    assert [row.split(" | ")[0] for row in rows] == [
        "| forward, from what precedes alone",
        "| forward, rescored with what follows",
        "| bidirectional",
    ]
