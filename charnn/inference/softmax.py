"""From logits to probabilities, in float64. Shared by the sampler and the scorer, so that they agree."""

import numpy as np
from numpy.typing import NDArray

from charnn.errors import ModelFileError
from charnn.inference.cells import Array

Doubles = NDArray[np.float64]


def shifted(logits: Array) -> Doubles:
    """Logits (N, V) less the greatest of each row: nothing above 0, so that `exp` can't overflow.

    Raises ModelFileError where a network's numbers overflowed.
    """
    greatest = np.maximum.reduce(logits, axis=1, keepdims=True)
    if not np.isfinite(greatest).all():
        raise ModelFileError(
            "the model's logits are not finite (its weights are too large): use another model"
        )
    below: Doubles = np.subtract(logits, greatest, dtype=np.float64)
    return below


def probabilities_of(logits: Array) -> Doubles:
    """The distributions (N, V) of logits (N, V)."""
    weights = np.exp(shifted(logits))
    weights /= np.add.reduce(weights, axis=1, keepdims=True)
    return weights


def log_probs_of(logits: Array, ids: NDArray[np.integer]) -> Doubles:
    """The natural log of the probability of each row's id; logits (N, V), ids (N,) → (N,)."""
    below = shifted(logits)
    chosen = below[np.arange(len(ids)), ids]
    totals = np.add.reduce(np.exp(below, out=below), axis=1)
    log_probs: Doubles = chosen - np.log(totals)
    return log_probs
