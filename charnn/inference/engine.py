"""The network stepped in NumPy: no torch, starts at once. Weights are immutable, the state is a value."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from charnn.config import GATES, ModelConfig
from charnn.inference.cells import Array, Layer, LayerState, cell_step, prepared_layer

Ids = NDArray[np.integer]
MAX_TABLE = 1 << 22  # entries (16 MB); a larger product of embedding and input weights is taken at each step


@dataclass(frozen=True)
class State:
    """What a batch of B streams remembers. Opaque; never changed, so it may be shared and stepped twice."""

    layers: tuple[LayerState, ...]

    @property
    def top(self) -> Array:
        """The last layer's hidden state, (B, H): what the output layer reads."""
        return self.layers[-1][0]

    def rows(self, chosen: slice | NDArray[np.intp]) -> "State":
        """The state of some of the streams, each as often as it is chosen."""
        return State(tuple(tuple(array[chosen] for array in layer) for layer in self.layers))

    def repeated(self, batch: int) -> "State":
        """`batch` copies of a single stream's state."""
        return self.rows(np.zeros(batch, np.intp))


class Buffers:
    """Scratch space for at most `batch` streams, of one owner; nothing in it outlives a step."""

    def __init__(self, batch: int, config: ModelConfig) -> None:
        shape = (batch, GATES[config.cell] * config.hidden)
        self.inputs = np.empty(shape, np.float32)
        self.recurrent = np.empty(shape, np.float32)


class Engine:
    """A network ready to step. Immutable: many threads may share one.

    A character's input product at the first layer is a row of a table, embedding and biases folded in.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array]) -> None:
        self.config = config
        layers = [prepared_layer(config, weights, index) for index in range(config.layers)]
        self._embedding = weights["embedding.weight"] if config.embedding else None
        self._table = _input_table(layers[0], self._embedding)
        if self._table is not None:  # it stands for the first layer's input weights, which may be as large
            layers[0] = replace(layers[0], input_weight=np.empty((0, 0), np.float32))
        self._layers = layers
        self._cell_step = cell_step(config)
        self._output_weight = weights["output.weight"]
        self._output_bias = weights["output.bias"]

    def initial(self, batch: int = 1) -> State:
        """The zero state of B = `batch` streams."""
        arrays = 2 if self.config.cell == "lstm" else 1
        zeros = np.zeros((batch, self.config.hidden), np.float32)
        return State(((zeros,) * arrays,) * self.config.layers)

    def buffers(self, batch: int = 1) -> Buffers:
        """Scratch space to step at most `batch` streams with."""
        return Buffers(batch, self.config)

    def advance(self, ids: Ids, state: State, buffers: Buffers) -> State:
        """The state after each stream has read its character; ids (B,), each in [0, V)."""
        inputs, recurrent = buffers.inputs[: len(ids)], buffers.recurrent[: len(ids)]
        after: list[LayerState] = []
        with np.errstate(over="ignore", invalid="ignore"):  # whoever reads the logits checks them
            for layer, before in zip(self._layers, state.layers, strict=True):
                if after:
                    layer.input_product(after[-1][0], inputs)
                else:
                    self._first_input_product(ids, inputs)
                np.dot(before[0], layer.recurrent_weight.T, out=recurrent)
                after.append(self._cell_step(layer, inputs, recurrent, before))
        return State(tuple(after))

    def _first_input_product(self, ids: Ids, out: Array) -> None:
        if self._table is not None:
            np.take(self._table, ids, axis=0, out=out, mode="clip")  # the other modes make a copy of `out`
        elif self._embedding is not None:
            self._layers[0].input_product(self._embedding[ids], out)

    def logits(self, hidden: Array) -> Array:
        """What the output layer makes of hidden states (N, H): (N, V)."""
        with np.errstate(over="ignore", invalid="ignore"):
            product: Array = np.dot(hidden, self._output_weight.T)
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


def _input_table(first: Layer, embedding: Array | None) -> Array | None:
    """The first layer's input product with its bias for every id, (V, G·H); None where it would be too large.

    One-hot input times a matrix is a row of its transpose, so that the table costs no more than the weights.
    """
    if embedding is None:
        return np.add(first.input_weight.T, first.bias, order="C")
    if len(embedding) * len(first.bias) > MAX_TABLE:
        return None
    table = np.empty((len(embedding), len(first.bias)), np.float32)
    first.input_product(embedding, table)
    return table
