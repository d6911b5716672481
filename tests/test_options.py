"""What a user may say about a run; whatever makes no sense is refused, named, in one line."""

from math import inf, nan

import pytest

from charnn.config import TRAIN_SETTINGS
from charnn.errors import InputError
from charnn.settings import option_name
from charnn.training.options import checked_options

GOOD = {
    "separator": ["", "\n", "\x1c"],
    "errors": ["strict", "replace"],
    "max_vocab": [2, 50_000],
    "out": ["checkpoints/mine"],
    "minutes": [0.01, 10, 1e6],
    "steps": [1, 10**9],
    "epochs": [0.001, 3],
    "patience": [1, 1000],
    "resume": [True, False],
    "overwrite": [True, False],
    "init_from": ["a.safetensors"],
    "cell": ["lstm", "gru", "rnn"],
    "layers": [1, 64],
    "hidden": [1, 65_536],
    "embedding": [0, 65_536],
    "dropout": [0, 0.0, 0.999],
    "bidirectional": [True, False],
    "batch_size": [1, 4096],
    "seq_length": [1, 4096],
    "lr": [1e-9, 1],
    "clip": [0, 0.0, 5.0],
    "weight_decay": [0, 0.1],
    "val_fraction": [0, 0.5],
    "val": ["val.txt"],
    "device": ["auto", "cuda:1"],
    "precision": ["auto", "fp32", "bf16"],
    "threads": [1, 64],
    "seed": [0, 2**63 - 1],
    "save_every": ["10m", "500"],
    "keep": [1, 100],
    "sample_every": ["0"],
    "tensorboard": ["runs/mine"],
}
BAD = {
    "errors": ["ignore", "", None],
    "bidirectional": [1, "true", None],
    "max_vocab": [1, 0, -1, 2.5, "9", inf],
    "out": ["", None, 3],
    "minutes": [0, -1, nan, inf, 1e10, "ten", True, None],
    "steps": [0, -1, 1.5, 2**62, 10**400, nan, "7", True],
    "patience": [0, -1, 2.5, "3", None, True],
    "epochs": [0, -0.5, nan, inf, 1e308],
    "init_from": ["", None],
    "cell": ["LSTM", "", "transformer", None, 3],
    "nonlinearity": ["sigmoid", ""],
    "layers": [0, 65, 1.5],
    "hidden": [0, -8, 65_537, 8.5, 1e400],
    "embedding": [-1, 65_537],
    "dropout": [1, 1.0, -0.1, nan, "0.5"],
    "batch_size": [0, 2**20],
    "seq_length": [0, 2**20],
    "lr": [0, -1e-3, nan, inf, 1e38],
    "clip": [-1, nan, inf],
    "weight_decay": [-0.1, nan, inf, 1e38],
    "val_fraction": [1, 1.0, -0.1, nan],
    "val": ["", None],
    "device": ["", None],
    "precision": ["fp16", "", "float32"],
    "threads": [0, -1, 4097],
    "seed": [-1, 2**63, 0.5],
    "keep": [0, -1],
    "tensorboard": ["", None],
}


def pairs(table: dict[str, list[object]]) -> list[tuple[str, object]]:
    return [(name, value) for name, values in table.items() for value in values]


def test_every_number_has_bounds():
    numbers = [one for one in TRAIN_SETTINGS.values() if one.kind in (int, float)]
    assert numbers and all(one.within for one in numbers)


@pytest.mark.parametrize(("name", "value"), pairs(GOOD))
def test_good_values(name, value):
    checked_options({name: value})


@pytest.mark.parametrize(("name", "value"), pairs(BAD))
def test_bad_values_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=f"^{option_name(name)}") as caught:
        checked_options({"cell": "rnn", name: value})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_name_that_is_no_option_is_refused():
    """A slip of the pen must not train for ten minutes."""
    with pytest.raises(InputError, match="--minuts is no option"):
        checked_options({"minuts": 1})


def test_a_bad_value_is_shown():
    with pytest.raises(InputError, match=r"--dropout 1\.5: give a number from 0 up, below 1"):
        checked_options({"dropout": 1.5})
    with pytest.raises(InputError, match=r"--cell 'x': give one of lstm, gru, rnn"):
        checked_options({"cell": "x"})


@pytest.mark.parametrize("cell", [{}, {"cell": "lstm"}, {"cell": "gru"}])
def test_the_nonlinearity_is_the_vanilla_cells(cell):
    with pytest.raises(InputError, match=r"--nonlinearity .+ --cell rnn"):
        checked_options({**cell, "nonlinearity": "relu"})
    checked_options({"cell": "rnn", "nonlinearity": "relu"})


def test_resume_and_overwrite_exclude_each_other():
    with pytest.raises(InputError, match=r"--resume .+ --overwrite"):
        checked_options({"resume": True, "overwrite": True})
    checked_options({"resume": True, "overwrite": False})


def test_names_are_those_of_the_command_line():
    assert option_name("batch_size") == "--batch-size"
