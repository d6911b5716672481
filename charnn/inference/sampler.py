"""From logits to characters: filters (top-k, top-p, min-p), then a draw at a temperature by the Gumbel trick.

The greatest of logits plus temperature times Gumbel noise is a draw from softmax(logits / temperature) (Gumbel
1954): no division, so that every temperature from 0 (greedy) to the largest float is exact and finite.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from charnn.config import DrawConfig, SampleConfig
from charnn.inference.cells import Array
from charnn.inference.softmax import Doubles, probabilities_of
from charnn.settings import settings_of

Filter = Callable[[Array], Array]
"""Logits (B, V) → logits, −∞ for what is not to be drawn."""

MAX_TEMPERATURE = 1e300  # as good as infinite, and its products are finite
MAX_SHARPNESS = 1e200  # 1/temperature at most: its products with differences of logits are finite


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


def filters_of(config: SampleConfig, banned_ids: Sequence[int] = ()) -> list[Filter]:
    """What may be drawn, as filters of the logits, in the order in which they apply."""
    filters: list[Filter] = []
    if banned_ids:
        filters.append(partial(without, list(banned_ids)))
    if config.top_k:
        filters.append(partial(top_k, config.top_k))
    if config.top_p < 1:
        filters.append(partial(top_p, config.top_p, config.temperature))
    if config.min_p:
        filters.append(partial(min_p, config.min_p, config.temperature))
    return filters


def filtered(logits: Array, filters: Iterable[Filter]) -> Array:
    """Logits (B, V) after one filter and another."""
    for keep in filters:
        logits = keep(logits)
    return logits


def without(ids: Sequence[int], logits: Array) -> Array:
    """Logits (B, V), those of `ids` at −∞."""
    logits = logits.copy()
    logits[:, ids] = -np.inf
    return logits


def top_k(count: int, logits: Array) -> Array:
    """Logits (B, V), all but the `count` greatest at −∞; of equals the first in the vocabulary are kept."""
    order = np.argsort(-logits, axis=1, kind="stable")
    return _only(_at(order[:, :count], logits), logits)


def top_p(share: float, temperature: float, logits: Array) -> Array:
    """Logits (B, V), all at −∞ but the fewest that together have `share` of the probability at this temperature.

    Nucleus sampling (Holtzman et al. 2020). Of equals the first in the vocabulary are kept.
    """
    order = np.argsort(-logits, axis=1, kind="stable")
    ranked = np.take_along_axis(_tempered(logits, temperature), order, axis=1)
    sums = ranked.cumsum(axis=1)
    kept = np.empty(logits.shape, bool)
    np.put_along_axis(kept, order, sums - ranked < share * sums[:, -1:], axis=1)
    return _only(kept, logits)


def min_p(share: float, temperature: float, logits: Array) -> Array:
    """Logits (B, V), at −∞ where the probability at this temperature is less than `share` of the greatest one."""
    probabilities = _tempered(logits, temperature)
    return _only(probabilities >= share * probabilities.max(axis=1, keepdims=True), logits)


def _at(places: NDArray[np.intp], logits: Array) -> NDArray[np.bool_]:
    marked = np.zeros(logits.shape, bool)
    np.put_along_axis(marked, places, True, axis=1)
    return marked


def _only(kept: NDArray[np.bool_], logits: Array) -> Array:
    return np.where(kept, logits, np.float32(-np.inf))


def probabilities(logits: Array, config: SampleConfig) -> Doubles:
    """The distributions (B, V) that characters are drawn from, for logits (B, V)."""
    return _tempered(filtered(logits, filters_of(config)), config.temperature)


def _tempered(logits: Array | Doubles, temperature: float) -> Doubles:
    """The distributions (B, V) of logits divided by the temperature."""
    if temperature == 0:
        certain: Doubles = np.eye(logits.shape[1])[logits.argmax(axis=1)]
        return certain
    greatest = logits.max(axis=1, keepdims=True)
    below: Doubles = np.subtract(logits, greatest, dtype=np.float64)
    return probabilities_of(below * min(1 / temperature, MAX_SHARPNESS))


def fill_noise(noise: Doubles, numbers: np.random.Generator, temperature: float) -> None:
    """Fill `noise` with the temperature times standard Gumbel numbers."""
    numbers.standard_exponential(out=noise)
    np.log(noise, out=noise)
    noise *= -min(temperature, MAX_TEMPERATURE)


def draw(logits: Array, noise: Doubles) -> NDArray[np.intp]:
    """An id for each row of logits (B, V), with noise (B, V) from `fill_noise`; (B,)."""
    ids: NDArray[np.intp] = (logits + noise).argmax(axis=1)
    return ids
