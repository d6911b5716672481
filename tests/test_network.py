"""The network against the textbook's equations."""

from dataclasses import replace

import numpy as np
import pytest
import textbook
import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck
from torch.nn.functional import cross_entropy

from charnn.config import ModelConfig
from charnn.inference.engine import Engine
from charnn.model.kinds import parameter_count, weight_shapes
from charnn.model.network import LockedDropout, Network
from charnn.model.state import State

KINDS = (("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu"))
CONFIGS = [
    ModelConfig(
        vocab_size=6, cell=cell, nonlinearity=nonlinearity, layers=layers, hidden=5, embedding=embedding
    )
    for cell, nonlinearity in KINDS
    for layers in (1, 2, 3)
    for embedding in (0, 3)
]
NGRAM_CONFIGS = [
    ModelConfig(vocab_size=6, cell=cell, hidden=5, embedding=3, ngrams=ngrams, ngram_rows=8)
    for cell in ("lstm", "gru", "rnn")
    for ngrams in (2, 4)
]
SKIP_CONFIGS = [
    ModelConfig(6, cell=cell, layers=layers, hidden=5, embedding=3, skip_connection="input")
    for cell in ("lstm", "gru", "rnn")
    for layers in (1, 2)
]
SKIP_NGRAM_CONFIG = ModelConfig(6, hidden=5, embedding=3, ngrams=4, ngram_rows=8, skip_connection="input")
IDS = torch.tensor([[3, 0], [5, 5], [1, 2], [4, 0], [0, 3], [2, 2], [5, 1]])  # (T, N)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


def name(config: ModelConfig) -> str:
    skip = "-skip" if config.skip_connection == "input" else ""
    return f"{config.cell}-{config.nonlinearity}-{config.layers}-{config.embedding}-{config.ngrams}{skip}"


each_config = pytest.mark.parametrize("config", CONFIGS + SKIP_CONFIGS, ids=name)
with_ngrams = pytest.mark.parametrize(
    "config", [*CONFIGS, *NGRAM_CONFIGS, *SKIP_CONFIGS, SKIP_NGRAM_CONFIG], ids=name
)


def network_of(config: ModelConfig, seed: int = 1, scale: float = 0.6) -> Network:
    """Weights and biases all random, in float64."""
    torch.manual_seed(seed)
    network = Network(config).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return network


def random_state(network: Network, batch: int) -> State:
    state = network.initial_state(batch)
    return state.with_tensors(
        [torch.randn_like(part) if part.is_floating_point() else part for part in state.tensors()]
    )


def by_the_textbook(network: Network, ids: Tensor, state: State) -> tuple[Tensor, State]:
    """ids (T, N) → logits (T, N, V) and the state after them, stream by stream."""
    weights = {name: weight.detach().numpy() for name, weight in network.named_parameters()}
    streams = []
    for n in range(ids.shape[1]):
        before = [part[:, n].numpy() for part in state.layers]
        logits, h, c = textbook.read(network.config, weights, ids[:, n], *before)
        streams.append((logits, h, c)[: 1 + len(state.layers)])
    logits, *after = (torch.from_numpy(np.stack(parts, axis=1)) for parts in zip(*streams, strict=True))
    return logits, state._replace(layers=tuple(after))


@with_ngrams
def test_forward_is_the_textbook(config):
    network = network_of(config)
    for state in (network.initial_state(2), random_state(network, 2)):
        logits, after = network(IDS, state)
        expected, expected_after = by_the_textbook(network, IDS, state)
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-12)
        for part, expected_part in zip(after.layers, expected_after.layers, strict=True):
            torch.testing.assert_close(part, expected_part, rtol=0, atol=1e-12)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_vanilla_is_the_tutorials_equations(nonlinearity):
    """s_t = f(U x_t + W s_{t−1}), o_t = softmax(V s_t), s_{−1} = 0: no bias, one-hot input."""
    network = network_of(ModelConfig(vocab_size=6, cell="rnn", nonlinearity=nonlinearity, hidden=5))
    w = dict(network.named_parameters())
    with torch.no_grad():
        for bias in ("rnn.bias_ih_l0", "rnn.bias_hh_l0", "output.bias"):
            w[bias].zero_()
    u, recurrent, v = w["rnn.weight_ih_l0"], w["rnn.weight_hh_l0"], w["output.weight"]
    f = np.tanh if nonlinearity == "tanh" else (lambda z: np.maximum(z, 0))
    u, recurrent, v = (matrix.detach().numpy() for matrix in (u, recurrent, v))
    s, ids = np.zeros(5), IDS[:, :1]
    with torch.no_grad():
        probabilities = network(ids, network.initial_state(1))[0].softmax(-1)
    for t, character in enumerate(ids[:, 0].tolist()):
        s = f(u @ np.eye(6)[character] + recurrent @ s)
        o = np.exp(v @ s) / np.exp(v @ s).sum()
        np.testing.assert_allclose(probabilities[t, 0].numpy(), o, atol=1e-12)


@with_ngrams
def test_step_by_step_equals_the_whole_sequence(config):
    network = network_of(config)
    state = random_state(network, 2)
    whole, end = network(IDS, state)
    rows = []
    for t in range(len(IDS)):
        row, state = network(IDS[t : t + 1], state)
        rows.append(row)
    torch.testing.assert_close(torch.cat(rows), whole, rtol=0, atol=1e-12)
    for part, expected in zip(state.tensors(), end.tensors(), strict=True):
        torch.testing.assert_close(part, expected, rtol=0, atol=1e-12)


@each_config
def test_gradients_against_finite_differences(config):
    network = network_of(config, seed=4)
    state = random_state(network, 2)
    parameters = list(network.parameters())
    step = 1e-6 if config.nonlinearity == "tanh" else 1e-8  # so small that no ReLU changes sides

    def loss(*_: Tensor) -> Tensor:
        logits, _after = network(IDS[:-1], state)
        return cross_entropy(logits.flatten(0, 1), IDS[1:].flatten())

    assert gradcheck(loss, parameters, eps=step, atol=2e-6, rtol=1e-3, fast_mode=True)


def test_a_wrong_gradient_is_noticed():
    """The control of the test above: a detached hidden state in the middle makes it fail."""
    network = network_of(CONFIGS[0], seed=4)

    def loss(*_: Tensor) -> Tensor:
        _, middle = network(IDS[:3], network.initial_state(2))
        logits, _after = network(IDS[3:-1], middle.detach())
        return cross_entropy(logits.flatten(0, 1), IDS[4:].flatten())

    with pytest.raises(GradcheckError):
        gradcheck(loss, list(network.parameters()), atol=2e-6, rtol=1e-3, fast_mode=True)


@with_ngrams
def test_names_and_shapes_are_the_model_files(config):
    weights = Network(config).state_dict()
    assert {key: tuple(value.shape) for key, value in weights.items()} == weight_shapes(config)
    assert sum(value.numel() for value in weights.values()) == parameter_count(config)


@with_ngrams
def test_the_numpy_engine_agrees(config):
    """Within 1e-4 in log-probability, in float32 as both are used."""
    network = network_of(config, seed=3, scale=0.4).float().eval()
    weights = {key: value.detach().numpy() for key, value in network.state_dict().items()}
    engine = Engine(config, weights)
    ids = torch.tensor(np.random.default_rng(0).integers(0, config.vocab_size, (60, 1)))
    with torch.no_grad():
        expected = network(ids, network.initial_state(1))[0].double().log_softmax(-1)
    state, buffers = engine.initial(), engine.buffers()
    for t in range(len(ids)):
        logits, state = engine.step(ids[t].numpy(), state, buffers)
        found = torch.from_numpy(logits).double().log_softmax(-1)
        torch.testing.assert_close(found, expected[t], rtol=0, atol=1e-4)


@with_ngrams
def test_streams_of_a_batch_do_not_meet(config):
    network = network_of(config)
    state = random_state(network, 2)
    together, _ = network(IDS, state)
    alone, _ = network(IDS[:, :1], state.rows(slice(0, 1)))
    torch.testing.assert_close(together[:, :1], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("cell", "nonlinearity"), KINDS)
def test_dropout_is_of_training_only(cell, nonlinearity):
    """Between layers and before the output; with one layer before the output alone."""
    for layers in (1, 2):
        config = ModelConfig(6, cell=cell, nonlinearity=nonlinearity, layers=layers, hidden=5, dropout=0.5)
        network = network_of(config)
        state = network.initial_state(2)
        plain, after = network.eval()(IDS, state)
        torch.testing.assert_close(plain, by_the_textbook(network, IDS, state)[0])
        network.train()
        assert not torch.equal(network(IDS, state)[0], network(IDS, state)[0])
        same_state = torch.equal(network(IDS, state)[1].hidden, after.hidden)
        assert same_state == (layers == 1)


def test_dropout_leaves_out_the_same_units_for_a_whole_window_and_scales_up_the_others():
    hidden = torch.ones(7, 3, 200)
    torch.manual_seed(0)
    left = LockedDropout(0.25)(hidden)
    assert torch.equal(left, left[:1].expand_as(left))
    assert not torch.equal(left[:, 0], left[:, 1])
    assert left.unique().tolist() == pytest.approx([0, 4 / 3])
    assert 0.6 < float((left > 0).float().mean()) < 0.9


def test_dropout_spares_what_the_skip_connection_leads_to_the_output_layer():
    """Whole n-grams are left out of it already. A bidirectional network's output layer reads two such vectors."""
    torch.manual_seed(0)
    left = LockedDropout(0.25, hidden=100, width=150)(torch.ones(7, 3, 300))
    assert left.unflatten(-1, (2, 150))[..., 100:].unique().tolist() == [1]
    assert left.unflatten(-1, (2, 150))[..., :100].unique().tolist() == pytest.approx([0, 4 / 3])
    network = network_of(replace(SKIP_NGRAM_CONFIG, dropout=0.5))
    assert (network.dropout.hidden, network.dropout.width) == (5, 8)


def test_initial_weights():
    """Recurrent matrices orthogonal gate by gate, biases zero but for the forget gate's one."""
    network = Network(ModelConfig(vocab_size=6, layers=2, hidden=5))
    for layer in range(2):
        w = {n: p.detach() for n, p in network.rnn.named_parameters() if n.endswith(f"_l{layer}")}
        for gate in w[f"weight_hh_l{layer}"].split(5):
            torch.testing.assert_close(gate @ gate.T, torch.eye(5), rtol=0, atol=1e-5)
        bias = w[f"bias_ih_l{layer}"] + w[f"bias_hh_l{layer}"]
        assert bias.tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10


def test_a_skip_connection_begins_without_a_say():
    torch.manual_seed(0)
    weight = Network(SKIP_NGRAM_CONFIG).output.weight
    assert not weight[:, 5:].any() and weight[:, :5].all()


def test_the_state_is_a_value():
    """A forward pass changes neither the state it was given nor the next pass from it."""
    network = network_of(CONFIGS[0])
    state = random_state(network, 2)
    copies = [part.clone() for part in state.tensors()]
    first, _ = network(IDS, state)
    second, _ = network(IDS, state)
    assert torch.equal(first, second)
    for part, copy in zip(state.tensors(), copies, strict=True):
        assert torch.equal(part, copy)
