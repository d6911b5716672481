"""From logits to characters: temperature, top-k, top-p, min-p, then a draw by inverse cumulative sums."""

import secrets
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from charnn.config import SampleConfig
from charnn.errors import InputError
from charnn.inference.cells import Array
from charnn.inference.softmax import Doubles, shifted

ENDLESS = -1
MAX_SHARPNESS = (
    1e200  # 1/temperature at most: with it a product with a difference of float32 logits stays finite
)


def check_sample_config(config: SampleConfig) -> None:
    """Raise InputError, naming the option and its range, for a value that makes no sense."""
    checks = [
        (config.length >= ENDLESS, "length", "−1 (endless) or more", config.length),
        (
            isfinite(config.temperature) and config.temperature >= 0,
            "temp",
            "finite and ≥ 0",
            config.temperature,
        ),
        (config.top_k >= 0, "top-k", "≥ 0", config.top_k),
        (0 < config.top_p <= 1, "top-p", "in (0, 1]", config.top_p),
        (0 <= config.min_p < 1, "min-p", "in [0, 1)", config.min_p),
        (all(config.stop), "stop", "at least one character", '""'),
    ]
    for passed, option, allowed, value in checks:
        if not passed:
            raise InputError(f"--{option} must be {allowed}, not {value}")


def fresh_seed() -> int:
    """A seed that nobody chose."""
    return secrets.randbits(32)


def generator(seed: int, index: int) -> np.random.Generator:
    """The random numbers of sample `index`: the child that SeedSequence(seed).spawn gives it.

    Raises InputError for a negative seed.
    """
    if seed < 0:
        raise InputError(f"--seed must be ≥ 0, not {seed}")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))


def probabilities(logits: Array, config: SampleConfig) -> Doubles:
    """The distributions (B, V) that characters are drawn from, for logits (B, V)."""
    weights = weights_of(logits, config)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def weights_of(logits: Array, config: SampleConfig) -> Doubles:
    """Probabilities but for a factor a row: tempered, then truncated."""
    below = shifted(logits)
    if config.temperature == 0:
        return _greedy(below)
    if config.temperature != 1:
        below *= min(1 / config.temperature, MAX_SHARPNESS)
    weights = np.exp(below, out=below)
    if config.top_k or config.top_p < 1 or config.min_p:
        _truncate(weights, config)
    return weights


def _greedy(below: Doubles) -> Doubles:
    """All weight on the likeliest, the first of equals."""
    weights = np.zeros_like(below)
    weights[np.arange(len(below)), below.argmax(axis=1)] = 1
    return weights


def _truncate(weights: Doubles, config: SampleConfig) -> None:
    """Zero the weights that top-k, then top-p, then min-p cut off; in place.

    Each keeps the likeliest: a beginning of the sorted weights, of equals the first in the vocabulary first.
    top-p keeps the fewest whose sum is at least that share of what top-k left; min-p those of at least that
    share of the likeliest.
    """
    order = np.argsort(-weights, axis=1, kind="stable")
    ranked = np.take_along_axis(weights, order, axis=1)
    if config.top_k:
        ranked[:, config.top_k :] = 0
    if config.top_p < 1:
        sums = ranked.cumsum(axis=1)
        ranked[(sums - ranked) >= config.top_p * sums[:, -1:]] = 0
    ranked[ranked < config.min_p * ranked[:, :1]] = 0
    np.put_along_axis(weights, order, ranked, axis=1)


def draw(weights: Doubles, uniforms: Doubles) -> NDArray[np.intp]:
    """For each row of weights (B, V) the id at which the cumulative sum passes that share of the whole; (B,).

    A share below 1 stays below the whole in float64 too, so that an id with weight 0 is never drawn.
    """
    sums = np.add.accumulate(weights, axis=1)
    passed = sums <= (uniforms * sums[:, -1])[:, None]
    ids: NDArray[np.intp] = np.add.reduce(passed, axis=1, dtype=np.intp)
    return ids
