"""The state as a value, in torch and in NumPy: taken apart, put together, stored."""

import numpy as np
import pytest
import torch
from helpers import random_model

from charnn.config import ModelConfig
from charnn.inference.engine import Engine
from charnn.inference.engine import State as EngineState
from charnn.model.network import Network
from charnn.model.shapes import state_shapes
from charnn.model.state import State

CONFIGS = [
    ModelConfig(6, cell="lstm", layers=2, hidden=5),
    ModelConfig(6, cell="gru", layers=1, hidden=5, embedding=3, ngrams=4, ngram_rows=16),
    ModelConfig(6, cell="lstm", layers=1, hidden=5, embedding=3, ngrams=2, ngram_rows=16),
    ModelConfig(6, cell="rnn", layers=3, hidden=5),
    ModelConfig(6, cell="lstm", layers=2, hidden=5, embedding=3, skip_connection="input"),
    ModelConfig(6, hidden=5, embedding=3, ngrams=3, ngram_rows=16, skip_connection="input"),
]
each_config = pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda c: f"{c.cell}-{c.layers}-{c.ngrams}-{c.skip_connection}"
)


def after_text(config: ModelConfig, streams: int = 5) -> State:
    torch.manual_seed(1)
    network = Network(config)
    return network(torch.randint(6, (7, streams)), network.initial_state(streams))[1]


def alike(one: State, other: State) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.tensors(), other.tensors(), strict=True))


@each_config
def test_shapes_are_those_that_are_told(config):
    state = after_text(config)
    parts = [*state.layers, state.recent, state.input]
    assert [tuple(part.shape) for part in parts] == list(state_shapes(config, 5).values())
    zero = State.zero(config, 5, like=torch.zeros(1, dtype=torch.float64))
    assert [part.shape for part in zero.tensors()] == [part.shape for part in state.tensors()]
    assert {part.dtype for part in zero.layers} == {torch.float64}


@each_config
def test_rows_joined_are_the_whole(config):
    state = after_text(config)
    chosen = [state.rows(slice(0, 2)), state.rows(torch.tensor([2])), state.rows(slice(3, None))]
    assert alike(State.join(chosen), state)
    assert alike(
        state.rows(torch.tensor([4, 4, 0])), State.join([state.rows(slice(i, i + 1)) for i in (4, 4, 0)])
    )


@each_config
def test_what_is_stored_is_all_of_it(config):
    state = after_text(config)
    again = State.zero(config, 5, like=torch.zeros(1)).with_tensors(state.tensors())
    assert alike(again, state)
    assert torch.equal(again.recent, state.recent) and torch.equal(again.input, state.input)


@each_config
def test_detached_it_has_the_same_numbers_and_no_graph(config):
    state = after_text(config)
    assert all(part.requires_grad for part in state.layers)
    assert alike(state.detach(), state)
    assert not any(part.requires_grad for part in state.detach().tensors())


@each_config
def test_the_engines_state_is_taken_apart_and_joined_alike(config):
    engine = Engine(config, random_model(config).weights)
    state, buffers = engine.initial(5), engine.buffers(5)
    for ids in np.random.default_rng(1).integers(0, 6, (4, 5)):
        state = engine.advance(ids, state, buffers)
    joined = EngineState.join([state.rows(slice(0, 2)), state.rows(np.array([2, 3, 4]))])
    assert np.array_equal(joined.recent, state.recent) and np.array_equal(joined.top, state.top)
    for layer, expected in zip(joined.layers, state.layers, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(layer, expected, strict=True))
    assert np.array_equal(state.rows(np.array([4])).repeated(3).top, np.repeat(state.top[4:], 3, axis=0))
