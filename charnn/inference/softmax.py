"""From logits to probabilities, in float64. Shared by the sampler and the scorer, so that they agree."""

import numpy as np
from numpy.typing import NDArray

from charnn.inference.cells import Array

Doubles = NDArray[np.float64]

MAX_SHARPNESS = 1e200  # 1/temperature at most: its products with differences of logits are finite


def probabilities_of(logits: Array | Doubles) -> Doubles:
    """The distributions (N, V) of logits (N, V)."""
    weights = np.exp(_below(logits))
    weights /= np.add.reduce(weights, axis=1, keepdims=True)
    return weights


def tempered(logits: Array | Doubles, temperature: float) -> Doubles:
    """The distributions (N, V) of logits (N, V) divided by the temperature."""
    if temperature == 0:
        certain: Doubles = np.eye(logits.shape[1])[logits.argmax(axis=1)]
        return certain
    with np.errstate(invalid="ignore"):  # a row of −∞ alone is no distribution, and nobody draws from it
        return probabilities_of(_below(logits) * min(1 / temperature, MAX_SHARPNESS))


def all_log_probs(logits: Array) -> Doubles:
    """The natural logs of the distributions of logits (N, V), (N, V)."""
    below = _below(logits)
    below -= np.log(np.add.reduce(np.exp(below), axis=1, keepdims=True))
    return below


def log_probs_of(logits: Array, ids: NDArray[np.integer]) -> Doubles:
    """The natural log of the probability of each row's id; logits (N, V), ids (N,) → (N,)."""
    below = _below(logits)
    chosen = below[np.arange(len(ids)), ids]
    totals = np.add.reduce(np.exp(below, out=below), axis=1)
    log_probs: Doubles = chosen - np.log(totals)
    return log_probs


def _below(logits: Array | Doubles) -> Doubles:
    """Logits (N, V) less the greatest of each row: nothing above 0, so that `exp` can't overflow."""
    greatest = np.maximum.reduce(logits, axis=1, keepdims=True)
    below: Doubles = np.subtract(logits, greatest, dtype=np.float64)
    return below
