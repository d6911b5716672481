"""The first layer's input product: a row of a table, and with n-gram inputs the product of their sum."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from charnn.config import ModelConfig
from charnn.inference.cells import Array, Layer
from charnn.model.ngrams import ngram_rows

MAX_TABLE = 1 << 22  # entries (16 MB); a larger product of embedding and input weights is taken at each step


class FirstInput:
    """What the first layer makes of a character, before its own state. Immutable.

    One-hot input times a matrix is a row of its transpose, so a table costs no more than the weights; an embedding
    and the biases are folded into it.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array], layer: Layer) -> None:
        self._config = config
        self._embedding = weights["embedding.weight"] if config.embedding else None
        self._table = _input_table(layer, self._embedding)
        self._ngrams = weights.get("ngrams.weight")
        self._layer = None if config.embedding == 0 else layer  # one-hot input needs no more than the table

    def product(self, ids: NDArray[np.integer], recent: NDArray[np.integer], out: Array) -> None:
        """ids (B,) after `recent` (n − 1, B), the latest first → the product with the biases, out (B, G·H)."""
        if self._table is not None:
            np.take(self._table, ids, axis=0, out=out, mode="clip")  # the other modes make a copy of `out`
        elif self._embedding is not None and self._layer is not None:
            self._layer.input_product(self._embedding[ids], out)
        if self._ngrams is not None and self._layer is not None:
            rows = np.stack(ngram_rows([ids.astype(np.int64, copy=False), *recent], self._config))
            out += np.dot(self._ngrams[rows].sum(axis=0, dtype=np.float32), self._layer.input_weight.T)


def _input_table(layer: Layer, embedding: Array | None) -> Array | None:
    """The input product with its bias for every id, (V, G·H); None where it would be too large."""
    if embedding is None:
        return np.add(layer.input_weight.T, layer.bias, order="C")
    if len(embedding) * len(layer.bias) > MAX_TABLE:
        return None
    table = np.empty((len(embedding), len(layer.bias)), np.float32)
    layer.input_product(embedding, table)
    return table
