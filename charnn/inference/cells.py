"""One step of each recurrent cell on a batch of streams, and the weights arranged for it.

A sigmoid is a tanh of half the argument, σ(x) = ½ + ½·tanh(x/2), which never overflows. The halves are folded
into the weights and the LSTM's gates stand in the order i f o g, so that one tanh serves all gates of a step.

For a single stream each of NumPy's calls costs more than its numbers, so the calls here are the cheap ones: arrays'
own methods, operands of one type and of as many dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from charnn.config import GATES, ModelConfig
from charnn.inference.values import ArrayValue
from charnn.storage.model_tensors import Weights, dense

Array = NDArray[np.float32]
_HALF = np.array(0.5, np.float32)
CACHE_LINE = 64  # bytes
SATURATION = 1e20  # times the largest weight (storage.model_file) and the widest layer, still a float32
LayerState = tuple[Array, ...]  # (h,), for the LSTM (h, c); each (B, H)


@dataclass(frozen=True, eq=False)
class Layer(ArrayValue):
    """A layer's weights, G gates side by side. `new_bias` is the GRU's, inside of the reset gate's product."""

    input_weight: Array  # (width of the input, G·H)
    recurrent_weight: Array  # (H, G·H)
    bias: Array  # (1, G·H)
    new_bias: Array  # (1, H)

    def input_product(self, inputs: Array, out: Array) -> None:
        """inputs (B, width) → out (B, G·H), the bias added."""
        inputs.dot(self.input_weight, out=out)
        np.add(out, self.bias, out=out)


class Buffers:
    """Scratch space for a step of B streams, of one owner; nothing in it outlives the step.

    `inputs` and `recurrent` are the two products, (B, G·H); the rest are views of them that cells need, made once.
    """

    def __init__(self, inputs: Array, recurrent: Array, hidden: int) -> None:
        width = inputs.shape[1]
        gates = [slice(begin, begin + hidden) for begin in range(0, width, hidden)]
        self.inputs, self.recurrent = inputs, recurrent
        self.gates = [inputs[:, gate] for gate in gates]  # (B, H) each
        self.recurrent_gates = [recurrent[:, gate] for gate in gates]
        self.sigmoids = inputs[:, : width - hidden]  # all gates but the last
        self.recurrent_sigmoids = recurrent[:, : width - hidden]

    @classmethod
    def of(cls, config: ModelConfig, batch: int) -> "Buffers":
        """For `batch` streams of a network."""
        inputs, recurrent = _aligned((2, batch, GATES[config.cell] * config.hidden))
        return cls(inputs, recurrent, config.hidden)

    def first(self, batch: int) -> "Buffers":
        """The part for the first `batch` streams."""
        return Buffers(self.inputs[:batch], self.recurrent[:batch], self.gates[0].shape[1])


def _aligned(shape: tuple[int, ...]) -> Array:
    """An uninitialised array that begins at a cache line: the processor's widest loads and stores don't cross two."""
    entries = prod(shape)
    room = np.empty(entries + CACHE_LINE // 4, np.float32)
    begin = -room.ctypes.data % CACHE_LINE // 4
    return room[begin : begin + entries].reshape(shape)


CellStep = Callable[[Layer, Buffers, LayerState], LayerState]
"""(layer, buffers with both products, the biases in the first, state) → state. Overwrites the buffers."""


def prepared_layer(config: ModelConfig, weights: Weights, index: int) -> Layer:
    """Layer `index` of a network whose weights carry PyTorch's names and layout."""
    ih, hh, bias, recurrent_bias = (
        dense(weights[f"rnn.{name}_l{index}"]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    new_bias = np.zeros(config.hidden, np.float32)
    if config.cell == "gru":
        new_bias = recurrent_bias[2 * config.hidden :]
        recurrent_bias = np.concatenate([recurrent_bias[: 2 * config.hidden], np.zeros_like(new_bias)])
    rows, scale = _gate_order(config)
    return Layer(
        input_weight=(ih[rows] * scale[:, None]).T,
        recurrent_weight=(hh[rows] * scale[:, None]).T,
        bias=((bias + recurrent_bias)[rows] * scale)[None].astype(np.float32, copy=False),
        new_bias=new_bias[None],
    )


def _gate_order(config: ModelConfig) -> tuple[NDArray[np.intp], Array]:
    """Which of PyTorch's rows goes where, and what it is multiplied by; each (G·H,)."""
    gates, factors = {
        "lstm": ([0, 1, 3, 2], [0.5, 0.5, 0.5, 1.0]),
        "gru": ([0, 1, 2], [0.5, 0.5, 1.0]),
        "rnn": ([0], [1.0]),
    }[config.cell]
    rows = np.arange(len(gates) * config.hidden).reshape(len(gates), config.hidden)[gates].ravel()
    return rows, np.repeat(np.array(factors, np.float32), config.hidden)


def cell_step(config: ModelConfig) -> CellStep:
    """The step of the configured cell."""
    if config.cell == "rnn":
        return _rnn_relu if config.nonlinearity == "relu" else _rnn_tanh
    return {"lstm": _lstm, "gru": _gru}[config.cell]


def _lstm(layer: Layer, buffers: Buffers, state: LayerState) -> LayerState:
    """c' = f·c + i·g, h' = o·tanh(c') (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000)."""
    gates = np.add(buffers.inputs, buffers.recurrent, out=buffers.inputs)
    np.tanh(gates, out=gates)
    _finish_sigmoids(buffers)
    write, forget, read, new = buffers.gates
    memory = forget * state[1]
    memory += np.multiply(write, new, out=new)
    hidden = np.tanh(memory)
    hidden *= read
    return hidden, memory


def _gru(layer: Layer, buffers: Buffers, state: LayerState) -> LayerState:
    """h' = n + z·(h − n), n = tanh(x_n + r·(W_hn h + b_hn)) (Cho et al. 2014; the reset as in cuDNN)."""
    gates = np.add(buffers.sigmoids, buffers.recurrent_sigmoids, out=buffers.sigmoids)
    np.tanh(gates, out=gates)
    _finish_sigmoids(buffers)
    reset, update, new_input = buffers.gates
    new = buffers.recurrent_gates[2]
    new += layer.new_bias
    new *= reset
    new += new_input
    np.tanh(new, out=new)
    hidden = state[0] - new
    hidden *= update
    hidden += new
    return (hidden,)


def _rnn_tanh(layer: Layer, buffers: Buffers, state: LayerState) -> LayerState:
    """s' = tanh(U x + W s + b) (Elman 1990)."""
    hidden = buffers.inputs + buffers.recurrent
    np.tanh(hidden, out=hidden)
    return (hidden,)


def _rnn_relu(layer: Layer, buffers: Buffers, state: LayerState) -> LayerState:
    """s' = max(0, U x + W s + b), but at most SATURATION: a network that runs away stays finite."""
    hidden = buffers.inputs + buffers.recurrent
    np.maximum(hidden, 0, out=hidden)
    np.minimum(hidden, SATURATION, out=hidden)
    return (hidden,)


def _finish_sigmoids(buffers: Buffers) -> None:
    """tanh(x/2) → σ(x), in place."""
    sigmoids = buffers.sigmoids
    sigmoids *= _HALF
    sigmoids += _HALF
