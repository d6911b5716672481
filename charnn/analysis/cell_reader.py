"""Pieces of a text read by a model side by side, with what every cell holds and how often every gate is saturated."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from charnn.config import ModelConfig
from charnn.inference.cells import Array, Buffers, CellStep, Layer, LayerState
from charnn.inference.encoding import border, encode
from charnn.inference.engine import Engine, Ids, State
from charnn.inference.model import Model
from charnn.inference.softmax import Doubles
from charnn.inference.values import ArrayValue
from charnn.storage.model_tensors import Weights

GATES = {"lstm": ("input", "forget", "output"), "gru": ("reset", "update"), "rnn": ()}
"""A cell's gates, in the order in which the engine's buffers hold them after a step."""
LEFT, RIGHT = 0.1, 0.9  # a gate below or above is saturated (Karpathy et al. 2015)
MOST_PIECES = 32  # of a text, read side by side
SHORTEST_PIECE = 1500  # characters, of more than two
WARM_UP = 128  # characters read before a piece
_CHUNK = 64  # steps

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GateSaturation(ArrayValue):
    """The share of characters at which each cell's gate is below LEFT, `left` (H,), and above RIGHT, `right` (H,)."""

    layer: int
    gate: str
    left: Doubles
    right: Doubles


@dataclass(frozen=True, eq=False)
class ReadText(ArrayValue):
    """A text (n characters) as a model reads it: its `ids` (n,); `unknown` of them stand for other characters."""

    text: str
    ids: Ids
    unknown: int


def read_text(model: Model, text: str) -> ReadText:
    """What the model reads of `text`, unknown characters replaced; the end of a document is shown as a newline."""
    vocabulary = model.vocabulary
    if model.documents is None:
        one = encode(vocabulary, text, "replace", "the text")
        return ReadText(one.scored, one.ids, one.unknown)
    parts = [
        encode(vocabulary, part, "replace", "the text") for part in text.split(model.documents.separator)
    ]
    parts = [part for part in parts if len(part.ids)]
    ids = np.concatenate(
        [border(vocabulary)[:0], *chain.from_iterable((p.ids, border(vocabulary)) for p in parts)]
    )
    return ReadText("".join(f"{part.scored}\n" for part in parts), ids, sum(part.unknown for part in parts))


def piece_starts(length: int, chars: int) -> NDArray[np.int64]:
    """Where pieces of a text of `length` begin that together have `chars` characters, or all: (P,), evenly spaced.

    P is even.
    """
    read = min(length, chars)
    pieces = 2 * min(max(read // (2 * SHORTEST_PIECE), 1), MOST_PIECES // 2)
    return np.linspace(0, length - read // pieces, pieces).astype(np.int64)


class CellReader:
    """Reads pieces of a text, side by side, each after the WARM_UP characters before it."""

    def __init__(
        self,
        config: ModelConfig,
        weights: Weights,
        before: Ids,
        ids: Ids,
        starts: NDArray[np.int64],
        length: int,
    ) -> None:
        """Pieces of `length` of the text `ids` (n,), which follows `before`; the first of the P `starts` is 0."""
        self._engine = _WatchedEngine(config, weights)
        self._config = config
        self._ids = ids[starts[:, None] + np.arange(length)]
        self._start = self._state_before(before, ids, starts[1:])

    def chunks(
        self, on_gates: Callable[[int, int, Array], None] | None = None
    ) -> Iterator[tuple[slice, Doubles]]:
        """The values of all cells (T, P, layers · H) at the T characters [start, stop) of each piece.

        That is tanh(c) of an LSTM, else h. `on_gates` is called with a layer, the number of a gate and its values
        (P, H) at every step.
        """
        state, buffers = self._start, self._engine.buffers(len(self._ids))
        self._engine.on_gates = on_gates
        for begin in range(0, self._ids.shape[1], _CHUNK):
            steps = slice(begin, min(begin + _CHUNK, self._ids.shape[1]))
            values = []
            for ids in self._ids[:, steps].T:
                state = self._engine.advance(ids, state, buffers)
                values.append(np.concatenate(list(map(_held, state.layers)), axis=1))
            yield steps, np.array(values, np.float64)

    def values(self, cells: NDArray[np.intp]) -> Doubles:
        """The values of some cells at every character, (P, length, cells)."""
        found = np.empty((*self._ids.shape, len(cells)))
        for steps, values in self.chunks():
            found[:, steps] = values[:, :, cells].swapaxes(0, 1)
        return found

    def saturation(self) -> "SaturationCounts":
        """What counts how often gates are saturated."""
        return SaturationCounts(self._config, self._ids.size)

    def _state_before(self, before: Ids, ids: Ids, starts: NDArray[np.int64]) -> State:
        """The state in which each piece begins: that of the first after `before`."""
        engine = self._engine
        first = engine.read(before, engine.initial())
        state, buffers = engine.initial(len(starts)), engine.buffers(len(starts))
        for back in range(min(WARM_UP, int(starts[0])), 0, -1):
            state = engine.advance(ids[starts - back], state, buffers)
        return State.join([first, state])


class SaturationCounts:
    """At how many characters each gate was saturated; `add` takes its values."""

    def __init__(self, config: ModelConfig, chars: int) -> None:
        self._names, self._chars = GATES[config.cell], chars
        shape = (config.layers, len(self._names), config.hidden)
        self._left, self._right = np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def add(self, layer: int, gate: int, values: Array) -> None:
        """values (B, H)."""
        self._left[layer, gate] += (values < LEFT).sum(axis=0)
        self._right[layer, gate] += (values > RIGHT).sum(axis=0)

    def shares(self) -> tuple[GateSaturation, ...]:
        left, right = self._left / self._chars, self._right / self._chars
        return tuple(
            GateSaturation(layer, name, left[layer, number], right[layer, number])
            for layer in range(len(left))
            for number, name in enumerate(self._names)
        )


def _held(layer: LayerState) -> Array:
    """What a layer's cells hold, (B, H)."""
    return np.tanh(layer[1]) if len(layer) > 1 else layer[0]


class _WatchedEngine(Engine):
    """An engine that shows its gates after every step of a layer."""

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        super().__init__(config, weights)
        self.on_gates: Callable[[int, int, Array], None] | None = None
        self._layer = 0
        self._cell_step = self._watched(self._cell_step)

    def _watched(self, step: CellStep) -> CellStep:
        gates = len(GATES[self.config.cell])

        def watched(layer: Layer, buffers: Buffers, state: LayerState) -> LayerState:
            after = step(layer, buffers, state)
            if self.on_gates is not None:
                for number in range(gates):
                    self.on_gates(self._layer, number, buffers.gates[number])
            self._layer = (self._layer + 1) % self.config.layers
            return after

        return watched
