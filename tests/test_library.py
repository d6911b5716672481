"""Training from Python, end to end: tiny corpora, real runs."""

import json
import re
import subprocess
import sys
from contextlib import closing
from math import nan
from pathlib import Path

import pytest
import torch
from training_helpers import TINY, final_tensors, metrics, run, write_corpus

import charnn
from charnn.data.cache import clear_cache
from charnn.errors import CharnnError, CorpusError, DivergedError, InputError
from charnn.library import train_events
from charnn.training.events import Event, Finished, Notice, Planned, Resumed, Stepped
from charnn.training.planner import Planner
from charnn.training.trainer import Trainer

ROOT = Path(charnn.__file__).parents[1]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A machine of its own: cache and working folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kinds(out) -> list[str]:
    return [line["event"] for line in metrics(out)]


def said(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Notice))


# The public names


def test_all_is_importable():
    assert charnn.__all__ == sorted(charnn.__all__)
    for name in charnn.__all__:
        assert getattr(charnn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = charnn.nothing


def test_importing_needs_no_torch():
    code = "import sys, charnn; charnn.load; charnn.train; print(sorted({'torch'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


# A run


def test_a_run_from_python(home):
    seen: list[Event] = []
    done = charnn.train(
        [write_corpus(home, 3000)], out=home / "mine", steps=60, lr=0.03, on_event=seen.append, **TINY
    )
    assert (done.folder, done.steps, done.reason) == (home / "mine", 60, "steps")
    assert done.best_val_nats_per_char == seen[-1].best_val_nats_per_char < 2.19  # log 9, of knowing nothing
    model = done.model()
    text = model.sample("ab", length=50, seed=1)
    assert len(text) == 50
    assert set(text) <= set(model.vocabulary.characters)
    assert model.score("abc").log_prob < 0

    assert model.config.hidden == TINY["hidden"]


def test_a_model_names_its_files_but_not_where_they_lay(home):
    corpus, val = write_corpus(home, 3000), home / "val.txt"
    val.write_text(Path(corpus).read_text())
    charnn.train([corpus], out=home / "mine", steps=2, val=str(val), **TINY)
    provenance = charnn.load(home / "mine").provenance
    assert provenance["corpus"]["name"] == Path(corpus).name
    assert provenance["training"]["config"]["data"]["val"] == "val.txt"
    assert str(home) not in json.dumps(dict(provenance))


def test_the_folder_is_as_the_contract_says(home):
    run(write_corpus(home), home / "mine", steps=8)
    assert {path.name for path in (home / "mine").iterdir()} - {".lock"} == {
        "model.safetensors",
        "metrics.jsonl",
        "resume",
    }
    lines = metrics(home / "mine")
    fields = {line["event"]: set(line) - {"event"} for line in lines}
    assert fields == {
        "start": {
            "version",
            "corpus",
            "chars",
            "vocab_size",
            "parameters",
            "config",
            "device",
            "documents",
            "duplicates",
            "documents_kind",
        },
        "plan": {"step", "steps", "chars_per_second"},
        "train": {
            "step",
            "epoch",
            "chars",
            "seconds",
            "nats_per_char",
            "lr",
            "grad_norm",
            "chars_per_second",
        },
        "eval": {"step", "epoch", "chars", "seconds", "val_nats_per_char", "val_bits_per_char"},
        "save": {"step", "path"},
        "finish": {"step", "seconds", "best_val_nats_per_char", "reason"},
    }
    last = [line for line in lines if line["event"] == "eval"][-1]
    assert last["val_bits_per_char"] == pytest.approx(last["val_nats_per_char"] / 0.6931471805599453)


def test_without_a_corpus_it_is_the_bundled_one():
    done = charnn.train(out="mine", steps=1, **TINY)
    assert done.best_val_nats_per_char > 1
    assert metrics(done.folder)[0]["corpus"].endswith("lantern.txt")


def test_the_default_folder_is_named_after_the_corpus(home):
    source = write_corpus(home)
    first, second = (charnn.train([source], steps=1, **TINY).folder for _ in range(2))
    assert (str(first), str(second)) == ("checkpoints/corpus-1", "checkpoints/corpus-1-2")


def test_a_timed_run_keeps_its_minutes(home):
    done = charnn.train([write_corpus(home, 3000)], out="mine", minutes=0.04, **TINY)
    assert done.reason == "minutes"
    finish = metrics(done.folder)[-1]
    assert finish["seconds"] < 2.4 + 1
    assert done.steps >= 1


def test_an_unknown_option_is_refused(home):
    with pytest.raises(InputError, match="--minuts"):
        charnn.train([write_corpus(home)], minuts=1)  # type: ignore[call-arg]


def test_a_closed_run_frees_its_folder(home):
    source = write_corpus(home)
    options = {**TINY, "out": "mine", "steps": 50}
    with closing(train_events([source], options)) as events:
        assert any(isinstance(event, Stepped) for event in events)
    assert charnn.train([source], **{**options, "overwrite": True, "steps": 2}).steps == 2


def test_a_dry_run_writes_nothing(home):
    source = write_corpus(home)
    events = list(train_events([source], {**TINY, "out": "mine", "steps": 5}, dry_run=True))
    rows = dict(events[-1].rows)
    assert {"characters", "vocabulary", "network", "memory", "budget"} <= rows.keys()
    assert not (home / "mine").exists()


# Corpora that are too small


@pytest.mark.parametrize("text", ["", "a", "ab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ab" * 3])
def test_a_corpus_that_is_too_small_states_the_minimum(text, home):
    (home / "c.txt").write_text(text)
    with pytest.raises(CorpusError, match="too short") as caught:
        run(str(home / "c.txt"), home / "out", steps=1)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert not (home / "out").exists()


@pytest.mark.parametrize(
    ("text", "options"), [("ab" * 10, {}), ("ab", {"val_fraction": 0.0}), ("abc" * 20, {"seq_length": 64})]
)
def test_a_corpus_shorter_than_a_window_gets_smaller_ones(text, options, home):
    (home / "c.txt").write_text(text)
    events = run(str(home / "c.txt"), home / "out", steps=3, **options)
    assert "characters" in said(events)
    assert "streams of" in said(events)
    assert isinstance(events[-1], Finished)
    assert charnn.load(home / "out").sample(length=5, seed=0)


# Divergence


@pytest.fixture
def poisoned(monkeypatch):
    """Poison a weight before some steps: those numbered in the set, as often as each is reached, at most `times`."""

    def poison(steps: set[int], times: int = 1000) -> None:
        step, left = Trainer.step, [times]

        def poisoned_step(self):
            if self.train_state.step in steps and left[0]:
                left[0] -= 1
                with torch.no_grad():
                    self.network.output.weight[0, 0] = nan
            step(self)

        monkeypatch.setattr(Trainer, "step", poisoned_step)

    return poison


def test_a_run_that_diverges_once_goes_back_and_on(home, poisoned):
    poisoned({11}, times=1)
    events = run(write_corpus(home), home / "out", steps=20, save_every="4")
    (resumed,) = (event for event in events if isinstance(event, Resumed))
    assert resumed.step == 8
    assert "diverged at step 12" in resumed.reason
    lines = metrics(home / "out")
    assert kinds(home / "out").count("resume") == 1
    steps = [line["step"] for line in lines if line["event"] == "train"]
    assert steps == list(range(1, 21)), "the metrics are cut back to the state"
    rates = {line["step"]: line["lr"] for line in lines if line["event"] == "train"}
    assert rates[9] / rates[8] < 0.6, "the learning rate is halved"
    assert lines[-1]["reason"] == "steps"
    assert all(torch.isfinite(value).all() for value in final_tensors(home / "out").values())


def test_after_three_rollbacks_the_run_ends_and_keeps_its_best_model(home, poisoned):
    poisoned({11})
    source = write_corpus(home)
    with pytest.raises(DivergedError, match=r"--lr") as caught:
        run(source, home / "out", steps=20, save_every="4")
    assert caught.value.exit_code == 1
    lines = metrics(home / "out")
    assert (lines[-1]["event"], lines[-1]["reason"]) == ("finish", "diverged")
    assert kinds(home / "out").count("resume") >= 1
    evaluated = [line["val_nats_per_char"] for line in lines if line["event"] == "eval"]
    assert lines[-1]["best_val_nats_per_char"] <= min(
        evaluated
    )  # the best may be of a train_state that was left
    assert charnn.load(home / "out").score("abc").log_prob < 0
    assert all(torch.isfinite(value).all() for value in final_tensors(home / "out").values())


def test_a_rate_that_is_far_too_high_ends_in_one_line(home):
    """Without any help: the loss explodes, or the run survives; never a traceback, never a broken model."""
    try:
        run(
            write_corpus(home),
            home / "out",
            steps=40,
            lr=9e5,
            clip=0.0,
            cell="rnn",
            nonlinearity="relu",
            save_every="5",
        )
    except CharnnError as error:
        assert isinstance(error, DivergedError)
    for line in metrics(home / "out"):
        assert all(value == value for value in line.values())
    if (home / "out" / "model.safetensors").exists():
        charnn.load(home / "out")


def test_a_machine_that_is_too_small_is_no_traceback(home, monkeypatch):
    def exhausted(self):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Trainer, "step", exhausted)
    with pytest.raises(CharnnError, match=r"cpu ran out of memory; .*--batch-size"):
        run(write_corpus(home), home / "out", steps=5)


# Going on


def test_texts_are_documents_and_an_iterator_is_texts(home):
    names = ["Anna", "Emma", "Olga", "Paul", "Hans"] * 20
    for number, given in enumerate(({"corpus": iter(names)}, {"texts": names})):
        model = charnn.train(**given, out=f"run-{number}", steps=1, **TINY).model()
        assert model.documents.count > 0 and not model.documents.contains("Anne")
        assert any(map(model.documents.contains, set(names)))
    with pytest.raises(InputError, match="corpus and texts are both given"):
        charnn.train("corpus.txt", texts=names, out="run", steps=1)


def planned(home, **options) -> list[Event]:
    """What is said of a run that isn't made."""
    chosen = {name: value for name, value in TINY.items() if name not in ("cell", "threads")} | options
    return list(train_events([write_corpus(home)], chosen, dry_run=True))


def test_options_that_contradict_each_other_are_refused(home):
    with pytest.raises(InputError, match=r"contradict each other: .*power of two"):
        planned(home, steps=1, embedding=8, ngrams=3, ngram_rows=100)


def test_a_precision_that_is_given_is_kept_where_the_threads_are_measured(home):
    events = planned(home, minutes=1.0, precision="fp32")
    assert re.search(r"fastest on this machine now, as measured: \d+ threads?, fp32", said(events))


def test_a_reading_that_takes_long_does_not_count_against_the_budget(home):
    assert "the budget starts after it" in said(planned(home, minutes=1e-5, threads=1, precision="fp32"))
    assert "the budget starts after it" not in said(planned(home, minutes=9.0, threads=1, precision="fp32"))


def test_a_larger_budget_goes_on(home):
    source = write_corpus(home)
    run(source, home / "out", steps=10)
    events = run(source, home / "out", resume=True, steps=20, hidden=TINY["hidden"])
    assert [event.steps for event in events if isinstance(event, Planned)] == [20]
    assert "the budget grew: the learning rate goes on at" in said(events)
    assert "20 steps" in said(events)
    assert kinds(home / "out").count("finish") == 1
    steps = [line["step"] for line in metrics(home / "out") if line["event"] == "train"]
    assert steps == list(range(1, 21))


def test_the_same_budget_says_that_the_run_is_over(home):
    source = write_corpus(home)
    run(source, home / "out", steps=10)
    before = metrics(home / "out")
    events = run(None, home / "out", resume=True, steps=10)
    assert "this run is over" in said(events)
    assert not any(isinstance(event, Stepped | Finished) for event in events)
    assert metrics(home / "out") == before
    with pytest.raises(InputError, match="is over already; give a larger budget"):
        charnn.train(out="out", resume=True)


@pytest.mark.parametrize(
    ("name", "value"), [("hidden", 9), ("seed", 3), ("lr", 0.5), ("steps", 9), ("minutes", 1.0)]
)
def test_what_would_change_the_run_is_refused(name, value, home):
    run(write_corpus(home), home / "out", steps=10, cut=4)
    before = metrics(home / "out")
    with pytest.raises(InputError, match=f"--{name}"):
        run(None, home / "out", resume=True, **{name: value})
    assert metrics(home / "out") == before


def test_another_corpus_is_refused(home):
    run(write_corpus(home), home / "out", steps=10, cut=4)
    with pytest.raises(InputError, match="the corpus has changed since the run began"):
        run(write_corpus(home, seed=2), home / "out", resume=True)


def test_a_changed_corpus_is_refused_once_the_old_text_is_not_cached(home):
    run(write_corpus(home), home / "out", steps=10, cut=4)
    (home / "corpus-1.txt").write_text("something else entirely\n" * 20)
    clear_cache()
    with pytest.raises(CorpusError, match="has changed since the run began"):
        run(None, home / "out", resume=True)


def test_an_interrupted_run_can_sample(home):
    run(write_corpus(home), home / "out", steps=100, cut=4)
    assert kinds(home / "out")[-1] == "save"
    assert len(charnn.load(home / "out").sample(length=10, seed=0)) == 10


def test_minutes_can_grow(home, monkeypatch):
    source = write_corpus(home)
    monkeypatch.setattr(Planner, "_measured_enough", lambda self, step: step >= 10)
    charnn.train([source], out="out", minutes=0.03, **TINY)
    before = metrics(home / "out")[-1]
    done = charnn.train(out="out", resume=True, minutes=0.06)
    assert done.steps > before["step"]
    assert metrics(home / "out")[-1]["seconds"] > before["seconds"]


def test_a_run_killed_before_its_last_line_gets_it(home):
    """Between the last save and `finish`."""
    run(write_corpus(home), home / "out", steps=10)
    whole = metrics(home / "out")
    lines = (home / "out" / "metrics.jsonl").read_text().splitlines(keepends=True)
    (home / "out" / "metrics.jsonl").write_text("".join(lines[:-1]))
    events = run(None, home / "out", resume=True)
    assert isinstance(events[-1], Finished)
    timeless = [{**line, "seconds": 0} for line in metrics(home / "out")]
    assert timeless == [{**line, "seconds": 0} for line in whole]
