"""From logits to characters: a draw at a temperature by the Gumbel trick. Seeds and their random numbers.

The greatest of logits plus temperature times Gumbel noise is a draw from softmax(logits / temperature) (Gumbel
1954): no division, so that every temperature from 0 (greedy) to the largest float is exact and finite.
"""

import secrets

import numpy as np
from numpy.typing import NDArray

from charnn.config import DrawConfig
from charnn.inference.cells import Array
from charnn.inference.softmax import Doubles
from charnn.settings import settings_of

MAX_TEMPERATURE = 1e300  # as good as infinite, and its products are finite


def fresh_seed() -> int:
    """A seed that nobody chose."""
    return secrets.randbits(32)


def checked_seed(seed: int | None) -> int:
    """The seed, or a fresh one for None. Raises InputError for one out of its range."""
    chosen: int = fresh_seed() if seed is None else settings_of(DrawConfig)["seed"].require(seed)
    return chosen


def generator(seed: int, index: int) -> np.random.Generator:
    """The random numbers of sample `index`: the child that SeedSequence(seed).spawn gives it."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))


def fill_noise(noise: Doubles, numbers: np.random.Generator, temperature: float) -> None:
    """Fill `noise` with the temperature times standard Gumbel numbers."""
    numbers.standard_exponential(out=noise)
    np.log(noise, out=noise)
    noise *= -min(temperature, MAX_TEMPERATURE)


def draw(logits: Array, noise: Doubles) -> NDArray[np.intp]:
    """An id for each row of logits (B, V), with noise (B, V) from `fill_noise`; (B,)."""
    ids: NDArray[np.intp] = (logits + noise).argmax(axis=1)
    return ids
