"""Rows of n-grams: one arithmetic for NumPy and torch, every order in its own part of the table."""

import numpy as np
import pytest
import torch

from charnn.config import ModelConfig
from charnn.model.network import Network
from charnn.model.ngrams import history, ngram_rows
from charnn.model.shapes import inconsistency


def config_of(vocab_size: int = 10, ngrams: int = 5, rows: int = 1 << 12) -> ModelConfig:
    return ModelConfig(vocab_size, hidden=4, embedding=3, ngrams=ngrams, ngram_rows=rows)


@pytest.mark.parametrize("vocab_size", [2, 65, 40_000])  # 40,001^8 wraps around 64 bits
def test_numpy_and_torch_agree(vocab_size):
    config = config_of(vocab_size, ngrams=8)
    taps = [np.random.default_rng(k).integers(0, vocab_size + 1, 50) for k in range(8)]
    of_numpy = ngram_rows(taps, config)
    of_torch = ngram_rows([torch.from_numpy(tap) for tap in taps], config)
    for ours, theirs in zip(of_numpy, of_torch, strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())


def test_each_order_has_its_own_rows():
    config = config_of()
    taps = [np.random.default_rng(k).integers(0, 10, 500) for k in range(5)]
    for order, rows in enumerate(ngram_rows(taps, config), start=2):
        assert rows.min() >= (order - 2) * config.ngram_rows
        assert rows.max() < (order - 1) * config.ngram_rows


def test_a_row_depends_on_its_own_n_characters_only():
    config = config_of()
    taps = [np.array([k]) for k in range(5)]
    changed = [*taps[:3], np.array([9]), taps[4]]
    before, after = ngram_rows(taps, config), ngram_rows(changed, config)
    assert [bool(a == b) for a, b in zip(before, after, strict=True)] == [True, True, False, False]


def test_few_ngrams_collide_in_a_table_that_holds_them():
    config = config_of(vocab_size=60, ngrams=2)
    pairs = np.array([(a, b) for a in range(60) for b in range(10)]).T
    (rows,) = ngram_rows(list(pairs), config)
    assert len(np.unique(rows)) > 500


def test_history_is_what_the_inputs_need():
    assert history(config_of(ngrams=5)) == 4
    assert history(ModelConfig(10)) == 0


def test_dropout_leaves_whole_ngrams_out_in_training_only():
    torch.manual_seed(0)
    config = ModelConfig(6, hidden=4, embedding=3, ngrams=3, ngram_rows=64, ngram_dropout=0.5)
    ngrams = Network(config).ngrams
    assert ngrams is not None
    torch.nn.init.ones_(ngrams.weight)
    text = torch.randint(0, 6, (402, 1))
    training = ngrams(text)[..., 0]
    ngrams.eval()
    assert set(training.unique().tolist()) == {0.0, 2.0, 4.0}
    assert 1.7 < training.mean() < 2.3
    assert ngrams(text).unique().tolist() == [2.0]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"ngrams": 1, "ngram_rows": 8}, "2 or more"),
        ({"ngrams": 3, "ngram_rows": 12}, "power of two"),
        ({"ngrams": 3, "ngram_rows": 8, "embedding": 0}, "embedding"),
        ({"ngram_rows": 8}, "no n-grams"),
        ({"embedding": 0, "skip_connection": "input"}, "skip connection"),
        ({"kind": "encoder_decoder", "source_size": 3, "skip_connection": "input"}, "no skip connection"),
    ],
)
def test_contradictions_are_named(wrong, word):
    assert word in str(inconsistency(ModelConfig(**{"vocab_size": 6, "embedding": 3, **wrong})))
