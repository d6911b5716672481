"""The first layer's input product: a row of a table, and with n-gram inputs the product of their sum."""

import numpy as np
from numpy.typing import NDArray

from charnn.config import ModelConfig
from charnn.inference.cells import Array, Layer
from charnn.inference.values import ArrayValue
from charnn.model.ngrams import hashed, tap_factors
from charnn.storage.model_tensors import Weight, Weights, dense
from charnn.storage.quantized_table import QuantizedTable

MAX_TABLE = 1 << 22  # entries (16 MB); a larger product of embedding and input weights is taken at each step


class InputProjection(ArrayValue):
    """What the first layer makes of a character, before its own state. Immutable.

    One-hot input times a matrix is a row of its transpose, so a table costs no more than the weights; an embedding
    and the biases are folded into it, unless a skip connection needs the embedding itself.
    """

    def __init__(
        self, config: ModelConfig, weights: Weights, layer: Layer, max_table: int = MAX_TABLE
    ) -> None:
        self._embedding = dense(weights["embedding.weight"]) if config.embedding else None
        is_read = config.skip_connection == "input"
        self._table = None if is_read else _input_table(layer, self._embedding, max_table)
        self._ngrams = _NgramSum(config, weights["ngrams.weight"]) if config.ngrams else None
        self._layer = None if config.embedding == 0 else layer  # one-hot input needs no more than the table

    def product(self, taps: NDArray[np.integer], out: Array) -> Array | None:
        """taps (n, B), the ids 0, 1, … characters back → the product with the biases, out (B, G·H).

        Returns the input itself, (B, E), where it was made.
        """
        if self._table is not None:
            self._table.take(taps[0], axis=0, out=out, mode="clip")  # the other modes make a copy of `out`
            if self._ngrams is not None and self._layer is not None:
                out += self._ngrams.of(taps).dot(self._layer.input_weight)
            return None
        assert self._embedding is not None and self._layer is not None
        inputs: Array = self._embedding.take(taps[0], axis=0)
        if self._ngrams is not None:
            inputs += self._ngrams.of(taps)
        self._layer.input_product(inputs, out)
        return inputs


class _NgramSum(ArrayValue):
    """The summed embeddings of the n-grams that end at a character: `charnn.model.ngrams`' rows, all orders at once."""

    def __init__(self, config: ModelConfig, table: Weight) -> None:
        self._config, self._table = config, table
        self._factors = np.array(tap_factors(config))[:, None]
        self._first_rows = (np.arange(config.ngrams - 1) * config.ngram_rows)[:, None]

    def of(self, taps: NDArray[np.integer]) -> Array:
        """taps (n, B) → (B, width of the embedding)."""
        values = np.add.accumulate(taps * self._factors)[1:]
        rows = hashed(values, self._config) + self._first_rows
        table = self._table
        taken = table.take(rows) if isinstance(table, QuantizedTable) else table.take(rows, axis=0)
        summed: Array = np.add.reduce(taken, axis=0, dtype=np.float32)
        return summed


def _input_table(layer: Layer, embedding: Array | None, max_table: int) -> Array | None:
    """The input product with its bias for every id, (V, G·H); None where an embedding's would be too large."""
    if embedding is None:
        return np.add(layer.input_weight, layer.bias, order="C")
    if len(embedding) * layer.bias.size > max_table:
        return None
    table = np.empty((len(embedding), layer.bias.size), np.float32)
    layer.input_product(embedding, table)
    return table
