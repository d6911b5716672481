"""The network stepped in NumPy: no torch, starts at once. Weights are immutable, the state is a value."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charnn.config import ModelConfig
from charnn.inference.cells import Array, Buffers, LayerState, cell_step, prepared_layer
from charnn.inference.input_projection import MAX_TABLE, InputProjection
from charnn.inference.values import ArrayValue
from charnn.model.ngrams import BEFORE_TEXT
from charnn.model.shapes import INPUT, RECENT, state_shapes
from charnn.storage.model_tensors import Weights, dense

Ids = NDArray[np.integer]
MAX_BATCH = 128  # streams stepped at once, by one thread

# OpenBLAS's small products compute on vector elements that aren't theirs, and NumPy warns of what no result shows.
# Its errstate would do as well, but costs 4 % of a step.
warnings.filterwarnings("ignore", "invalid value encountered in dot", RuntimeWarning, r"charnn\.inference\.")


class State(NamedTuple):
    """What a batch of B streams remembers. Opaque; never changed, so it may be shared and stepped twice.

    `recent` are the ids of the characters before the present one that n-gram inputs need, the latest first,
    (n − 1, B). `top` is what the output layer reads, (B, F): the last layer's hidden state, with a skip connection
    the input too.
    """

    layers: tuple[LayerState, ...]
    recent: Ids
    top: Array

    @classmethod
    def join(cls, states: Sequence["State"]) -> "State":
        """The streams of all these states, in their order."""
        layers = tuple(
            tuple(map(np.concatenate, zip(*layer, strict=True)))
            for layer in zip(*(state.layers for state in states), strict=True)
        )
        recent = np.concatenate([state.recent for state in states], axis=1)
        return cls(layers, recent, np.concatenate([state.top for state in states]))

    def rows(self, chosen: slice | NDArray[np.intp]) -> "State":
        """The state of some of the streams, each as often as it is chosen."""
        layers = tuple(tuple(array[chosen] for array in layer) for layer in self.layers)
        return State(layers, self.recent[:, chosen], self.top[chosen])

    def repeated(self, batch: int) -> "State":
        """`batch` copies of a single stream's state."""
        return self.rows(np.zeros(batch, np.intp))


class Engine(ArrayValue):
    """A network ready to step. Immutable: many threads may share one.

    The product of embedding and input weights is made a table of at most `max_table` entries, or taken at each step.
    """

    def __init__(self, config: ModelConfig, weights: Weights, max_table: int = MAX_TABLE) -> None:
        self.config = config
        first, *deeper = (prepared_layer(config, weights, index) for index in range(config.layers))
        self._first_input = InputProjection(config, weights, first, max_table)
        # the first input stands for the first layer's input weights, which may be as large
        self._layers = [replace(first, input_weight=np.empty((0, 0), np.float32)), *deeper]
        self._cell_step = cell_step(config)
        self._has_skip = config.skip_connection == "input"
        self._output_weight = dense(weights["output.weight"]).T
        self._output_bias = dense(weights["output.bias"])[None]

    def initial(self, batch: int = 1) -> State:
        """The zero state of B = `batch` streams."""
        shapes = state_shapes(self.config, batch)
        recent = np.full(shapes.pop(RECENT), BEFORE_TEXT)
        top = np.zeros((batch, self.config.output_size), np.float32)
        del shapes[INPUT]  # a part of `top`
        layer = tuple(np.zeros((batch, hidden), np.float32) for _, _, hidden in shapes.values())
        return State((layer,) * self.config.layers, recent, top)

    def buffers(self, batch: int = 1) -> Buffers:
        """Scratch space to step `batch` streams with."""
        return Buffers.of(self.config, batch)

    def advance(self, ids: Ids, state: State, buffers: Buffers) -> State:
        """The state after each stream has read its character; ids (B,), each in [0, V), buffers for B."""
        taps = np.concatenate([ids[None], state.recent]) if len(state.recent) else ids[None]
        inputs = self._first_input.product(taps, buffers.inputs)
        after: list[LayerState] = []
        for layer, before in zip(self._layers, state.layers, strict=True):
            if after:
                layer.input_product(after[-1][0], buffers.inputs)
            before[0].dot(layer.recurrent_weight, out=buffers.recurrent)
            after.append(self._cell_step(layer, buffers, before))
        top = after[-1][0]
        if self._has_skip and inputs is not None:
            top = np.concatenate([top, inputs], axis=1)
        return State(tuple(after), taps[:-1], top)

    def logits(self, top: Array) -> Array:
        """What the output layer makes of what it reads (N, F): (N, V)."""
        product: Array = top.dot(self._output_weight)
        return np.add(product, self._output_bias, out=product)

    def step(self, ids: Ids, state: State, buffers: Buffers) -> tuple[Array, State]:
        """The logits (B, V) of the next characters and the state, after each stream has read ids (B,)."""
        after = self.advance(ids, state, buffers)
        return self.logits(after.top), after

    def read(self, ids: Ids, state: State) -> State:
        """The state of a single stream after a text of ids (T,)."""
        buffers = self.buffers()
        for place in range(len(ids)):
            state = self.advance(ids[place : place + 1], state, buffers)
        return state
