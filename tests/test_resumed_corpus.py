"""A run goes on wherever its text lies now: the hash decides."""

import os
import shutil
from pathlib import Path

import pytest
from training_helpers import TINY, write_corpus

from charnn.data.cache import clear_cache
from charnn.errors import CorpusError
from charnn.library import train_events
from charnn.training.events import Notice


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a corpus and a run of five steps, where we are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "p/texts").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "p")
    Path(write_corpus(Path("texts"))).rename("texts/book.txt")
    Path(write_corpus(Path("texts"), seed=2)).rename("texts/val.txt")
    train("texts/book.txt", steps=5, val="texts/val.txt", **TINY)
    return tmp_path / "p"


def train(*corpus: str, **options: object) -> list[str]:
    """What was said."""
    events = list(train_events(corpus, options))
    assert getattr(events[-1], "step", None) == options["steps"]
    return [event.text for event in events if isinstance(event, Notice)]


def moved(project: Path, to: str = "q") -> Path:
    new = project.rename(project.with_name(to))
    os.chdir(new)
    return new


def test_a_project_that_was_moved(project: Path) -> None:
    new = moved(project)
    clear_cache()
    (said,) = (text for text in train(resume=True, steps=9) if "moved" in text)
    assert f"read from {new}/texts/book.txt" in said
    assert not any("moved" in text for text in train(resume=True, steps=12))  # it is remembered


def test_a_corpus_named_again(project: Path) -> None:
    moved(project)
    clear_cache()
    train("texts/book.txt", resume=True, val="texts/val.txt", steps=9)


def test_only_the_corpus_is_named_again(project: Path) -> None:
    new = moved(project)
    clear_cache()
    (new / "texts/book.txt").rename(new.parent / "renamed.txt")
    train("../renamed.txt", resume=True, steps=9)


def test_another_text_that_is_named_is_refused_whatever_the_cache_holds(project: Path) -> None:
    Path("other.txt").write_text(Path("texts/book.txt").read_text() + "more")
    with pytest.raises(CorpusError, match="the corpus has changed"):
        train("other.txt", resume=True, steps=9)


@pytest.mark.parametrize("name", ["texts/book.txt", "texts/val.txt"])
@pytest.mark.parametrize("change", ["deleted", "appended", "unreadable"])
def test_the_cached_copy_is_gone_on_with_and_that_is_said(name: str, change: str) -> None:
    path = Path(name)
    if change == "appended":
        path.write_text(path.read_text() + "more")
    else:
        path.unlink()
    if change == "unreadable":
        path.symlink_to("nowhere")
    (said,) = (text for text in train(resume=True, steps=9) if "cached copy" in text)
    assert ("has changed" in said) == (change == "appended")


def test_a_text_that_was_moved_with_the_run_and_changed_is_not_read(project: Path) -> None:
    moved(project)
    Path("texts/book.txt").write_text("another text " * 30)
    (said,) = (text for text in train(resume=True, steps=9) if "cached copy" in text)
    assert "texts/book.txt" in said


def test_a_link_to_the_text_is_the_text(project: Path) -> None:
    Path("texts/book.txt").rename("elsewhere.txt")
    Path("texts/book.txt").symlink_to("../elsewhere.txt")
    clear_cache()
    train(resume=True, steps=9)


def test_a_text_that_is_nowhere_is_an_error_with_the_remedy(project: Path) -> None:
    shutil.rmtree("texts")
    clear_cache()
    with pytest.raises(CorpusError, match="charnn train CORPUS --resume --out checkpoints/book"):
        train(resume=True, steps=9)
