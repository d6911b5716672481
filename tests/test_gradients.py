"""The norms of ∂loss_t/∂h_{t−k}: against a known answer, against derivatives taken another way."""

import numpy as np
import pytest
import torch
from helpers import ALPHABET, loaded, random_model
from torch.nn.functional import cross_entropy

import charnn
from charnn.analysis.gradients import WARM_UP, gradient_norms
from charnn.config import ModelConfig
from charnn.data.vocab import Vocabulary
from charnn.errors import InputError
from charnn.inference.torch_network import trained_network
from charnn.storage.model_file import ModelFile

LAGS = 6
SPAN = WARM_UP + LAGS + 2
PLAIN_CONFIGS = [
    ModelConfig(vocab_size=7, cell=cell, nonlinearity=nonlinearity, layers=layers, hidden=5, **inputs)
    for cell, nonlinearity in (("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu"))
    for layers, inputs in ((1, {}), (2, {}), (2, {"embedding": 3, "ngrams": 3, "ngram_rows": 8}))
]
CONFIGS = [*PLAIN_CONFIGS, ModelConfig(7, layers=3, hidden=5, embedding=3, skip_connection="input")]


def text_of(length: int, seed: int = 0, known: int = 7) -> str:
    numbers = np.random.default_rng(seed)
    return "".join(ALPHABET[i] for i in numbers.integers(0, known, length))


def scalar_network(w: float) -> ModelFile:
    """h_t = max(0, x + w·h_{t−1}) with inputs x > 0: linear, since nothing is ever negative."""
    config = ModelConfig(vocab_size=3, cell="rnn", nonlinearity="relu", hidden=1)
    arrays = {
        "rnn.weight_ih_l0": [[0.1, 0.2, 0.3]],
        "rnn.weight_hh_l0": [[w]],
        "rnn.bias_ih_l0": [0.0],
        "rnn.bias_hh_l0": [0.0],
        "output.weight": [[0.4], [-0.3], [0.1]],
        "output.bias": [0.0, 0.1, 0.2],
    }
    weights = {name: np.array(values, np.float32) for name, values in arrays.items()}
    return ModelFile(config, Vocabulary("abc"), weights, {})


@pytest.mark.parametrize("w", [0.25, 0.5, 0.75, 1.0, 1.0625])
def test_a_scalar_linear_network_gives_w_to_the_power_of_the_lag(w):
    text = "".join("abc"[i] for i in np.random.default_rng(1).integers(0, 3, 600))
    found = charnn.gradient_norms(loaded(scalar_network(w)), text, lags=200, windows=20)
    np.testing.assert_allclose(found.norms / found.norms[0], w ** np.arange(201.0), rtol=1e-10)
    assert found.lags.tolist() == list(range(201))


def test_the_norm_at_lag_0_is_the_output_layers_textbook_gradient():
    """∂(−log p_y)/∂h = Vᵀ(p − 1_y)."""
    text = text_of(WARM_UP + 3, known=3).translate(str.maketrans(ALPHABET[:3], "abc"))
    model = loaded(scalar_network(0.5))
    found = gradient_norms(model, text, lags=1, windows=1)
    h = 0.0
    for character in text[:-1]:
        h = np.float32([0.1, 0.2, 0.3])["abc".index(character)].astype(float) + 0.5 * h
    v, c = (model.weights()[name].astype(float) for name in ("output.weight", "output.bias"))
    p = np.exp(v[:, 0] * h + c)
    p /= p.sum()
    p["abc".index(text[-1])] -= 1
    assert found.norms[0] == pytest.approx(abs(v[:, 0] @ p), rel=1e-12)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.cell}-{c.nonlinearity}-{c.layers}-{c.ngrams}")
def test_every_cell_against_the_jacobian_of_the_rest_of_the_window(config):
    """At each lag: the loss as a function of h alone, the remaining characters read in one go."""
    model, text = loaded(random_model(config)), text_of(SPAN)
    ids = torch.from_numpy(model.vocabulary.encode(text).astype(np.int64))[:, None]
    network = trained_network(config, model.weights()).double()
    found = gradient_norms(model, text, lags=LAGS, windows=1).norms
    for lag in range(LAGS + 1):
        cut = len(ids) - 1 - lag
        with torch.no_grad():
            _, before = network(ids[:cut], network.initial_state(1))

        def loss(h, before=before, cut=cut):
            state = before._replace(layers=(h, *before.layers[1:]))
            for row in ids[cut:-1].split(LAGS):  # none at lag 0
                if len(row):
                    _, state = network(row, state)
            return cross_entropy(network.output(state.top), ids[-1])

        jacobian = torch.autograd.functional.jacobian(loss, before.hidden)
        assert found[lag] == pytest.approx(float(jacobian.norm()), rel=1e-9)
    assert (found[:-1] > 0).all()


def test_the_norms_are_averaged_over_windows_spread_over_the_whole_text():
    model, text = loaded(random_model(CONFIGS[0])), text_of(1000)
    ends = [gradient_norms(model, part, lags=LAGS, windows=1).norms for part in (text[:SPAN], text[-SPAN:])]
    together = gradient_norms(model, text, lags=LAGS, windows=2).norms
    np.testing.assert_allclose(together, np.mean(ends, axis=0), rtol=1e-12)


def test_many_windows_are_stepped_in_batches():
    model, text = loaded(random_model(CONFIGS[0])), text_of(SPAN)
    one, many = (gradient_norms(model, text, lags=LAGS, windows=n).norms for n in (1, 35))
    np.testing.assert_allclose(many, one, rtol=1e-12)  # all are the same window


def test_dropout_is_off_and_the_model_unchanged():
    config = ModelConfig(vocab_size=7, layers=2, hidden=5, dropout=0.5)
    model, text = loaded(random_model(config)), text_of(SPAN)
    before = model.score(text).log_prob
    first, second = (gradient_norms(model, text, lags=LAGS, windows=3).norms for _ in range(2))
    assert np.array_equal(first, second)
    assert model.score(text).log_prob == before


def test_unknown_characters_are_replaced_and_counted():
    found = gradient_norms(loaded(random_model(CONFIGS[0])), text_of(SPAN) + "日本", lags=1, windows=2)
    assert found.unknown == 2


@pytest.mark.parametrize(("lags", "windows"), [(0, 1), (1, 0)])
def test_numbers_below_1_are_refused(lags, windows):
    with pytest.raises(InputError, match=r"--(lags|windows) 0: give a whole number from 1"):
        gradient_norms(loaded(random_model(CONFIGS[0])), text_of(300), lags=lags, windows=windows)


def test_a_text_that_is_too_short_is_refused_with_the_remedy():
    model = loaded(random_model(CONFIGS[0]))
    with pytest.raises(InputError, match=rf"has {SPAN - 1} characters.*need {SPAN}: .*fewer --lags"):
        gradient_norms(model, text_of(SPAN - 1), lags=LAGS)
    gradient_norms(model, text_of(SPAN), lags=LAGS)


def test_states_that_run_away_are_an_error_and_no_nonsense():
    with pytest.raises(InputError, match="grow without bound; give fewer --lags than 200"):
        gradient_norms(loaded(scalar_network(1e5)), "abc" * 200, lags=200, windows=1)
