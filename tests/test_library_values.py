"""The library's values: one item where many are taken, numbers of any kind, copies, comparisons, other processes."""

import copy
import multiprocessing
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import loaded, random_model, written
from training_helpers import TINY, write_corpus

import charnn
from charnn.config import ModelConfig
from charnn.errors import InputError
from charnn.inference.infill import Filler

CONFIG = ModelConfig(vocab_size=20, hidden=8, layers=2)
STORED = random_model(CONFIG, seed=5)
CELLS = [
    ModelConfig(vocab_size=20, hidden=8, cell="lstm"),
    ModelConfig(vocab_size=20, hidden=8, cell="gru", embedding=4),
    ModelConfig(vocab_size=20, hidden=8, cell="rnn", nonlinearity="relu", layers=2),
    ModelConfig(vocab_size=20, hidden=8, embedding=4, ngrams=3, ngram_rows=16),
    ModelConfig(vocab_size=20, hidden=8, embedding=4, skip_connection="input"),
]


# One item where several are taken


@pytest.mark.parametrize("kind", [str, Path, lambda path: [path], lambda path: [Path(path)]])
def test_train_takes_one_path(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = charnn.train(kind(write_corpus(tmp_path)), out=tmp_path / "run", steps=1, **TINY)
    assert run.model().provenance["corpus"]["name"] == "corpus-1.txt"


@pytest.mark.parametrize("kind", [str, Path, lambda path: [path]])
def test_held_out_takes_one_path(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "f"
    file.write_text("ab" * 500)
    assert charnn.held_out(kind(file)) == "ab" * 50


def test_a_string_is_one_stop_string():
    model = loaded(STORED)
    free = model.sample(length=300, seed=1)
    stop = free[20:23]
    expected = free[: free.index(stop)]
    assert model.sample(length=300, seed=1, stop=stop) == expected
    assert model.sample(length=300, seed=1, stop=[stop]) == expected
    assert "".join(model.stream(length=300, seed=1, stop=stop)) == expected
    assert next(model.sample_many(1, length=300, seed=1, stop=stop)).text == expected


def test_a_string_is_one_text_to_score():
    model = loaded(STORED)
    [score] = model.score_many("a bed")
    assert score == model.score("a bed")
    stretches = list(model.score_whole("a bed"))
    assert "".join(stretch.text for stretch in stretches) == "a bed" and len(stretches) < 5


# Copies and comparisons


@pytest.mark.parametrize("config", CELLS)
def test_a_model_can_be_pickled_copied_hashed_and_compared(config, tmp_path):
    path = written(tmp_path, random_model(config, seed=5))
    model = charnn.load(path)
    other = loaded(random_model(config, seed=6))
    path.unlink()
    for same in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert same == model and hash(same) == hash(model) and same.path == path
        assert same.sample(length=30, seed=1) == model.sample(length=30, seed=1)
        assert same.score("a bed") == model.score("a bed")
        with pytest.raises(TypeError):
            same.provenance["corpus"] = "other"
    assert model != other and len({model, other, copy.deepcopy(model)}) == 2


def test_models_of_two_loads_are_equal_and_of_other_weights_are_not(tmp_path):
    path = written(tmp_path, STORED)
    assert charnn.load(path) == charnn.load(tmp_path)
    weights = {name: weight.copy() for name, weight in STORED.weights.items()}
    weights["rnn.weight_hh_l1"][3, 2] += np.float32(0.5)
    assert loaded(replace(STORED, weights=weights)) != loaded(STORED)


def test_a_model_without_a_file_survives_a_pickle_and_still_has_its_weights():
    again = pickle.loads(pickle.dumps(loaded(STORED)))
    assert {name: w.tolist() for name, w in again.weights().items()} == {
        name: w.tolist() for name, w in STORED.weights.items()
    }


def test_a_model_goes_to_a_spawned_process(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = charnn.load(written(tmp_path, STORED))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(model.score, ["a bed", "bad"]) == [model.score("a bed"), model.score("bad")]


@pytest.mark.parametrize("kind", ["language_model", "bidirectional"])
def test_a_filler_can_be_pickled_copied_hashed_and_compared(kind):
    filler = Filler.of(random_model(replace(CONFIG, kind=kind), seed=2))
    other = Filler.of(random_model(replace(CONFIG, kind=kind), seed=3))
    for same in (pickle.loads(pickle.dumps(filler)), copy.deepcopy(filler)):
        assert same == filler != other and hash(same) == hash(filler)
        assert same.fill("a__b") == filler.fill("a__b")


def test_scores_and_distributions_compare():
    model = loaded(STORED)
    assert model.score("a bed") == model.score("a bed") != model.score("a bad")
    assert model.next("a") == model.next("a") != model.next("b")
    assert len({model.score("a"), model.score("a"), model.score("b")}) == 2
    assert len({model.next("a"), model.next("a")}) == 1
    assert model.score("a") != "a"
    samples = [next(model.sample_many(1, length=5, seed=1)) for _ in range(2)]
    assert samples[0] == samples[1]


def test_curves_compare():
    text = "a bed of feed " * 30
    model = loaded(STORED)
    curves = [charnn.memory_curve(model, text, longest=8, places=9) for _ in range(2)]
    assert curves[0] == curves[1] != charnn.memory_curve(model, text, longest=4, places=9)


# Where the process is, and what numbers are


def test_a_relative_path_still_adapts_after_chdir(tmp_path, monkeypatch):
    written(tmp_path, STORED)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    model = charnn.load("model.safetensors")
    before = model.score("a bed of feed", adapt=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert model.score("a bed of feed", adapt=True) == before
    assert model.path == Path("model.safetensors")


def test_numpy_numbers_are_numbers():
    model = loaded(STORED)
    plain = {"length": 30, "temperature": 0.5, "top_k": 9, "top_p": 0.75, "min_p": 0.125, "seed": 3}
    numbers = {
        name: np.int64(value) if isinstance(value, int) else np.float32(value)
        for name, value in plain.items()
    }
    assert model.sample(**plain) == model.sample(**numbers)
    [sample] = model.sample_many(np.int64(1), **numbers)
    assert (type(sample.temperature), type(sample.seed)) == (float, int)
    assert sample == next(model.sample_many(1, **plain))


@pytest.mark.parametrize(
    "options",
    [
        {"length": 2.5},
        {"length": "3"},
        {"length": True},
        {"temperature": "hot"},
        {"top_k": None},
        {"stop": (3,)},
    ],
)
def test_what_is_no_number_is_refused_by_name(options):
    with pytest.raises(InputError, match=f"--{next(iter(options))[:4]}".replace("_", "-")):
        loaded(STORED).sample(**options)
