"""The course of a run, from its metrics.jsonl."""

import json
import os
from itertools import pairwise

import numpy as np
import pytest
from metrics_helpers import add_events, course, evaluated, started, stepped, written_run

import charnn
from charnn.analysis.learning_curves import CurveReader, learning_curves
from charnn.errors import InputError
from charnn.storage import metrics_tail
from charnn.storage.run_folder import MetricsLog
from charnn.training.events import Finished, Planned


def test_curves_are_what_the_run_reported(tmp_path):
    found = learning_curves(written_run(tmp_path / "a", course(4)))
    assert found.train_loss.steps.tolist() == [1, 2, 3, 4]
    assert found.train_loss.characters.tolist() == [100, 200, 300, 400]
    assert found.train_loss.seconds.tolist() == [0.5, 1, 1.5, 2]
    assert found.train_loss.values.tolist() == pytest.approx([4, 2.5, 2, 1.75])
    assert found.learning_rate.values.tolist() == [0.01] * 4
    assert found.speed.values.tolist() == [201, 202, 203, 204]
    assert found.val_loss.steps.tolist() == [2, 4] and found.val_loss.values.tolist() == [3, 2.25]
    assert (found.best.nats, found.best.step, found.best.chars, found.best.seconds) == (2.25, 4, 400, 2.25)
    assert (found.step, found.chars, found.seconds, found.planned_steps) == (4, 400, 3.0, 4)
    assert (found.parameters, found.unit, found.ended) == (5000, "character", "steps")


def test_the_best_is_not_the_last(tmp_path):
    found = learning_curves(written_run(tmp_path, [started(), *(evaluated(n, abs(n - 3)) for n in range(9))]))
    assert (found.best.step, found.best.nats, found.step, found.ended) == (3, 0, 8, None)


def test_a_run_without_evaluations_has_no_best(tmp_path):
    found = learning_curves(written_run(tmp_path, [started(), stepped(1)]))
    assert found.best is None and len(found.val_loss.values) == 0 and found.step == 1


@pytest.mark.parametrize(("kind", "unit"), [("none", "character"), ("lines", "symbol"), ("pairs", "symbol")])
def test_losses_of_collections_and_pairs_are_per_symbol(tmp_path, kind, unit):
    assert learning_curves(written_run(tmp_path, course(kind=kind))).unit == unit


def test_what_was_undone_is_left_out(tmp_path):
    events = [
        started(),
        stepped(1),
        stepped(2),
        evaluated(2, 3.0),
        stepped(3),
        stepped(2, 1.0),
        evaluated(2, 2.5),
    ]
    found = learning_curves(written_run(tmp_path, events))
    assert found.train_loss.steps.tolist() == [1, 2] and found.train_loss.values.tolist() == [2, 1]
    assert found.val_loss.values.tolist() == [2.5]


def test_an_interrupted_and_resumed_run_is_one_curve(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a.txt").write_text("abc def ghi\n" * 200)
    small = {"hidden": 4, "cell": "rnn", "embedding": 0, "batch_size": 2, "seq_length": 8, "device": "cpu"}
    charnn.train(tmp_path / "a.txt", out=str(tmp_path / "run"), steps=20, **small)
    first = learning_curves(tmp_path / "run")
    charnn.train(out=str(tmp_path / "run"), steps=40, resume=True)
    charnn.train(out=str(tmp_path / "run"), steps=60, resume=True)
    found = learning_curves(tmp_path / "run")
    assert (first.step, found.step, found.ended) == (20, 60, "steps")
    for curve in (found.train_loss, found.val_loss):
        assert all(one < other for one, other in pairwise(curve.steps))
        assert all(one <= other for one, other in pairwise(curve.seconds))
    assert set(first.train_loss.steps) <= set(found.train_loss.steps)
    assert found.seconds > first.seconds


HOSTILE = [
    {
        "event": "train",
        "step": 3,
        "chars": 1,
        "seconds": 1.0,
        "nats_per_char": "1",
        "lr": 1,
        "chars_per_second": 1,
    },
    {
        "event": "train",
        "step": 3,
        "chars": 1,
        "seconds": True,
        "nats_per_char": 1,
        "lr": 1,
        "chars_per_second": 1,
    },
    {
        "event": "train",
        "step": 3,
        "chars": 10**400,
        "seconds": 1,
        "nats_per_char": 1,
        "lr": 1,
        "chars_per_second": 1,
    },
    {"event": "eval", "step": 10**30, "chars": 1, "seconds": 1, "val_nats_per_char": 1.0},
    {"event": "eval", "step": 3, "chars": 1, "seconds": -1, "val_nats_per_char": 1.0},
    {"event": "eval", "step": 3, "chars": 1, "seconds": 1, "val_nats_per_char": None},
    {"event": "eval"},
    {"event": ["eval"]},
    {"event": "plan", "steps": "many"},
    {},
]


def test_records_without_sane_numbers_are_passed_over(tmp_path):
    expected = learning_curves(written_run(tmp_path / "a", course(4)))
    folder = written_run(tmp_path / "b", course(4))
    lines = [json.dumps(record).encode() for record in HOSTILE]
    with (folder / "metrics.jsonl").open("ab") as file:
        file.write(
            b"\n".join([*lines, b"\xff\xfe", b"[" * 10_000, b'{"event": "eval", "step": NaN}', b"null"])
            + b"\n"
        )
    found = learning_curves(folder)
    assert found.train_loss == expected.train_loss and found.val_loss == expected.val_loss


def test_seconds_that_go_back_stand_still(tmp_path):
    folder = written_run(tmp_path, [started()])
    record = stepped(1).record()
    log = MetricsLog(folder / "metrics.jsonl")
    for step, seconds in ((1, 5.0), (2, 3.0), (3, 6.0)):
        log.append(record | {"step": step, "seconds": seconds})
    assert learning_curves(folder).train_loss.seconds.tolist() == [5, 5, 6]


def test_a_start_of_a_stranger_s_says_nothing(tmp_path):
    folder = written_run(tmp_path, [stepped(1)])
    MetricsLog(folder / "metrics.jsonl").append(
        {"event": "start", "parameters": -1, "documents_kind": {"a": 1}}
    )
    assert learning_curves(folder).parameters is None


@pytest.mark.parametrize("make", ["nothing", "empty", "folder", "fifo", "link", "foreign"])
def test_what_is_no_run_is_refused(tmp_path, make):
    metrics = tmp_path / "run" / "metrics.jsonl"
    metrics.parent.mkdir()
    match make:
        case "empty":
            metrics.touch()
        case "folder":
            metrics.mkdir()
        case "fifo":
            os.mkfifo(metrics)
        case "link":
            metrics.symlink_to(written_run(tmp_path / "other", course()) / "metrics.jsonl")
        case "foreign":
            metrics.write_text('{"loss": 1}\n' * 9)
    with pytest.raises(InputError, match=r"run/metrics.jsonl is|holds no run"):
        learning_curves(tmp_path / "run")


def test_what_no_run_writes_is_refused(tmp_path, monkeypatch):
    sparse = written_run(tmp_path / "a", course()) / "metrics.jsonl"
    os.truncate(sparse, 1 << 40)
    with pytest.raises(InputError, match="no run writes so many"):
        learning_curves(sparse.parent)
    monkeypatch.setattr(metrics_tail, "MAX_LINE", 1000)
    (tmp_path / "a" / "metrics.jsonl").write_text(" " * 1001 + "\n")
    with pytest.raises(InputError, match="a line of more than 1,000 bytes"):
        learning_curves(tmp_path / "a")


def test_a_run_s_files_name_it_too(tmp_path):
    folder = written_run(tmp_path / "a", course())
    assert learning_curves(folder / "metrics.jsonl") == learning_curves(str(folder))
    assert learning_curves(folder / "model.safetensors").folder == folder


def test_a_run_is_read_on_as_it_goes_on(tmp_path):
    folder = written_run(tmp_path, course(4, ends=False))
    reader = CurveReader(folder)
    assert reader.read().step == 4
    add_events(folder, [stepped(5), evaluated(5, 1.25)])
    with (folder / "metrics.jsonl").open("ab") as file:
        whole = json.dumps(stepped(6).record()).encode()
        file.write(whole[:20])
    found = reader.read()
    assert (found.step, found.best.nats, found.ended) == (5, 1.25, None)
    with (folder / "metrics.jsonl").open("ab") as file:
        file.write(whole[20:] + b"\n")
    add_events(folder, [Finished(6, 9.0, 1.25, "steps")])
    found = reader.read()
    assert (found.step, found.ended, found.seconds) == (6, "steps", 9.0)
    assert found == learning_curves(folder)


def test_a_run_that_was_cut_back_is_read_anew(tmp_path):
    folder = written_run(tmp_path, course(6))
    reader = CurveReader(folder)
    assert reader.read().step == 6
    MetricsLog(folder / "metrics.jsonl").cut_back(3, "none")
    assert (reader.read().step, reader.read().ended) == (3, None)
    add_events(folder, [Planned(3, 8, None), stepped(4, 9.0)])
    found = reader.read()
    assert (found.planned_steps, found.train_loss.values[-1]) == (8, 9.0)
    assert np.array_equal(found.train_loss.steps, [1, 2, 3, 4])


def test_a_run_that_is_being_replaced_is_shown_as_it_was(tmp_path):
    folder = written_run(tmp_path, course(6))
    reader = CurveReader(folder)
    before = reader.read()
    (folder / "metrics.jsonl").unlink()
    assert reader.read() == before
    add_events(folder, course(2))
    assert reader.read().step == 2
