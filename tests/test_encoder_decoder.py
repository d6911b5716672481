"""The encoder–decoder is the textbook's equations, in torch as in NumPy, and its gradients are theirs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pair_helpers import pair_config, random_pair_model
from textbook import sigmoid, step

from charnn.data.symbols import copied_ids
from charnn.inference.pair_input import padded
from charnn.inference.pair_search import Ensemble, forced
from charnn.inference.transducer import Transducer
from charnn.model.encoder_decoder import EncoderDecoder
from charnn.model.kinds import parameter_count, weight_shapes
from charnn.training.pair_task import inputs_before

SOURCES = [np.array([0, 3, 2, 1]), np.array([1, 2]), np.array([4, 0, 0]), np.array([2])]
TARGETS = [np.array([3, 0, 6]), np.array([1, 2, 2, 4, 6]), np.array([6]), np.array([5, 6])]
END = 6

VARIANTS = {
    "luong": {},
    "no copying": {"copy_gate": "off"},
    "two layers": {"layers": 2},
    "gru": {"cell": "gru"},
    "rnn": {"cell": "rnn"},
    "relu": {"cell": "rnn", "nonlinearity": "relu"},
    "n-grams": {"ngrams": 3, "ngram_rows": 16},
    "sutskever": {"attention": "none", "copy_gate": "off", "encoder_hidden": 0},
    "cho": {"attention": "none", "copy_gate": "off", "encoder_hidden": 0, "cell": "gru"},
    "two layers without attention": {
        "attention": "none",
        "copy_gate": "off",
        "encoder_hidden": 0,
        "layers": 2,
    },
}
each_variant = pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)


def network_of(stored) -> EncoderDecoder:
    network = EncoderDecoder(stored.config, torch.from_numpy(copied_ids(stored.vocabulary, stored.pairs)))
    network.load_state_dict({name: torch.tensor(weight) for name, weight in stored.weights.items()})
    return network.eval()


def in_torch(network, sources, targets):
    (source, lengths), (target, _) = padded(sources), padded(targets)
    target = torch.from_numpy(target)
    log_probs = network(torch.from_numpy(source), torch.from_numpy(lengths), inputs_before(target, END))
    return log_probs.gather(2, target.clamp(min=0)[..., None])[..., 0], target


def renamed(weights, name):
    """A stack's weights as the textbook's, in float64."""
    start = f"{name}."
    return {
        "rnn." + key.removeprefix(start): np.asarray(weight, np.float64)
        for key, weight in weights.items()
        if key.startswith(start)
    }


def run(config, weights, inputs, h, c):
    """A stack of layers over inputs (T, D): the last layer's outputs and all states after the last input."""
    outputs = []
    h, c = [*h], [*c]
    for x in inputs:
        for layer in range(config.layers):
            h[layer], c[layer] = step(config, weights, layer, x, h[layer], c[layer])
            x = h[layer]
        outputs.append(x)
    return np.array(outputs), h, c


def by_the_book(stored, source, target):
    """log p of each symbol of the target, one pair at a time."""
    config, w = stored.config, {n: np.asarray(a, np.float64) for n, a in stored.weights.items()}
    zeros = np.zeros((config.layers, config.hidden))
    inputs = [w["embedding.weight"][i] for i in [END, *target[:-1]]]
    embedded = w["source_embedding.weight"][source]
    if config.attention == "none":
        _, h, c = run(config, renamed(w, "encoder"), embedded, zeros, zeros)
        outputs, _, _ = run(config, renamed(w, "rnn"), inputs, h, c)
        logits = outputs @ w["output.weight"].T + w["output.bias"]
        return np.array([one[i] - np.log(np.exp(one).sum()) for one, i in zip(logits, target, strict=True)])
    seen, single = embedded, replace(config, layers=1)
    start = np.zeros((1, config.encoder_hidden))
    for layer in range(config.layers):
        ahead, _, _ = run(single, renamed(w, f"encoder_forward.{layer}"), seen, start, start)
        back, _, _ = run(single, renamed(w, f"encoder_backward.{layer}"), seen[::-1], start, start)
        seen = np.concatenate([ahead, back[::-1]], axis=1)
    ends = np.concatenate([ahead[-1], back[-1]])
    first = np.tanh(w["bridge.weight"] @ ends + w["bridge.bias"]).reshape(-1, config.layers, config.hidden)
    outputs, _, _ = run(config, renamed(w, "rnn"), inputs, first[0], first[-1])
    copies, found = copied_ids(stored.vocabulary, stored.pairs)[source], []
    for d, symbol in zip(outputs, target, strict=True):
        scores = np.array([d @ w["keys.weight"] @ one for one in seen])
        a = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        both = np.concatenate([a @ seen, d])
        logits = (
            w["output.weight"] @ np.tanh(w["combine.weight"] @ both + w["combine.bias"]) + w["output.bias"]
        )
        p = np.exp(logits - logits.max())
        p /= p.sum()
        if config.copy_gate == "on":
            own = sigmoid(w["gate.weight"] @ both + w["gate.bias"])[0]
            p = own * p + (1 - own) * np.array([a[copies == v].sum() for v in range(len(p))])
        found.append(np.log(p[symbol] + 1e-9))
    return np.array(found)


@each_variant
def test_the_shapes_that_a_file_must_have_are_the_networks(changes):
    config = pair_config(**changes)
    network = network_of(random_pair_model(config))
    assert {n: tuple(t.shape) for n, t in network.state_dict().items()} == weight_shapes(config)
    assert sum(p.numel() for p in network.parameters()) == parameter_count(config)


@each_variant
def test_torch_computes_the_textbooks_equations(changes):
    if "ngrams" in changes:
        pytest.skip("the textbook has none")
    stored = random_pair_model(pair_config(**changes))
    with torch.no_grad():
        found, _ = in_torch(network_of(stored), SOURCES, TARGETS)
    for column, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        expected = by_the_book(stored, source, target)
        np.testing.assert_allclose(found[: len(target), column].numpy(), expected, atol=1e-4)


@each_variant
def test_numpy_computes_what_torch_does(changes):
    stored = random_pair_model(pair_config(**changes))
    with torch.no_grad():
        in_training, target = in_torch(network_of(stored), SOURCES, TARGETS)
    found, _ = forced(Ensemble([Transducer(stored)]), *padded(SOURCES), target.numpy())
    there = target.numpy() >= 0
    np.testing.assert_allclose(found[there], in_training.numpy()[there], atol=1e-4)


@each_variant
def test_gradients_are_finite_differences(changes):
    network = network_of(random_pair_model(pair_config(**changes))).double()

    def loss() -> torch.Tensor:
        found, target = in_torch(network, SOURCES, TARGETS)
        return -found[target >= 0].mean()

    for module in (network.before_ngrams, network.after_ngrams):
        if module is not None:
            module.weight.requires_grad_(False)  # its gradient is sparse, and tests of n-grams have it
    loss().backward()
    numbers = np.random.default_rng(0)
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        place = tuple(int(numbers.integers(size)) for size in parameter.shape)
        losses = []
        for shift in (1e-6, -1e-6):
            with torch.no_grad():
                parameter[place] += shift
                losses.append(float(loss()))
                parameter[place] -= shift
        expected = (losses[0] - losses[1]) / 2e-6
        assert float(parameter.grad[place]) == pytest.approx(expected, rel=1e-3, abs=1e-6), name


def test_what_lies_beyond_a_row_changes_nothing():
    """A pair alone and beside longer ones."""
    network = network_of(random_pair_model(pair_config(ngrams=3, ngram_rows=16)))
    with torch.no_grad():
        together, _ = in_torch(network, SOURCES, TARGETS)
        for i, target in enumerate(TARGETS):
            alone, _ = in_torch(network, SOURCES[i : i + 1], TARGETS[i : i + 1])
            np.testing.assert_allclose(alone[:, 0], together[: len(target), i], atol=1e-5)
