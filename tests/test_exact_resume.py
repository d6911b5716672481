"""An interrupted and resumed run equals the uninterrupted one, to the bit, wherever it was cut.

A run asks for a pending signal before each step, in each window of an evaluation and after it; a cut is the number of
the call from which on one is pending. So the cuts from 1 to PLACES are all the places where a run can be interrupted.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest
import torch
import training_helpers
from training_helpers import NEEDS_BF16, course_of_losses, final_tensors, metrics, run, write_corpus

from charnn.files import temporary_beside
from charnn.storage.checkpoint_folders import checkpoint_paths
from charnn.storage.checkpoints import CheckpointStore
from charnn.storage.model_file import read_model
from charnn.storage.train_state import Plan
from charnn.training import device, planner
from charnn.training.events import Finished, Notice, Sampled, Saved
from charnn.training.planner import Clock, Planner
from charnn.training.task import TextTask
from charnn.training.trainer import Trainer

STEPS = 14  # an epoch has 6 windows: two ends of epochs lie within
PLACES = 14 + 3 * 3  # before each step; in two windows and after each of three evaluations
DEEP = {"layers": 2, "dropout": 0.3, "lr": 0.4}
CELLS = {
    "lstm": {"cell": "lstm", **DEEP},
    "gru": {"cell": "gru", "embedding": 4, **DEEP},
    "tanh": {"cell": "rnn", **DEEP},
    "relu": {"cell": "rnn", "nonlinearity": "relu", **DEEP},
    "ngrams": {"cell": "lstm", "embedding": 4, "ngrams": 3, "ngram_rows": 16, "ngram_dropout": 0.5, **DEEP},
}
CELLS["skip"] = {**CELLS["ngrams"], "skip_connection": "input"}
CELLS["bidirectional"] = {**CELLS["ngrams"], "bidirectional": True}
CELLS["side by side"] = {**CELLS["bidirectional"], "layers": 1, "threads": 2, "skip_connection": "input"}
CELLS["bf16"] = {**CELLS["ngrams"], "precision": "bf16"}
BUDGETS = {"steps": {"steps": STEPS}, "epochs": {"epochs": 2.2}}
LSTM = {**BUDGETS["steps"], **CELLS["lstm"]}


@pytest.fixture(autouse=True)
def small_scale(monkeypatch):
    """Several windows to an evaluation, several steps to a train event: averages are carried over cuts too."""
    monkeypatch.setattr(TextTask, "eval_seq_length", 2)
    monkeypatch.setattr(planner, "TRAIN_EVENTS", 5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exact")


@pytest.fixture(scope="module")
def source(folder) -> str:
    return write_corpus(folder)


@pytest.fixture(scope="module")
def whole(folder, source):
    """Uninterrupted runs, each made once, by their options."""
    made: dict[str, Path] = {}

    def of(**options: object) -> Path:
        key = repr(sorted(options.items()))
        if key not in made:
            made[key] = folder / f"whole-{len(made)}"
            run(source, made[key], **options)
        return made[key]

    return of


def interrupted(source: str, out: Path, cuts: Iterator[int], **options: object) -> int:
    """A run cut again and again until it finishes; returns the number of interruptions."""
    events = run(source, out, cut=next(cuts), **options)
    for interruptions in count():
        if isinstance(events[-1], Finished):
            return interruptions
        assert isinstance(events[-1], Saved)
        torch.manual_seed(12345 + interruptions)  # what the process drew meanwhile must not matter
        events = run(None, out, cut=next(cuts, None), resume=True)
    raise AssertionError("unreachable")


def differences(found: Path, expected: Path) -> list[str]:
    """The tensors of the last state that differ in any bit."""
    tensors, wanted = final_tensors(found), final_tensors(expected)
    assert tensors.keys() == wanted.keys()
    return [name for name in wanted if not torch.equal(tensors[name], wanted[name])]


def assert_equal_runs(found: Path, expected: Path) -> None:
    """Losses, learning rates, epochs, evaluations, reason; every tensor of the last state; the best model."""
    assert course_of_losses(found) == course_of_losses(expected)
    assert differences(found, expected) == []
    models = [read_model(out / "model.safetensors") for out in (found, expected)]
    assert {name: weight.tobytes() for name, weight in models[0].weights.items()} == {
        name: weight.tobytes() for name, weight in models[1].weights.items()
    }


def test_the_course_has_everything_in_it(whole):
    """The control of what follows: ends of epochs, evaluations, averages over several steps, learning."""
    lines = course_of_losses(whole(**LSTM))
    kinds = [line["event"] for line in lines]
    trained = [line for line in lines if line["event"] == "train"]
    assert kinds[:2] == ["start", "plan"]
    assert kinds[-2:] == ["eval", "finish"]
    assert kinds.count("eval") == 3
    assert len(trained) == STEPS / 2
    assert trained[-1]["epoch"] > 2
    assert trained[-1]["nats_per_char"] < trained[0]["nats_per_char"] - 0.02


@pytest.mark.parametrize("cut", range(1, PLACES + 1))
def test_any_cut(cut, tmp_path, source, whole):
    """Before the first step, mid-epoch, across an epoch's end, inside an evaluation and just after it."""
    assert interrupted(source, tmp_path / "cut", iter([cut]), **LSTM) == 1
    assert_equal_runs(tmp_path / "cut", whole(**LSTM))


def test_there_are_no_other_places(tmp_path, source):
    assert interrupted(source, tmp_path / "cut", iter([PLACES + 1]), **LSTM) == 0


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS)
@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(cell, id=name, marks=[NEEDS_BF16] if name == "bf16" else [])
        for name, cell in CELLS.items()
    ],
)
def test_several_interruptions(cell, budget, tmp_path, source, whole):
    numbers = Random(repr(cell))
    cuts = (numbers.randint(3, 9) for _ in count())
    options = {**budget, **cell}
    assert interrupted(source, tmp_path / "cut", cuts, **options) >= 2
    assert_equal_runs(tmp_path / "cut", whole(**options))


def test_one_layer_without_dropout(tmp_path, source, whole):
    options = {**LSTM, "layers": 1, "dropout": 0.0}
    interrupted(source, tmp_path / "cut", iter([5, 9]), **options)
    assert_equal_runs(tmp_path / "cut", whole(**options))


def test_without_validation(tmp_path, source, whole):
    options = {**LSTM, "val_fraction": 0.0}
    interrupted(source, tmp_path / "cut", iter([5, 9]), **options)
    assert_equal_runs(tmp_path / "cut", whole(**options))


@pytest.mark.parametrize("lost", ["optimizer", "state", "sums"])
def test_control_without_a_part_of_the_state_runs_differ(lost, tmp_path, source, whole, monkeypatch):
    """Each part of a state is needed: put back all but one, and the comparison above fails."""
    restore = Trainer.restore

    def without(self, tensors, train_state):
        own = {name: value.clone() for name, value in self.tensors().items()}
        kept = {name: own.get(name) if name.startswith(lost) else value for name, value in tensors.items()}
        restore(self, {name: value for name, value in kept.items() if value is not None}, train_state)

    monkeypatch.setattr(Trainer, "restore", without)
    interrupted(source, tmp_path / "cut", iter([6]), **LSTM)
    assert course_of_losses(tmp_path / "cut") != course_of_losses(whole(**LSTM))


def test_control_generators_not_restored(tmp_path, source, whole, monkeypatch):
    monkeypatch.setattr(device, "restore_rng_states", lambda states, of: None)
    interrupted(source, tmp_path / "cut", iter([6]), **LSTM)
    assert course_of_losses(tmp_path / "cut") != course_of_losses(whole(**LSTM))
    assert "network.output.weight" in differences(tmp_path / "cut", whole(**LSTM))


def test_metrics_of_a_resumed_run_are_continuous(tmp_path, source):
    """Steps never go back, each is reported once, and seconds go on from what was spent."""
    interrupted(source, tmp_path / "cut", iter([4, 4, 4, 4]), **LSTM)
    lines = metrics(tmp_path / "cut")
    steps = [line["step"] for line in lines if line["event"] == "train"]
    seconds = [line["seconds"] for line in lines if "seconds" in line]
    assert steps == sorted(set(steps))
    assert seconds == sorted(seconds)
    assert [line["event"] for line in lines].count("resume") == 4


def test_what_came_after_the_state_is_cut_back(tmp_path, source, whole):
    """As after a kill: metrics that run ahead of the last whole state."""
    out = tmp_path / "cut"
    run(source, out, cut=6, **LSTM)
    with (out / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"event": "train", "step": 7, "nats_per_char": 1.0}\n{"event": "ev')
    run(None, out, resume=True)
    assert_equal_runs(out, whole(**LSTM))


def test_a_state_torn_by_a_kill(tmp_path, source, whole):
    """The one before it is taken, and that is said."""
    out = tmp_path / "cut"
    run(source, out, cut=6, save_every="2", **LSTM)
    newest = checkpoint_paths(out / "resume")[-1]
    (newest / "tensors.safetensors").write_bytes(b"")
    events = run(None, out, resume=True)
    assert any(isinstance(event, Notice) and newest.name in event.text for event in events)
    assert_equal_runs(out, whole(**LSTM))


def test_no_whole_state_yet(tmp_path, source, whole):
    """Killed during the first save: the run starts from its beginning, with its own options."""
    out = tmp_path / "cut"
    run(source, out, cut=6, **LSTM)
    (half_saved,) = checkpoint_paths(out / "resume")
    (half_saved / "manifest.json").unlink()
    half_saved.rename(temporary_beside(half_saved))
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (out / "metrics.jsonl").write_text("".join(line for line in lines if '"save"' not in line))
    events = run(None, out, resume=True)
    assert any(isinstance(event, Notice) and "beginning" in event.text for event in events)
    assert_equal_runs(out, whole(**LSTM))


def test_another_process_goes_on(tmp_path, source, whole):
    run(source, tmp_path / "cut", cut=9, **LSTM)
    command = (
        "from pathlib import Path; import sys; from charnn.training import planner, task; "
        "task.TextTask.eval_seq_length, planner.TRAIN_EVENTS = 2, 5; "
        "from training_helpers import run; run(None, Path(sys.argv[1]), resume=True)"
    )
    places = [str(Path(training_helpers.__file__).parent), str(Path(training_helpers.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    subprocess.run([sys.executable, "-c", command, str(tmp_path / "cut")], env=environment, check=True)
    assert_equal_runs(tmp_path / "cut", whole(**LSTM))


def test_a_larger_budget_interrupted(tmp_path, source):
    """The schedule goes on from the extended plan, however often it is cut."""
    for out in ("straight", "cut"):
        run(source, tmp_path / out, **{**LSTM, "steps": 8})
    run(None, tmp_path / "straight", resume=True, steps=STEPS)
    run(None, tmp_path / "cut", resume=True, steps=STEPS, cut=4)
    run(None, tmp_path / "cut", resume=True)
    assert_equal_runs(tmp_path / "cut", tmp_path / "straight")


# Minutes: plans come from a clock, and are part of the state.


def run_plans(out: Path) -> dict[int, Plan]:
    """The plans in the run's last state, by the step at which they were made."""
    state, _ = CheckpointStore(out / "resume", keep=2).latest()
    assert state is not None
    return {plan.step: plan for plan in state.values.train_state.plans}


def test_minutes(tmp_path, source, monkeypatch):
    """At cuts after the first plan; against an uninterrupted run that is given the same plans."""
    now, numbers, step = [1000.0], Random(5), Trainer.step

    def slow_step(self):
        now[0] += numbers.uniform(0.5, 2.5)
        step(self)

    options = {**CELLS["lstm"], "minutes": 1.0}
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: now[0])
        patched.setattr(Trainer, "step", slow_step)
        patched.setattr(Clock, "seconds", lambda self: now[0] - self._origin)
        assert interrupted(source, tmp_path / "cut", iter([20, 5, 9]), **options) == 3
    plans = run_plans(tmp_path / "cut")
    assert len(plans) > 2
    with monkeypatch.context() as patched:
        patched.setattr(Planner, "first_plan", lambda self, step: plans.get(step))
        patched.setattr(Planner, "corrected", lambda self, plan, step, progress: plans.get(step, plan))
        run(source, tmp_path / "whole", **options)
    assert metrics(tmp_path / "cut")[-1]["reason"] == "minutes"
    assert_equal_runs(tmp_path / "cut", tmp_path / "whole")


# What doesn't shape the train_state: evaluating, saving, sampling.


def training(out: Path) -> list[dict[str, object]]:
    return [line for line in course_of_losses(out) if line["event"] == "train"]


@pytest.mark.parametrize(
    ("options", "event"),
    [({"save_every": "1"}, Saved), ({"sample_every": "1"}, Sampled), ({"keep": 1, "save_every": "3"}, Saved)],
)
def test_saving_and_sampling_disturb_nothing(options, event, tmp_path, source, whole):
    events = run(source, tmp_path / "often", **LSTM, **options)
    assert sum(isinstance(each, event) for each in events) >= 4
    assert course_of_losses(tmp_path / "often") == course_of_losses(whole(**LSTM))
    assert differences(tmp_path / "often", whole(**LSTM)) == []


@pytest.mark.parametrize("every", [1, 1000])
def test_evaluating_often_or_never_disturbs_nothing(every, tmp_path, source, whole, monkeypatch):
    monkeypatch.setattr(Planner, "_untimed_eval_every", lambda self, steps: every)
    run(source, tmp_path / "other", **LSTM)
    lines = metrics(tmp_path / "other")
    assert [line["event"] for line in lines].count("eval") == max(STEPS // every, 1)
    assert training(tmp_path / "other") == training(whole(**LSTM))
    assert differences(tmp_path / "other", whole(**LSTM)) == []


def test_the_seed_counts(tmp_path, source, whole):
    """The control of all comparisons here: another seed gives another run, the same one the same."""
    run(source, tmp_path / "other", **LSTM, seed=1)
    run(source, tmp_path / "same", **LSTM, seed=0)
    assert training(tmp_path / "other") != training(whole(**LSTM))
    assert_equal_runs(tmp_path / "same", whole(**LSTM))


def test_what_prevents_exactness_is_announced(tmp_path, source, monkeypatch):
    run(source, tmp_path / "cut", cut=6, **LSTM)
    monkeypatch.setattr(device, "use_threads", lambda threads: 2)
    monkeypatch.setattr(torch, "__version__", "9.9")
    events = run(None, tmp_path / "cut", resume=True)
    said = [event.text for event in events if isinstance(event, Notice)]
    assert len(said) == 2
    assert "torch was" in said[0]
    assert "threads was 1, is 2" in said[1]
