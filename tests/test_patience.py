"""A run that no longer improves ends early with --patience, cut or whole, and says why."""

from pathlib import Path

import pytest
from test_exact_resume import assert_equal_runs, differences, interrupted
from training_helpers import metrics, run

from charnn.config import Budget
from charnn.errors import InputError
from charnn.training import planner
from charnn.training.events import Event, Finished, Notice
from charnn.training.recipe import choose_budget
from charnn.training.resume import Resumption, resumption
from charnn.training.task import TextTask

OPTIONS = {"lr": 0.03, "steps": 100}  # best at the second of eight evaluations
SLOW = {**OPTIONS, "lr": 0.01}  # best at the sixth, and at the fourth among those before


@pytest.fixture(scope="module", autouse=True)
def small_scale():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextTask, "eval_seq_length", 2)
        patch.setattr(planner, "TRAIN_EVENTS", 5)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("patience")


@pytest.fixture(scope="module")
def source(folder) -> str:
    """First it is learnt which characters there are; then an order that what is validated on contradicts."""
    path = folder / "corpus.txt"
    path.write_text("efghijklmnopqrstuvwxyz" + "abcd" * 200 + "dcba" * 25, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def patient(folder, source) -> Path:
    run(source, folder / "patient", **OPTIONS)
    return folder / "patient"


@pytest.fixture(scope="module")
def early(folder, source) -> Path:
    run(source, folder / "early", patience=2, **OPTIONS)
    return folder / "early"


def losses(out: Path) -> list[float]:
    return [line["val_nats_per_char"] for line in metrics(out) if line["event"] == "eval"]


def said(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Notice))


def test_it_ends_after_so_many_evaluations_without_a_better_loss(patient, early):
    whole, cut = losses(patient), losses(early)
    assert (len(whole), len(cut)) == (8, 4)
    assert cut == whole[:4]
    assert min(cut) == cut[1]
    finish = metrics(early)[-1]
    assert (finish["event"], finish["reason"]) == ("finish", "patience")
    assert finish["best_val_nats_per_char"] == min(cut)
    assert metrics(patient)[-1]["reason"] == "steps"


def test_only_evaluations_in_a_row_count(folder, source):
    """In all, three are no better than the best before them; never are two in a row, up to the last."""
    run(source, folder / "slow", patience=2, **SLOW)
    found = losses(folder / "slow")
    assert len(found) == 8
    assert found[4] > found[3] > found[5] == min(found)


def test_it_is_said_why(folder, source):
    events = run(source, folder / "said", patience=2, **OPTIONS)
    assert "no better loss in the last 2 evaluations: the run ends early" in said(events)
    assert isinstance(events[-1], Finished)
    assert "a larger --patience or budget" in said(run(None, folder / "said", resume=True))


@pytest.mark.parametrize("gap", [1, 7, 20, 33])
def test_however_often_it_is_cut_it_is_the_same_run(gap, tmp_path, source, early):
    assert interrupted(source, tmp_path / "cut", iter([gap, gap + 7, gap]), patience=2, **OPTIONS)
    assert_equal_runs(tmp_path / "cut", early)


def test_with_more_patience_it_goes_on_as_if_it_had_had_it(tmp_path, source):
    for out, patience in (("less", 2), ("more", 4)):
        run(source, tmp_path / out, patience=patience, **OPTIONS)
    run(None, tmp_path / "less", resume=True, patience=4)
    assert len(losses(tmp_path / "more")) == 6
    assert losses(tmp_path / "less") == losses(tmp_path / "more")
    assert differences(tmp_path / "less", tmp_path / "more") == []


def test_with_a_larger_budget_its_patience_is_new(tmp_path, source):
    run(source, tmp_path / "run", patience=2, **OPTIONS)
    before = metrics(tmp_path / "run")[-1]["step"]
    events = run(None, tmp_path / "run", resume=True, steps=150)
    assert isinstance(events[-1], Finished) and events[-1].step > before


def test_less_patience_would_change_a_run(tmp_path, source):
    run(source, tmp_path / "run", patience=3, steps=2)
    with pytest.raises(InputError, match="--patience 2 is less than this run's 3"):
        run(None, tmp_path / "run", resume=True, patience=2)
    run(source, tmp_path / "other", steps=2)
    with pytest.raises(InputError, match="--patience 2 would change this run"):
        run(None, tmp_path / "other", resume=True, patience=2)


def test_patience_is_no_budget():
    assert not Budget(patience=3).is_bounded
    assert Budget(steps=1, patience=3).is_bounded
    assert resumption(None, Budget(steps=1, patience=3)) is Resumption.NOT_STARTED


def test_ten_minutes_are_the_budget_of_a_run_that_has_only_patience():
    assert choose_budget({"patience": 3}) == Budget(minutes=10, patience=3)


def test_without_validation_it_is_said_that_it_has_no_effect(tmp_path, source):
    events = run(source, tmp_path / "run", patience=1, val_fraction=0, steps=8)
    assert "--patience has no effect with --val-fraction 0" in said(events)
    assert isinstance(events[-1], Finished) and events[-1].reason == "steps"
