"""An encoder–decoder in NumPy: what `model.encoder_decoder` computes, a symbol of the target at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from charnn.config import ModelConfig
from charnn.data.symbols import copied_ids
from charnn.data.vocab import IGNORED
from charnn.inference.cells import Array, Buffers, Layer, LayerState, cell_step, prepared_layer
from charnn.inference.values import ArrayValue
from charnn.model.ngrams import BEFORE_TEXT, history, ngram_rows
from charnn.model.shapes import encoder_width
from charnn.storage.model_file import ModelFile
from charnn.storage.model_tensors import Weight, Weights, dense

Ids = NDArray[np.int64]
PROBABLE = np.float32(1e-9)  # added to a mixture's probabilities, as in training
_WAYS = ("forward", "backward")
_FAR_BELOW = np.float32(-1e30)  # a score that no attention survives


@dataclass(frozen=True)
class Memory:
    """What the decoder looks at of N sources: outputs (N, S, 2E), keys (N, H, S), `bias` (N, 1, S) far below 0 where
    a source has no symbol, `copies` (N, S, V), 1 where a source's symbol is the target's; V is 0
    without a copy gate.

    Without attention there is nothing to look at, and each has a width of 0.
    """

    outputs: Array
    keys: Array
    bias: Array
    copies: Array

    def of(self, chosen: NDArray[np.intp]) -> "Memory":
        """That of some of the sources."""
        return Memory(self.outputs[chosen], self.keys[chosen], self.bias[chosen], self.copies[chosen])


States = list[LayerState]
"""For each layer h and, of the LSTM, c, each (rows, H)."""


class Transducer(ArrayValue):
    """A network ready to read and to write. Immutable: many threads may share one."""

    def __init__(self, stored: ModelFile) -> None:
        config, weights = stored.config, stored.weights
        assert stored.pairs is not None and stored.vocabulary.end_id is not None
        self.config = config
        self.end_id, self.unknown_id = stored.vocabulary.end_id, stored.vocabulary.unknown_id
        self.unknown_source_id = stored.pairs.unknown_id
        self._copies = copied_ids(stored.vocabulary, stored.pairs)
        self._cell_step = cell_step(config)
        names = ("source_embedding", "embedding", "output", "bridge", "keys", "combine", "gate")
        self._weights = {
            name: _floats(weights[f"{name}.weight"]) for name in names if f"{name}.weight" in weights
        }
        self._biases = {name: _floats(weights[f"{name}.bias"]) for name in names if f"{name}.bias" in weights}
        self._tables = [
            dense(weights[name])
            for name in ("before_ngrams.weight", "after_ngrams.weight")
            if name in weights
        ]
        self._decoder = [_layer(config, weights, "rnn", config.hidden, i) for i in range(config.layers)]
        self._has_attention = config.attention == "dot"
        if self._has_attention:
            self._readers = [
                [_layer(config, weights, f"encoder_{way}.{i}", encoder_width(config)) for way in _WAYS]
                for i in range(config.layers)
            ]
        else:
            self._readers = [
                [_layer(config, weights, "encoder", config.hidden, i)] for i in range(config.layers)
            ]

    # Reading.

    def encode(self, source: Ids, lengths: Ids) -> tuple[Memory, States]:
        """source (S, N), IGNORED beyond its length (N,) → what the decoder looks at, and its first states."""
        mirror = _mirrored(len(source), lengths)
        outputs = self._embed(source, mirror)
        if not self._has_attention:
            return self._last_states(outputs, lengths)
        for forward, backward in self._readers:
            ahead = self._read(forward, outputs)
            back = _taken(self._read(backward, _taken(outputs, mirror)), mirror)
            outputs = np.concatenate([ahead, back], axis=2)
        ends = np.concatenate([ahead[lengths - 1, np.arange(len(lengths))], back[0]], axis=1)
        bias = np.where(source == IGNORED, _FAR_BELOW, np.float32(0)).T[:, None]
        outputs = np.ascontiguousarray(outputs.transpose(1, 0, 2))
        keys = np.ascontiguousarray((outputs @ self._weights["keys"].T).transpose(0, 2, 1))
        return Memory(outputs, keys, bias, self._copied_symbols(source)), self._bridged(ends)

    def _copied_symbols(self, source: Ids) -> Array:
        """source (S, N) → which symbol of targets each is, one-hot, (N, S, V)."""
        if self.config.copy_gate == "off":
            return np.zeros((source.shape[1], len(source), 0), np.float32)
        symbols = np.where(source == IGNORED, IGNORED, self._copies[source]).T
        one_hot: Array = (symbols[..., None] == np.arange(self.config.vocab_size)).astype(np.float32)
        return one_hot

    def _embed(self, source: Ids, mirror: Ids) -> Array:
        embedded: Array = self._weights["source_embedding"][np.maximum(source, 0)]
        if self._tables:
            before, after = self._tables
            embedded = embedded + self._ngrams(source, before)
            embedded += _taken(self._ngrams(np.take_along_axis(source, mirror, 0), after), mirror)
        return embedded

    def _ngrams(self, source: Ids, table: NDArray[np.floating]) -> Array:
        """The summed embeddings of the n-grams that end at each place of source (S, N)."""
        before = history(self.config)
        text = np.concatenate([np.full((before, source.shape[1]), BEFORE_TEXT), source])
        taps = [text[before - back : before - back + len(source)] for back in range(before + 1)]
        rows = ngram_rows(taps, self.config)
        summed: Array = np.sum(
            [table[one].astype(np.float32, copy=False) for one in rows], axis=0, dtype=np.float32
        )
        return summed

    def _read(self, layer: Layer, inputs: Array) -> Array:
        """inputs (S, N, width) → hidden states (S, N, H)."""
        steps, batch, _ = inputs.shape
        products, buffers, state = self._prepared(layer, inputs)
        outputs = np.empty((steps, batch, layer.recurrent_weight.shape[0]), np.float32)
        for step in range(steps):
            state = self._advance(layer, products[step], state, buffers)
            outputs[step] = state[0]
        return outputs

    def _last_states(self, inputs: Array, lengths: Ids) -> tuple[Memory, States]:
        """What the only encoder's layers remember after each source's last symbol."""
        states: States = []
        for (layer,) in self._readers:
            products, buffers, state = self._prepared(layer, inputs)
            outputs = np.empty((*inputs.shape[:2], layer.recurrent_weight.shape[0]), np.float32)
            for step, product in enumerate(products):
                after = self._advance(layer, product, state, buffers)
                there = (step < lengths)[:, None]
                state = tuple(np.where(there, new, old) for new, old in zip(after, state, strict=True))
                outputs[step] = state[0]
            states.append(state)
            inputs = outputs
        batch = len(lengths)
        nothing = np.zeros((batch, 0, 0), np.float32)
        return Memory(nothing, nothing, nothing, nothing), states

    def _prepared(self, layer: Layer, inputs: Array) -> tuple[Array, Buffers, LayerState]:
        """The inputs' products (S, N, G·H), room for a step, and the zero state."""
        products: Array = inputs @ layer.input_weight
        products += layer.bias
        batch, hidden = inputs.shape[1], layer.recurrent_weight.shape[0]
        buffers = _buffers(batch, products.shape[2], hidden)
        zeros = tuple(np.zeros((batch, hidden), np.float32) for _ in range(self._parts))
        return products, buffers, zeros

    @property
    def _parts(self) -> int:
        return 2 if self.config.cell == "lstm" else 1

    def _advance(self, layer: Layer, product: Array, state: LayerState, buffers: Buffers) -> LayerState:
        np.copyto(buffers.inputs, product)
        state[0].dot(layer.recurrent_weight, out=buffers.recurrent)
        return self._cell_step(layer, buffers, state)

    def _bridged(self, ends: Array) -> States:
        """The encoder's last states (N, 2E) → the decoder's first."""
        first = np.tanh(ends @ self._weights["bridge"].T + self._biases["bridge"])
        parts = first.reshape(len(ends), self._parts, self.config.layers, self.config.hidden)
        return [
            tuple(np.ascontiguousarray(parts[:, part, layer]) for part in range(self._parts))
            for layer in range(self.config.layers)
        ]

    # Writing.

    def step(self, ids: Ids, states: States, memory: Memory) -> tuple[Array, States, Array]:
        """One symbol further: ids (N·K,), K rows a source side by side.

        Returns log-probabilities (N·K, V) of the next symbols, the states, and the attention (N, K, S).
        """
        hidden, after = self._advance_decoder(self._weights["embedding"][ids], states)
        if not self._has_attention:
            logits = hidden @ self._weights["output"].T + self._biases["output"]
            sources = len(memory.copies)
            return _log_softmax(logits), after, np.zeros((sources, len(ids) // sources, 0), np.float32)
        grouped = hidden.reshape(len(memory.keys), -1, hidden.shape[1])
        attention = _softmax(grouped @ memory.keys + memory.bias)
        context = (attention @ memory.outputs).reshape(len(ids), -1)
        both = np.concatenate([context, hidden], axis=1)
        combined = np.tanh(both @ self._weights["combine"].T + self._biases["combine"])
        logits = combined @ self._weights["output"].T + self._biases["output"]
        if "gate" not in self._weights:
            return _log_softmax(logits), after, attention
        gate = both @ self._weights["gate"].T + self._biases["gate"]
        mixed = _sigmoid(gate) * _softmax(logits)
        mixed += _sigmoid(-gate) * (attention @ memory.copies).reshape(len(ids), -1)
        return np.log(mixed + PROBABLE), after, attention

    def _advance_decoder(self, inputs: Array, states: States) -> tuple[Array, States]:
        after: States = []
        for layer, state in zip(self._decoder, states, strict=True):
            buffers = _buffers(len(inputs), layer.bias.shape[1], state[0].shape[1])
            layer.input_product(inputs, buffers.inputs)
            state[0].dot(layer.recurrent_weight, out=buffers.recurrent)
            after.append(self._cell_step(layer, buffers, state))
            inputs = after[-1][0]
        return inputs, after


def _layer(config: ModelConfig, weights: Weights, name: str, hidden: int, index: int = 0) -> Layer:
    """Layer `index` of the recurrent stack of this name."""
    renamed: Mapping[str, object] = {
        f"rnn.{part}_l{index}": weights[f"{name}.{part}_l{index}"]
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    return prepared_layer(replace(config, hidden=hidden), renamed, index)  # type: ignore[arg-type]


def _buffers(batch: int, width: int, hidden: int) -> Buffers:
    inputs, recurrent = np.empty((2, batch, width), np.float32)
    return Buffers(inputs, recurrent, hidden)


def _floats(weight: Weight) -> Array:
    return dense(weight).astype(np.float32, copy=False)


def _mirrored(steps: int, lengths: Ids) -> Ids:
    """(S, N): where each place of a row is when the row is read from its end; what lies beyond stays beyond."""
    places = np.arange(steps)[:, None]
    return np.where(places < lengths, lengths - 1 - places, places)


def _taken(values: Array, places: Ids) -> Array:
    """values (S, N, W) at places (S, N)."""
    taken: Array = np.take_along_axis(values, places[..., None], axis=0)
    return taken


def _softmax(scores: Array) -> Array:
    """Over the last axis."""
    weights: Array = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def _log_softmax(logits: Array) -> Array:
    below: Array = logits - logits.max(axis=-1, keepdims=True)
    below -= np.log(np.exp(below).sum(axis=-1, keepdims=True))
    return below


def _sigmoid(values: Array) -> Array:
    """σ(x) = 1 / (1 + e^−x), precise where it is small; below −80 it is as good as 0."""
    odds: Array = np.exp(-np.maximum(values, np.float32(-80)))
    odds += 1
    return np.reciprocal(odds, out=odds)
