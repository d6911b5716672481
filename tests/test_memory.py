"""Loss against the length of the history: as by reading each history on its own, and where the answer is known."""

from math import log

import numpy as np
import pytest
from helpers import ALPHABET, loaded, random_model

import charnn
from charnn.analysis.memory import memory_curve
from charnn.config import ModelConfig
from charnn.errors import InputError
from charnn.inference.engine import Engine
from charnn.inference.softmax import log_probs_of

CONFIGS = [
    ModelConfig(vocab_size=9, cell="lstm", hidden=5),
    ModelConfig(vocab_size=9, cell="gru", hidden=5, layers=2, embedding=3),
    ModelConfig(vocab_size=9, cell="rnn", nonlinearity="relu", hidden=5),
    ModelConfig(vocab_size=9, cell="lstm", hidden=5, embedding=3, ngrams=3, ngram_rows=8),
    ModelConfig(vocab_size=9, hidden=5, embedding=3, ngrams=3, ngram_rows=8, skip_connection="input"),
]
TEXT = "".join(ALPHABET[i] for i in np.random.default_rng(0).integers(0, 9, 400))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.cell}-{c.layers}-{c.ngrams}")
def test_it_is_the_loss_after_each_history_read_on_its_own(config):
    stored = random_model(config)
    found = charnn.memory_curve(loaded(stored), TEXT, longest=32, places=11)
    engine, ids = Engine(config, stored.weights), stored.vocabulary.encode(TEXT)
    places = np.linspace(32, len(ids) - 1, 11).astype(int)
    assert found.histories.tolist() == [1, 2, 4, 8, 16, 32]
    for history, bits in zip(found.histories, found.bits_per_char, strict=True):
        states = [engine.read(ids[place - history : place], engine.initial()) for place in places]
        log_probs = [
            log_probs_of(engine.logits(state.top), ids[place : place + 1])[0]
            for state, place in zip(states, places, strict=True)
        ]
        assert bits == pytest.approx(-np.mean(log_probs) / log(2), rel=1e-4)


def test_a_network_that_forgets_all_but_n_characters_gains_nothing_from_more():
    """Without recurrent weights an RNN knows its inputs only: the last 3 characters by its 3-grams."""
    config = ModelConfig(vocab_size=9, cell="rnn", hidden=5, embedding=3, ngrams=3, ngram_rows=64)
    stored = random_model(config)
    stored.weights["rnn.weight_hh_l0"][:] = 0
    one, two, *more = memory_curve(loaded(stored), TEXT, longest=64, places=50).bits_per_char
    assert len({one, two, more[0]}) == 3
    assert more == pytest.approx([more[0]] * 5, rel=1e-6)


def test_the_longest_may_be_no_power_of_two():
    found = memory_curve(loaded(random_model(CONFIGS[0])), TEXT, longest=100, places=3)
    assert found.histories.tolist() == [1, 2, 4, 8, 16, 32, 64]


def test_batches_change_nothing():
    model = loaded(random_model(CONFIGS[0]))
    whole = memory_curve(model, TEXT, longest=8, places=50).bits_per_char
    in_batches = memory_curve(model, TEXT, longest=8, places=50, batch_size=7).bits_per_char
    assert in_batches == pytest.approx(whole, rel=1e-5)


def test_unknown_characters_are_replaced_and_counted():
    found = memory_curve(loaded(random_model(CONFIGS[0])), TEXT + "日本", longest=2, places=3)
    assert found.unknown == 2


@pytest.mark.parametrize(("longest", "places"), [(0, 1), (1, 0)])
def test_numbers_below_1_are_refused(longest, places):
    with pytest.raises(InputError, match=r"--(longest|places) 0: give a whole number from 1"):
        memory_curve(loaded(random_model(CONFIGS[0])), TEXT, longest=longest, places=places)


def test_a_text_that_is_too_short_is_refused_with_the_remedy():
    model = loaded(random_model(CONFIGS[0]))
    with pytest.raises(InputError, match=r"has 16 characters, but a history of 16 needs more.*--longest"):
        memory_curve(model, TEXT[:16], longest=16)
    assert memory_curve(model, TEXT[:17], longest=16).histories[-1] == 16
