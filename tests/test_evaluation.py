"""Validation against a naive scoring, character by character."""

import numpy as np
import pytest
import torch

from charnn.config import ModelConfig
from charnn.data.tokens import TokenView
from charnn.model.bidirectional import BidirectionalNetwork
from charnn.model.network import Network
from charnn.training.evaluation import evaluate
from charnn.training.objective import BidirectionalObjective, LanguageModelObjective

OBJECTIVE = LanguageModelObjective()
CELLS = (("lstm", "tanh"), ("gru", "tanh"), ("rnn", "relu"))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


def network_of(cell: str = "lstm", nonlinearity: str = "tanh", dropout: float = 0.0) -> Network:
    torch.manual_seed(3)
    network = Network(
        ModelConfig(7, cell=cell, nonlinearity=nonlinearity, layers=2, hidden=6, dropout=dropout)
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network


def text(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 7, n)


def part_of(ids: np.ndarray) -> TokenView:
    return TokenView(ids, np.arange(7))


@torch.no_grad()
def naive(network: Network, ids: np.ndarray) -> float:
    """Mean −log p of all but the first character: stream by stream, one character at a time."""
    predictions = len(ids) - 1
    streams = min(8, predictions)
    length = predictions // streams
    network = network.eval()
    total = 0.0
    for stream in range(streams):
        end = predictions if stream == streams - 1 else (stream + 1) * length
        state = network.initial_state(1)
        for place in range(stream * length, end):
            logits, state = network(torch.tensor([[ids[place]]]), state)
            total -= float(logits.double().log_softmax(-1)[0, 0, ids[place + 1]])
    return total / predictions


@pytest.mark.parametrize("n", [2, 3, 8, 9, 10, 16, 17, 31, 100])
@pytest.mark.parametrize("window", [1, 5, 256])
def test_every_character_but_the_first_is_scored_once(n, window):
    network, ids = network_of(), text(n)
    assert evaluate(network, part_of(ids), OBJECTIVE, seq_length=window) == pytest.approx(
        naive(network, ids), abs=1e-6
    )


@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_of_every_cell(cell, nonlinearity):
    network, ids = network_of(cell, nonlinearity), text(203)
    assert evaluate(network, part_of(ids), OBJECTIVE, seq_length=7) == pytest.approx(
        naive(network, ids), abs=1e-6
    )


@torch.no_grad()
def naive_from_both_sides(network: BidirectionalNetwork, ids: np.ndarray, window: int, ahead: int) -> float:
    """Mean −log p, each character on its own: the stream before it; its window and `ahead` more after it."""
    predictions = len(ids) - 1
    streams = min(8, predictions)
    length = predictions // streams
    total = 0.0
    for stream in range(streams):
        last = predictions if stream == streams - 1 else (stream + 1) * length
        for place in range(stream * length + 1, last + 1):
            index = place - 1 - stream * length
            if index < length:
                end = min((index // window + 1) * window, length)
                end += stream * length + min(ahead, predictions - (streams - 1) * length - end)
            else:
                end = predictions  # what the division leaves over
            text = torch.from_numpy(ids[stream * length : end + 1])[:, None]
            logits, _ = network(text, network.initial_state(1))
            total -= float(logits.double().log_softmax(-1)[index, 0, ids[place]])
    return total / predictions


@pytest.mark.parametrize("n", [2, 3, 9, 10, 17, 31, 100])
@pytest.mark.parametrize(("window", "ahead"), [(1, 1), (5, 0), (5, 3), (256, 128)])
def test_a_bidirectional_networks_windows_are_looked_beyond(n, window, ahead):
    objective = BidirectionalObjective(lookahead=ahead)
    torch.manual_seed(3)
    config = ModelConfig(7, layers=2, hidden=6, embedding=3, ngrams=3, ngram_rows=16, kind="bidirectional")
    network, ids = BidirectionalNetwork(config).eval(), text(n)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    expected = naive_from_both_sides(network, ids, window, ahead)
    assert evaluate(network, part_of(ids), objective, seq_length=window) == pytest.approx(expected, abs=1e-6)


def test_windows_do_not_change_the_figure():
    network, ids = network_of(), text(500)
    whole = evaluate(network, part_of(ids), OBJECTIVE)
    assert evaluate(network, part_of(ids), OBJECTIVE, seq_length=3) == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("windows_before", [0, 1, 5])
def test_abandoned_it_gives_none(windows_before):
    asked = iter([False] * windows_before + [True])
    assert (
        evaluate(network_of(), part_of(text(400)), OBJECTIVE, seq_length=4, stop=lambda: next(asked)) is None
    )
    assert next(asked, None) is None


def test_stop_is_asked_at_every_window():
    asked = []
    evaluate(
        network_of(), part_of(text(8 * 20 + 1)), OBJECTIVE, seq_length=4, stop=lambda: bool(asked.append(1))
    )
    assert len(asked) == 5


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("abandoned", [True, False])
def test_it_leaves_no_trace(training, abandoned):
    """Mode, weights, gradients and random generator are as before; dropout is off meanwhile."""
    network = network_of(dropout=0.5).train(training)
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    generator = torch.get_rng_state()
    found = evaluate(network, part_of(text(60)), OBJECTIVE, stop=lambda: abandoned)
    assert network.training is training
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    if not abandoned:
        assert found == pytest.approx(naive(network_of(), text(60)), abs=1e-6)
