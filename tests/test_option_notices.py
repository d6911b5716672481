"""What in the options of a run can't have been meant is said; what can is not."""

from pathlib import Path

import pytest
from training_helpers import TINY, write_corpus

import charnn
from charnn.training.events import Notice
from charnn.training.options import option_notices


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path)


@pytest.fixture
def other(tmp_path):
    file = tmp_path / "other.txt"
    file.write_text("abc " * 200)
    return str(file)


def said(sources, **options):
    return "\n".join(option_notices(sources, options))


def test_overwrite_without_out(corpus):
    assert "--overwrite removes nothing without --out" in said([corpus], overwrite=True)
    assert not said([corpus], overwrite=True, out="run")


def test_a_fraction_beside_a_validation_file(corpus, other):
    assert "--val-fraction has no effect beside --val" in said([corpus], val=other, val_fraction=0.2)
    assert not said([corpus], val=other) and not said([corpus], val_fraction=0.2)


def test_a_validation_file_that_is_trained_on(corpus, other, tmp_path):
    assert "is trained on too" in said([other, corpus], val=corpus)
    assert "is trained on too" in said([str(tmp_path)], val=corpus)
    (tmp_path / "link").symlink_to(corpus)
    assert "is trained on too" in said([corpus], val=str(tmp_path / "link"))
    assert not said([corpus], val=other) and not said(["missing"], val=other)


def test_a_separator_of_a_backslash_and_a_letter(corpus):
    assert r"--separator '\\n' holds a backslash" in said([corpus], separator=r"\n")
    assert not said([corpus], separator="\n") and not said([corpus], separator="\\")


def test_a_run_says_it(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    events = []
    charnn.train(corpus, val=corpus, out=tmp_path / "run", steps=1, on_event=events.append, **TINY)
    assert any(isinstance(event, Notice) and "is trained on too" in event.text for event in events)


def test_a_copy_of_the_corpus_as_validation_is_said(corpus, other, tmp_path):
    copy = tmp_path / "copy.txt"
    copy.write_bytes(Path(corpus).read_bytes())
    for val, is_said in ((copy, True), (other, False)):
        events = []
        charnn.train(
            corpus, val=val, out=tmp_path / f"run {is_said}", steps=1, on_event=events.append, **TINY
        )
        notices = [event.text for event in events if isinstance(event, Notice)]
        assert any("holds the text that is trained on" in notice for notice in notices) is is_said
