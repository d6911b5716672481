"""Two recurrences at once: the same numbers and gradients as one after the other, and only where that may be."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from test_bidirectional import CONFIGS, TEXT, name, network_of, random_state
from torch.nn.functional import cross_entropy

import charnn.model.bidirectional as bidirectional
from charnn.model.bidirectional import BidirectionalNetwork


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pairs(monkeypatch):
    """How often two were run at once."""
    times = []

    def counted(*arguments):
        times.append(1)
        return parallel_stacks(*arguments)

    parallel_stacks = bidirectional.parallel_stacks
    monkeypatch.setattr(bidirectional, "parallel_stacks", counted)
    return times


def learnt(network: BidirectionalNetwork, *, at_once: bool) -> list[torch.Tensor]:
    """Logits, the state after them, and the gradients of everything: weights and the state before."""
    torch.set_num_threads(2 if at_once else 1)
    state = random_state(network)
    for part in state.layers:
        part.requires_grad_()
    network.zero_grad()
    predictions, after = network.predictions(TEXT, state)
    loss = sum(cross_entropy(logits.flatten(0, 1), TEXT[1:].flatten()) for logits in predictions)
    (loss + sum(part.square().sum() for part in after.layers)).backward()
    torch.set_num_threads(2)
    gradients = [t.grad for t in (*network.parameters(), *state.layers)]
    assert all(gradient is not None for gradient in gradients)
    return [*predictions, *after.tensors(), *(g.to_dense() if g.is_sparse else g for g in gradients)]


DROPPING = replace(CONFIGS[2], ngram_dropout=0.5, dropout=0.3)


@pytest.mark.parametrize("config", [*CONFIGS, DROPPING], ids=name)
def test_the_numbers_are_those_of_one_after_the_other(config, pairs):
    network = network_of(config)
    torch.manual_seed(2)
    expected = learnt(network, at_once=False)
    assert not pairs
    torch.manual_seed(2)
    found = learnt(network, at_once=True)
    assert pairs
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_without_gradients_none_are_kept(pairs):
    network = network_of(CONFIGS[2])
    with torch.no_grad():
        logits, after = network(TEXT, random_state(network))
    assert pairs
    assert not logits.requires_grad
    assert not any(part.requires_grad for part in after.tensors())


def test_what_draws_random_numbers_in_the_stack_is_run_in_order(pairs):
    network = network_of(replace(CONFIGS[0], layers=2, dropout=0.5))
    network(TEXT, random_state(network))
    assert not pairs
    network.eval()
    network(TEXT, random_state(network))
    assert pairs


def test_an_error_in_either_is_raised():
    network = network_of(CONFIGS[0])
    with pytest.raises(RuntimeError, match="size"):
        network(TEXT, random_state(network, batch=3))


def test_the_threads_of_others_stay_as_they_were():
    network = network_of(CONFIGS[0])
    network(TEXT, random_state(network))
    assert torch.get_num_threads() == 2
