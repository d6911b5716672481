"""Which options a run may be continued with."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoint_helpers import forge, forged, newest, values_of
from training_helpers import TINY, course_of_losses, metrics, run, write_corpus

from charnn.config import Budget, DataConfig, ModelConfig, OptimConfig, TrainConfig, to_json
from charnn.errors import CharnnError, InputError, ModelFileError
from charnn.library import train_events
from charnn.storage.checkpoint_values import decode_config
from charnn.storage.checkpoints import Checkpoint, CheckpointStore
from charnn.storage.train_state import Plan, TrainState
from charnn.training.events import Notice, Saved
from charnn.training.resume import Resumption, continued_config, resumption

CONFIG = TrainConfig(
    ModelConfig(
        vocab_size=65, cell="rnn", nonlinearity="relu", layers=2, hidden=96, embedding=8, dropout=0.25
    ),
    DataConfig(
        ("/texts/a.txt", "-"), separator="\n", errors="replace", max_vocab=65, val_fraction=0.2, val="v.txt"
    ),
    OptimConfig(batch_size=7, seq_length=33, lr=0.003, clip=2.0, weight_decay=0.1),
    Budget(steps=100, epochs=2.0),
    seed=5,
    device="cpu",
    precision="fp32",
    threads=2,
    init_from="base.safetensors",
)
SAME = {
    "separator": "\n",
    "errors": "replace",
    "max_vocab": 65,
    "val_fraction": 0.2,
    "val": "v.txt",
    "cell": "rnn",
    "nonlinearity": "relu",
    "layers": 2,
    "hidden": 96,
    "embedding": 8,
    "dropout": 0.25,
    "batch_size": 7,
    "seq_length": 33,
    "lr": 0.003,
    "clip": 2.0,
    "weight_decay": 0.1,
    "precision": "fp32",
    "seed": 5,
    "init_from": "base.safetensors",
    "steps": 100,
    "epochs": 2.0,
}
OTHER = {
    "separator": "",
    "errors": "strict",
    "max_vocab": 64,
    "val_fraction": 0.0,
    "cell": "lstm",
    "nonlinearity": "tanh",
    "layers": 1,
    "hidden": 128,
    "embedding": 0,
    "dropout": 0.0,
    "batch_size": 8,
    "seq_length": 64,
    "lr": 0.004,
    "clip": 1.0,
    "weight_decay": 0.0,
    "precision": "bf16",
    "seed": 0,
    "init_from": "other.safetensors",
    "steps": 99,
    "epochs": 1.5,
    "minutes": 3.0,
}


def test_nothing_given_nothing_changed():
    assert continued_config(CONFIG, (), {"resume": True}) == CONFIG


@pytest.mark.parametrize(("name", "value"), SAME.items())
def test_old_values_are_accepted(name, value):
    assert continued_config(CONFIG, (), {"resume": True, name: value}) == CONFIG


def test_another_place_of_the_text_is_accepted_for_its_hash_decides():
    assert continued_config(CONFIG, CONFIG.data.sources, {}) == CONFIG
    elsewhere = continued_config(CONFIG, ("/texts/b.txt",), {"val": "w.txt"})
    assert (elsewhere.data.sources, elsewhere.data.val) == (("/texts/b.txt",), "w.txt")
    assert replace(elsewhere, data=CONFIG.data) == CONFIG


def test_validation_text_is_given_to_no_run_that_had_none():
    without = replace(CONFIG, data=replace(CONFIG.data, val=None))
    with pytest.raises(InputError, match="--val"):
        continued_config(without, (), {"val": "w.txt"})


@pytest.mark.parametrize(("name", "value"), OTHER.items())
def test_other_values_are_refused_by_name(name, value):
    with pytest.raises(InputError, match="--" + name.replace("_", "-")) as caught:
        continued_config(CONFIG, (), {"resume": True, name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("more", [{"steps": 101}, {"epochs": 2.5}, {"steps": 500, "epochs": 9.0}])
def test_more_budget_is_accepted(more):
    assert continued_config(CONFIG, (), more) == replace(CONFIG, budget=replace(CONFIG.budget, **more))


def test_more_minutes_are_accepted():
    timed = replace(CONFIG, budget=Budget(minutes=10.0))
    assert continued_config(timed, (), {"minutes": 20.0}).budget == Budget(minutes=20.0)
    with pytest.raises(InputError, match="--minutes 5 is less than this run's 10"):
        continued_config(timed, (), {"minutes": 5})


def test_a_bound_of_another_kind_names_the_runs_own():
    with pytest.raises(InputError, match=r"--minutes 3.+budget is --steps 100, --epochs 2"):
        continued_config(CONFIG, (), {"minutes": 3})


def test_automatic_precision_is_whatever_the_run_had():
    assert continued_config(CONFIG, (), {"precision": "auto"}).precision == "fp32"


@pytest.mark.parametrize(
    "options", [{"out": "x"}, {"save_every": "5"}, {"keep": 9}, {"sample_every": "0"}, {"overwrite": False}]
)
def test_what_does_not_shape_the_run_is_free(options):
    assert continued_config(CONFIG, (), options) == CONFIG


def test_device_and_threads_may_change():
    continued = continued_config(CONFIG, (), {"device": "cuda:1", "threads": 8})
    assert continued == replace(CONFIG, device="cuda:1", threads=8)


def test_a_configuration_survives_storage():
    assert decode_config(to_json(CONFIG)) == CONFIG


@pytest.mark.parametrize("value", [None, {}, [], {"model": {}}, {**to_json(CONFIG), "model": {"hiden": 3}}])
def test_a_damaged_configuration_says_where(value):
    with pytest.raises(ValueError, match=r"^config[. ]") as caught:
        decode_config(value)
    assert "\n" not in str(caught.value)


def test_a_run_with_relative_paths_is_resumed_from_another_folder(tmp_path, monkeypatch):
    write_corpus(tmp_path)
    (tmp_path / "val.txt").write_text("abc dab gee " * 5)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    run("corpus-1.txt", tmp_path / "out", val="val.txt", steps=3)
    monkeypatch.chdir(tmp_path / "elsewhere")
    events = run(None, tmp_path / "out", resume=True, val="../val.txt", steps=5)
    assert events[-1].step == 5


# A state may come from a stranger: its hashes are true, but what it says need not be.


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run stopped in the middle, and its corpus."""
    folder = tmp_path_factory.mktemp("interrupted")
    source = write_corpus(folder)
    run(source, folder / "run", cut=4, steps=9, hidden=4, ngrams=2, ngram_rows=4, embedding=2)
    return folder / "run", source


def test_control_what_is_not_changed_is_resumed(interrupted, tmp_path):
    out = forged(interrupted[0], tmp_path)
    assert run(None, out, resume=True)[-1].reason == "steps"


VALUES_THAT_CANNOT_BE = {
    "no configuration": lambda v: {"config": None},
    "a network of 10^9": lambda v: {
        "config": v["config"] | {"model": v["config"]["model"] | {"hidden": 10**9}}
    },
    "a wider network": lambda v: {"config": v["config"] | {"model": v["config"]["model"] | {"hidden": 5}}},
    "rows that are no power of two": lambda v: {
        "config": v["config"] | {"model": v["config"]["model"] | {"ngram_rows": 5}}
    },
    "a batch that the corpus doesn't fill": lambda v: {
        "config": v["config"] | {"optim": v["config"]["optim"] | {"batch_size": 2**19}}
    },
    "a negative rate": lambda v: {"config": v["config"] | {"optim": v["config"]["optim"] | {"warmup": -1}}},
    "a moment that never forgets": lambda v: {
        "config": v["config"] | {"optim": v["config"]["optim"] | {"beta2": 1.0}}
    },
    "a hash that is a path": lambda v: {"corpus_sha256": "../../secret"},
    "another vocabulary": lambda v: {"vocabulary": {"characters": "ab", "has_unknown": False}},
    "a vocabulary of other characters": lambda v: {
        "vocabulary": v["vocabulary"] | {"characters": v["vocabulary"]["characters"].upper()}
    },
    "repeated characters": lambda v: {"vocabulary": {"characters": "aa", "has_unknown": False}},
    "a deadline for steps": lambda v: {"deadline": 3.0},
    "negative seconds": lambda v: {"seconds": -1.0},
    "another step": lambda v: {"train_state": v["train_state"] | {"step": 1}},
    "a train_state that is a list": lambda v: {"train_state": []},
    "negative characters": lambda v: {"train_state": v["train_state"] | {"chars": -1}},
    "a plan without evaluations": lambda v: {
        "train_state": v["train_state"] | {"plans": [v["train_state"]["plans"][0] | {"eval_every": 0}]}
    },
    "a plan beyond its end": lambda v: {
        "train_state": v["train_state"] | {"plans": [v["train_state"]["plans"][0] | {"progress": 2.0}]}
    },
    "versions of numbers": lambda v: {"versions": {"torch": 2}},
    "something else": lambda v: {"\x1b[31m": 1},
}


@pytest.mark.parametrize("change", VALUES_THAT_CANNOT_BE.values(), ids=VALUES_THAT_CANNOT_BE.keys())
def test_a_state_that_says_what_cannot_be_is_refused_by_name(change, interrupted, tmp_path):
    out = forged(interrupted[0], tmp_path, change)
    with pytest.raises(ModelFileError) as caught:
        run(None, out, resume=True)
    assert str(caught.value).startswith(f"the checkpoint {out}/resume/")
    assert str(caught.value).isprintable()


TENSORS_THAT_CANNOT_BE = {
    "weights of another shape": {"network.output.bias": torch.zeros(3)},
    "a tensor too many": {"network.more": torch.zeros(1)},
    "moments of another shape": {"optimizer.dense.0.0.average": torch.zeros(2, 2)},
    "a state of another batch": {"state.0": torch.zeros(1, 7, 4)},
    "whole numbers for sums": {"sums": torch.zeros(2, dtype=torch.int64)},
    "a generator of nines": {"rng.cpu": torch.full((5056,), 9, dtype=torch.uint8)},
    "a generator of another kind": {"rng.cpu": torch.zeros(5056)},
}


@pytest.mark.parametrize("tensors", TENSORS_THAT_CANNOT_BE.values(), ids=TENSORS_THAT_CANNOT_BE.keys())
def test_a_state_with_other_tensors_is_refused_by_name(tensors, interrupted, tmp_path):
    out = forged(interrupted[0], tmp_path, tensors=tensors)
    with pytest.raises(ModelFileError, match=r"the checkpoint .*can't be resumed") as caught:
        run(None, out, resume=True)
    assert str(caught.value).isprintable()


def test_a_timed_plan_needs_a_speed(interrupted, tmp_path):
    budget = {"minutes": 1.0, "steps": None, "epochs": None}
    out = forged(
        interrupted[0], tmp_path, lambda v: {"config": v["config"] | {"budget": budget}, "deadline": 60.0}
    )
    with pytest.raises(ModelFileError, match=r"plans\.0\.chars_per_second is None: it must be above 0"):
        run(None, out, resume=True)


def test_a_part_that_is_a_fifo_is_not_waited_for(interrupted, tmp_path):
    shutil.copytree(interrupted[0], tmp_path / "run")
    (state,) = (tmp_path / "run/resume").iterdir()
    (state / "manifest.json").unlink()
    os.mkfifo(state / "manifest.json")
    store = CheckpointStore(tmp_path / "run/resume", keep=1)
    found, complaints = store.latest()
    assert found is None
    assert "not a regular file" in complaints[0]


def test_a_run_whose_metrics_say_nothing_starts_nothing(interrupted, tmp_path):
    shutil.copytree(interrupted[0], tmp_path / "run")
    shutil.rmtree(tmp_path / "run/resume")
    (tmp_path / "run/metrics.jsonl").write_text('{"event": "start", "config": [1]}\n')
    with pytest.raises(ModelFileError, match=r"holds a run that can't start again \(config is"):
        run(None, tmp_path / "run", resume=True)


def test_a_state_of_a_gpu_goes_on_on_a_cpu_when_that_is_asked_for(interrupted, tmp_path):
    out = forged(
        interrupted[0],
        tmp_path,
        lambda v: {"config": v["config"] | {"device": "cuda:77"}},
        tensors={"rng.cuda": torch.zeros(16, dtype=torch.uint8)},
    )
    with pytest.raises(InputError, match=r"cuda:77: this machine has .* use --device auto or cpu"):
        run(None, out, resume=True)
    assert run(None, out, resume=True, device="cpu")[-1].reason == "steps"


# What a resume does, decided in one place


def at(step: int, evaluated: int, plans: list[Plan]) -> Checkpoint:
    """A run that was to take nine steps, at `step`."""
    train_state = TrainState(step=step, evaluated=evaluated, plans=plans)
    return Checkpoint(Path("x"), {}, values_of(step, train_state=train_state))


PLANS = [Plan(0, 9, 0.0, eval_every=3, log_every=1)]


@pytest.mark.parametrize(
    ("checkpoint", "steps", "expected"),
    [
        (None, 9, Resumption.NOT_STARTED),
        (at(0, 0, []), 9, Resumption.CONTINUED),
        (at(0, 0, []), 12, Resumption.CONTINUED),  # no plan yet that could grow
        (at(5, 3, PLANS), 9, Resumption.CONTINUED),
        (at(5, 3, PLANS), 12, Resumption.EXTENDED),
        (at(9, 3, PLANS), 9, Resumption.CONTINUED),  # the last evaluation is missing
        (at(9, 9, PLANS), 9, Resumption.FINISHED),
        (at(9, 9, PLANS), 12, Resumption.EXTENDED),
    ],
)
def test_what_a_resume_will_do(checkpoint, steps, expected):
    assert resumption(checkpoint, Budget(steps=steps)) is expected


def test_messages_name_field_and_bound(interrupted, tmp_path):
    out = forged(interrupted[0], tmp_path, lambda v: {"seconds": -1.0})
    with pytest.raises(ModelFileError, match=r"seconds is -1\.0: it must be at least 0"):
        run(None, out, resume=True)


def test_the_name_that_0_1_gave_is_read(interrupted, tmp_path):
    shutil.copytree(interrupted[0], tmp_path / "run")
    checkpoint = newest(tmp_path / "run/resume")
    values = json.loads((checkpoint / "state.json").read_bytes())
    values["course"] = values.pop("train_state")
    (checkpoint / "state.json").write_text(json.dumps(values))
    forge(checkpoint)
    assert run(None, tmp_path / "run", resume=True)[-1].reason == "steps"


# What is there is never lost


def content_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_run_none_of_whose_checkpoints_can_be_read_is_refused_and_stays(tmp_path):
    run(write_corpus(tmp_path), tmp_path / "run", steps=6, save_every="3")
    for state in (tmp_path / "run/resume").iterdir():
        with (state / "state.json").open("ab") as file:
            file.write(b" ")
    before = content_of(tmp_path / "run")
    with pytest.raises(ModelFileError, match=r"no checkpoint in .*--overwrite"):
        run(None, tmp_path / "run", resume=True, steps=9)
    assert content_of(tmp_path / "run") == before


@pytest.mark.parametrize("what", ["folder", "checkpoints"])
def test_a_run_whose_checkpoints_are_gone_is_refused_and_its_model_stays(what, tmp_path):
    out = tmp_path / "run"
    run(write_corpus(tmp_path), out, steps=6)
    model = (out / "model.safetensors").read_bytes()
    for path in [out / "resume"] if what == "folder" else (out / "resume").iterdir():
        shutil.rmtree(path)
    with pytest.raises(ModelFileError, match=r"its checkpoints are gone .* --overwrite"):
        run(None, out, resume=True, steps=9)
    assert (out / "model.safetensors").read_bytes() == model
    assert metrics(out)[-1]["event"] == "finish"


def test_a_damaged_checkpoint_is_kept_aside_until_the_run_ends(tmp_path):
    run(write_corpus(tmp_path), tmp_path / "run", steps=6, save_every="3")
    (newest(tmp_path / "run/resume") / "tensors.safetensors").write_bytes(b"torn")
    out = tmp_path / "run"
    events = run(None, out, resume=True, cut=2)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert any("tensors.safetensors differs" in text for text in notices)
    (aside,) = (path for path in (out / "resume").iterdir() if path.name.startswith("damaged-"))
    assert any(str(aside) in text for text in notices)
    run(None, out, resume=True)
    assert not aside.exists()


def test_what_is_overwritten_stands_until_the_new_run_has_saved(tmp_path, monkeypatch):
    source, out = write_corpus(tmp_path), tmp_path / "run"
    run(source, out, steps=6)
    before = content_of(out)

    def full(*_: object) -> None:
        raise CharnnError("no room")

    with monkeypatch.context() as patch, pytest.raises(CharnnError, match="no room"):
        patch.setattr(CheckpointStore, "save", full)
        run(source, out, steps=6, overwrite=True, init_from=str(out))
    assert content_of(out) == before


def test_an_overwritten_run_is_the_new_one_from_its_first_checkpoint_on(tmp_path):
    source, out = write_corpus(tmp_path), tmp_path / "run"
    run(source, out, steps=6, seed=1)
    (out / "resume/mine.txt").write_text("mine")
    run(source, out, steps=6, seed=2, overwrite=True, cut=1)
    assert [line["event"] for line in metrics(out)][:2] == ["start", "save"]
    run(None, out, resume=True)
    run(source, tmp_path / "straight", steps=6, seed=2)
    assert course_of_losses(out)[1:] == course_of_losses(tmp_path / "straight")[1:]
    assert (out / "resume/mine.txt").read_text() == "mine"


def test_a_run_moved_while_it_trains_says_so_and_stops(tmp_path):
    source, out = write_corpus(tmp_path), tmp_path / "run"
    with pytest.raises(CharnnError, match="was moved or removed while it was trained in"):
        for event in train_events([source], {**TINY, "out": str(out), "steps": 50, "save_every": "2"}):
            if isinstance(event, Saved) and out.exists():
                out.rename(tmp_path / "moved")
    assert not out.exists()
    assert run(None, tmp_path / "moved", resume=True, steps=50)[-1].reason == "steps"


def test_thousands_of_threads_are_not_started_because_a_file_says_so(interrupted, tmp_path):
    out = forged(interrupted[0], tmp_path, lambda v: {"config": v["config"] | {"threads": 4096}})
    assert run(None, out, resume=True)[-1].reason == "steps"
    assert torch.get_num_threads() < 4096
