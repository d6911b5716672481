"""Which options a run may be continued with."""

from dataclasses import replace
from pathlib import Path

import pytest
from training_helpers import run, write_corpus

from charnn.config import Budget, DataConfig, ModelConfig, OptimConfig, TrainConfig, to_json
from charnn.errors import InputError, ModelFileError
from charnn.training.resumption import continued_config, stored_config

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
    "val": "w.txt",
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


def test_the_same_corpus_is_accepted_and_another_refused():
    assert continued_config(CONFIG, CONFIG.data.sources, {}) == CONFIG
    with pytest.raises(InputError, match=r"trained on /texts/a\.txt, -"):
        continued_config(CONFIG, ("/texts/b.txt",), {})


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
    assert stored_config(to_json(CONFIG), Path("run")) == CONFIG


@pytest.mark.parametrize("value", [None, {}, [], {"model": {}}, {**to_json(CONFIG), "model": {"hiden": 3}}])
def test_a_damaged_configuration_names_the_run(value):
    with pytest.raises(ModelFileError, match="checkpoints/x holds a run") as caught:
        stored_config(value, Path("checkpoints/x"))
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
