"""From logits to characters: temperature, then top-k, top-p and min-p, then a draw by the Gumbel trick.

The greatest of logits plus temperature times Gumbel noise is a draw from softmax(logits / temperature) (Gumbel
1954): no division, so that every temperature from 0 (greedy) to the largest float is exact and finite.
"""

import secrets
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from charnn.config import SampleConfig
from charnn.errors import InputError
from charnn.inference.cells import Array
from charnn.inference.softmax import Doubles, probabilities_of

ENDLESS = -1
MAX_TEMPERATURE = 1e300  # as good as infinite, and its products are finite
MAX_SHARPNESS = 1e200  # 1/temperature at most: its products with differences of logits are finite


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


def checked_seed(seed: int | None) -> int:
    """The seed, or a fresh one for None. Raises InputError for a negative one."""
    if seed is None:
        return fresh_seed()
    if seed < 0:
        raise InputError(f"--seed must be ≥ 0, not {seed}")
    return seed


def generator(seed: int, index: int) -> np.random.Generator:
    """The random numbers of sample `index`: the child that SeedSequence(seed).spawn gives it."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))


def probabilities(logits: Array, config: SampleConfig) -> Doubles:
    """The distributions (B, V) that characters are drawn from, for logits (B, V)."""
    return _tempered(truncated(logits, config), config.temperature)


def _tempered(logits: Array | Doubles, temperature: float) -> Doubles:
    """The distributions (B, V) of logits divided by the temperature."""
    if temperature == 0:
        certain: Doubles = np.eye(logits.shape[1])[logits.argmax(axis=1)]
        return certain
    greatest = logits.max(axis=1, keepdims=True)
    below: Doubles = np.subtract(logits, greatest, dtype=np.float64)
    return probabilities_of(below * min(1 / temperature, MAX_SHARPNESS))


def truncates(config: SampleConfig) -> bool:
    """Whether anything is cut off."""
    return config.top_k > 0 or config.top_p < 1 or config.min_p > 0


def truncated(logits: Array, config: SampleConfig) -> Array:
    """Logits (B, V), those that top-k, then top-p, then min-p cut off at −∞.

    Each keeps the likeliest, which are a beginning of the sorted logits; of equals the first in the vocabulary
    come first. top-p keeps the fewest whose probability is that share of what top-k left; min-p those with at
    least that share of the likeliest's probability.
    """
    if not truncates(config):
        return logits
    order = np.argsort(-logits, axis=1, kind="stable")
    ranked = np.take_along_axis(_tempered(logits, config.temperature), order, axis=1)
    cut = np.zeros(logits.shape, bool)
    if config.top_k:
        cut[:, config.top_k :] = True
        ranked[cut] = 0
    sums = ranked.cumsum(axis=1)
    if config.top_p < 1:
        cut |= sums - ranked >= config.top_p * sums[:, -1:]
    cut |= ranked < config.min_p * ranked[:, :1]
    kept = np.empty_like(cut)
    np.put_along_axis(kept, order, ~cut, axis=1)
    return np.where(kept, logits, np.float32(-np.inf))


def fill_noise(noise: Doubles, numbers: np.random.Generator, temperature: float) -> None:
    """Fill `noise` with the temperature times standard Gumbel numbers."""
    numbers.standard_exponential(out=noise)
    np.log(noise, out=noise)
    noise *= -min(temperature, MAX_TEMPERATURE)


def draw(logits: Array, noise: Doubles) -> NDArray[np.intp]:
    """An id for each row of logits (B, V), with noise (B, V) from `fill_noise`; (B,)."""
    ids: NDArray[np.intp] = (logits + noise).argmax(axis=1)
    return ids
