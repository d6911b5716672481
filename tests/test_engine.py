"""The NumPy engine against the textbook's equations."""

import os
import subprocess
import sys

import numpy as np
import pytest
import textbook
from cli import ROOT, environment
from helpers import random_model

from charnn.config import ModelConfig
from charnn.inference.engine import Engine

CONFIGS = [
    ModelConfig(
        vocab_size=7, cell=cell, nonlinearity=nonlinearity, layers=layers, hidden=5, embedding=embedding
    )
    for cell, nonlinearity in (("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu"))
    for layers in (1, 2, 3)
    for embedding in (0, 3)
]
NGRAM_CONFIGS = [
    ModelConfig(vocab_size=7, cell=cell, hidden=5, embedding=3, ngrams=ngrams, ngram_rows=8)
    for cell in ("lstm", "gru", "rnn")
    for ngrams in (2, 5)
]
SKIP_CONFIGS = [
    ModelConfig(7, cell=cell, layers=layers, hidden=5, embedding=3, skip_connection="input")
    for cell in ("lstm", "gru", "rnn")
    for layers in (1, 2)
]
SKIP_NGRAM_CONFIG = ModelConfig(7, hidden=5, embedding=3, ngrams=5, ngram_rows=8, skip_connection="input")
ALL_CONFIGS = [*CONFIGS, *NGRAM_CONFIGS, *SKIP_CONFIGS, SKIP_NGRAM_CONFIG]
IDS = np.array([3, 0, 6, 6, 1, 2, 5, 4])


def name(config):
    skip = "-skip" if config.skip_connection == "input" else ""
    return f"{config.cell}-{config.nonlinearity}-{config.layers}-{config.embedding}-{config.ngrams}{skip}"


def stepped_logits(engine, ids, batch=1):
    state, buffers, logits = engine.initial(batch), engine.buffers(batch), []
    for i in ids:
        row, state = engine.step(np.broadcast_to(i, batch), state, buffers)
        logits.append(row)
    return np.array(logits)


@pytest.mark.parametrize("config", ALL_CONFIGS, ids=name)
def test_engine_is_the_textbook(config):
    stored = random_model(config, seed=1)
    stepped = stepped_logits(Engine(config, stored.weights), IDS)
    np.testing.assert_allclose(stepped[:, 0], textbook.read(config, stored.weights, IDS)[0], atol=1e-5)


@pytest.mark.parametrize("config", ALL_CONFIGS, ids=name)
def test_streams_of_a_batch_do_not_meet(config):
    engine = Engine(config, random_model(config, seed=2).weights)
    texts = np.stack([IDS, IDS[::-1], (IDS + 1) % 7], axis=1)  # (T, B)
    together = stepped_logits(engine, texts, batch=3)
    for stream in range(3):
        alone = stepped_logits(engine, texts[:, stream])
        np.testing.assert_allclose(together[:, stream], alone[:, 0], rtol=1e-5, atol=1e-5)


def test_what_lies_in_memory_raises_no_alarm():
    """OpenBLAS's small products compute on lanes that aren't theirs; here those hold signalling NaNs."""
    script = """
import ctypes
import numpy as np
from helpers import random_model
from charnn.config import ModelConfig
from charnn.inference.engine import Engine

qsort = ctypes.CDLL(None).qsort  # glibc's works on the stack with less than 1 kB: it leaves there what it sorts
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda _one, _other: 0)
signalling_nans = np.full(250, 0x7FA00000, np.uint32)
config = ModelConfig(vocab_size=7, hidden=5)
engine, hidden = Engine(config, random_model(config).weights), np.ones((1, 5), np.float32)
for _ in range(5):
    qsort(ctypes.c_void_p(signalling_nans.ctypes.data), ctypes.c_size_t(250), ctypes.c_size_t(4), compare)
    logits = engine.logits(hidden)
    assert np.isfinite(logits).all()
"""
    paths = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    ended = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", script],
        env=environment(PYTHONPATH=paths),
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_large_embedding_is_not_made_a_table():
    config = ModelConfig(vocab_size=7, hidden=5, embedding=3)
    stored = random_model(config)
    folded = stepped_logits(Engine(config, stored.weights), IDS)
    unfolded = Engine(config, stored.weights, max_table=10)
    assert unfolded._first_input._table is None
    np.testing.assert_allclose(stepped_logits(unfolded, IDS), folded, atol=1e-6)


@pytest.mark.parametrize("config", ALL_CONFIGS, ids=name)
def test_a_state_is_a_value(config):
    """Stepping leaves the state it began from as it was, whatever shares the buffers."""
    engine = Engine(config, random_model(config, seed=3).weights)
    buffers = engine.buffers()
    before = engine.read(IDS, engine.initial())
    kept = [array.copy() for layer in before.layers for array in layer]
    first, _ = engine.step(IDS[:1], before, buffers)
    engine.step(IDS[1:2], before, buffers)
    again, _ = engine.step(IDS[:1], before, buffers)
    np.testing.assert_array_equal(first, again)
    for array, copy in zip((a for layer in before.layers for a in layer), kept, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_the_zero_state_reads_the_output_layer_alone():
    config = ModelConfig(vocab_size=7, hidden=5)
    stored = random_model(config)
    engine = Engine(config, stored.weights)
    np.testing.assert_array_equal(engine.logits(engine.initial().top)[0], stored.weights["output.bias"])


def test_weights_are_left_as_they_were():
    config = ModelConfig(vocab_size=7, hidden=5, cell="gru", layers=2)
    stored = random_model(config)
    copies = {key: weight.copy() for key, weight in stored.weights.items()}
    stepped_logits(Engine(config, stored.weights), IDS)
    for key, weight in stored.weights.items():
        np.testing.assert_array_equal(weight, copies[key])


def test_saturated_gates_stay_finite():
    config = ModelConfig(vocab_size=7, hidden=5)
    stored = random_model(config)
    huge = {key: weight * np.float32(1e6) for key, weight in stored.weights.items()}
    assert np.isfinite(stepped_logits(Engine(config, huge), IDS)).all()
