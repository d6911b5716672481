"""`charnn.train` in a notebook: a card that is drawn again below the cell, and nothing elsewhere."""

import os
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from cli import ROOT
from metrics_helpers import course, evaluated, started, stepped
from training_helpers import TINY, write_corpus

import charnn
from charnn import notebook
from charnn.errors import InputError
from charnn.notebook import NotebookDisplay, notebook_display
from charnn.training.events import Finished, Notice, Planned, Resumed, RunSummary, Sampled

HAS_JUPYTER = all(find_spec(name) for name in ("nbclient", "ipykernel"))


class Card(HTMLParser):
    """What a card's HTML holds; raises where a tag isn't closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = {}, [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.setdefault(tag, []).append(dict(attrs))
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.setdefault(tag, []).append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def drawn(monkeypatch):
    """A display in a notebook that isn't there, and the cards that were drawn."""
    cards = []
    handle = SimpleNamespace(update=lambda shown: cards.append(shown._repr_html_()))

    def show(shown, display_id):
        assert display_id is True and not cards
        handle.update(shown)
        return handle

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=show))
    return NotebookDisplay(), cards


def test_a_run_is_one_card_that_is_drawn_again(drawn):
    display, cards = drawn
    events = [
        RunSummary("runs/a", [("corpus", "a.txt")], ""),
        *course(40, ends=False),
        Sampled(40, "To be\nor"),
    ]
    for event in events:
        display.show(event)
    card = Card(cards[-1])
    assert card.tags["progress"] == [
        {"aria-label": "training", "max": "40", "value": "40", "style": "width: 100%"}
    ]
    assert len(card.tags["svg"]) == 1 and len(card.tags["polyline"]) == 2
    text = " ".join(card.text)
    assert "best validation 1.5750 nats, 2.2722 bits a character, at step 40" in text
    assert "training 1.0750 nats" in text and "To be\nor" in text and "a.txt" in text
    display.show(Finished(40, 3700.0, 1.5, "steps"))
    text = " ".join(Card(cards[-1]).text)
    assert "40 steps in 1:01:40" in text and "training 1.0750" not in text
    count = len(cards)
    display.close()
    assert len(cards) == count


def test_steps_do_not_draw_faster_than_anyone_looks(drawn, monkeypatch):
    display, cards = drawn
    monkeypatch.setattr(notebook, "REDRAWN_SECONDS", 3600)
    for step in range(1, 100):
        display.show(stepped(step))
    assert len(cards) == 1
    display.show(evaluated(100, 1.0))
    assert len(cards) == 2


def test_the_lines_are_within_the_chart(drawn):
    display, cards = drawn
    for event in course(30):
        display.show(event)
    for line in Card(cards[-1]).tags["polyline"]:
        places = [tuple(map(float, place.split(","))) for place in line["points"].split()]
        assert len(places) > 5
        assert all(48 <= x <= 592 and 4 <= y <= 132 for x, y in places)
        assert [x for x, _ in places] == sorted(x for x, _ in places)
        assert [y for _, y in places] == sorted(y for _, y in places)  # losses fall: downwards


def test_what_a_divergence_undid_is_not_drawn(drawn):
    display, cards = drawn
    for event in course(20, ends=False):
        display.show(event)
    display.show(Resumed(10, "", "diverged at step 20; learning rate × 0.5"))
    card = Card(cards[-1])
    assert card.tags["progress"][0]["value"] == "10" and "diverged at step 20" in " ".join(card.text)
    assert "at step 10" in " ".join(card.text)


def test_a_run_that_is_interrupted_says_so(drawn):
    display, cards = drawn
    display.close()
    assert cards == []  # nothing was shown
    for event in (started(), Planned(0, 9, None), stepped(3)):
        display.show(event)
    display.close()
    assert "stopped at step 3" in " ".join(Card(cards[-1]).text)


def test_a_long_reading_is_shown(drawn):
    display, cards = drawn
    display.reading(5_000_000, 20_000_000)
    assert "reading: 5 MB of 20 MB" in cards[-1]


def test_losses_of_collections_are_per_symbol(drawn):
    display, cards = drawn
    for event in course(8, kind="lines"):
        display.show(event)
    assert "bits a symbol" in cards[-1] and "nats per symbol" in cards[-1]


def test_text_is_data(drawn):
    display, cards = drawn
    hostile = "<script>alert(1)</script>&\"'\x1b\x00\u202e"
    for event in (RunSummary("a", [("corpus", hostile)], ""), Notice(hostile), Sampled(1, hostile)):
        display.show(event)
    assert "<script" not in cards[-1] and not set(cards[-1]) & set("\x1b\x00\u202e")
    assert cards[-1].count("&lt;script&gt;") == 3


def test_elsewhere_nothing_is_shown(tmp_path, capsys, monkeypatch):
    assert notebook_display() is None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert notebook_display() is None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace()))
    assert notebook_display() is None  # IPython's terminal
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    charnn.train(write_corpus(tmp_path), out=str(tmp_path / "run"), steps=2, **TINY)
    assert capsys.readouterr() == ("", "")


def test_progress_may_be_declined(tmp_path, drawn, monkeypatch):
    _, cards = drawn
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    corpus = write_corpus(tmp_path)
    charnn.train(corpus, out=str(tmp_path / "a"), steps=2, progress=False, **TINY)
    assert cards == []
    charnn.train(corpus, out=str(tmp_path / "b"), steps=2, **TINY)
    assert "2 steps in" in cards[-1]
    with pytest.raises(InputError):
        charnn.train(corpus, out=str(tmp_path / "b"), steps=2, **TINY)


@pytest.mark.skipif(not HAS_JUPYTER, reason="nbclient and ipykernel, of the dev extra, are not installed")
def test_in_jupyter(tmp_path, monkeypatch):
    """A kernel of its own runs a cell that trains: its output is one card, drawn to the end of the run."""
    from nbclient import NotebookClient
    from nbformat import v4

    for name, folder in (
        ("XDG_CACHE_HOME", "cache"),
        ("IPYTHONDIR", "ipython"),
        ("JUPYTER_DATA_DIR", "jupyter"),
    ):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    options = {**TINY, "steps": 40}
    cells = [
        "import charnn",
        f"run = charnn.train({write_corpus(tmp_path)!r}, out='run', **{options!r})",
        "run.steps",
    ]
    book = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (output,) = book.cells[1].outputs
    assert output.output_type == "display_data"
    card = Card(output.data["text/html"])
    assert card.tags["progress"][0]["max"] == "40" and card.tags["progress"][0]["value"] == "40"
    assert len(card.tags["svg"]) == 1 and "40 steps in" in " ".join(card.text)
    assert output.data["text/plain"].startswith("best validation ")
    assert book.cells[2].outputs[0].data["text/plain"] == "40"
