"""From logits to characters: a draw at a temperature by the Gumbel trick. Seeds and their random numbers.

The greatest of logits plus temperature times Gumbel noise is a draw from softmax(logits / temperature) (Gumbel
1954): no division, so that every temperature from 0 (greedy) to the largest float is exact and finite.
"""

import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charnn.config import DrawConfig
from charnn.inference.cells import Array
from charnn.inference.softmax import Doubles
from charnn.settings import settings_of

MAX_TEMPERATURE = 1e300  # as good as infinite, and its products are finite
FIRST_STEPS, MAX_NUMBERS = 8, 4096  # of a stream's noise that is made at once


def fresh_seed() -> int:
    """A seed that nobody chose."""
    return secrets.randbits(32)


def checked_seed(seed: int | None) -> int:
    """The seed, or a fresh one for None. Raises InputError for one out of its range."""
    chosen: int = fresh_seed() if seed is None else settings_of(DrawConfig)["seed"].require(seed)
    return chosen


def gumbel(generators: Sequence[np.random.Generator], shape: tuple[int, ...], temperature: float) -> Doubles:
    """The temperature times standard Gumbel numbers of this shape from each of B generators, (B, …)."""
    noise = np.empty((len(generators), *shape))
    for numbers, source in zip(noise, generators, strict=True):
        source.standard_exponential(out=numbers)
    np.log(noise, out=noise)
    noise *= -min(temperature, MAX_TEMPERATURE)
    return noise


class Noise:
    """Gumbel noise for the streams of a batch, a step of all of them at a time, from a generator each.

    It is made for some steps at once, for calls cost more than numbers, and for few at first: a document may soon end.
    """

    def __init__(self, generators: Sequence[np.random.Generator], ids: int, temperature: float) -> None:
        self._generators, self._ids = generators, ids
        self._temperature = temperature
        self._block: Doubles = np.empty((0, 0, 0))  # (steps, B, V)
        self._place = 0  # of the next step in it
        self._rows: NDArray[np.intp] | None = None  # the streams that go on, if not all
        self._steps = FIRST_STEPS

    def next(self) -> Doubles:
        """The temperature times standard Gumbel numbers, (B, V)."""
        if self._place == len(self._block):
            self._make_block()
        numbers: Doubles = self._block[self._place]
        self._place += 1
        return numbers if self._rows is None else numbers[self._rows]

    def keep(self, chosen: NDArray[np.intp]) -> None:
        """Go on with some of the streams only."""
        self._rows = chosen if self._rows is None else self._rows[chosen]

    def _make_block(self) -> None:
        if self._rows is not None:
            self._generators = [self._generators[row] for row in self._rows.tolist()]
            self._rows = None
        steps = min(self._steps, max(1, MAX_NUMBERS // self._ids))
        block = gumbel(self._generators, (steps, self._ids), self._temperature)
        self._block, self._place, self._steps = block.swapaxes(0, 1), 0, 2 * self._steps


def draw(logits: Array, noise: Doubles) -> NDArray[np.intp]:
    """An id for each row of logits (B, V), with noise (B, V) from `Noise`; (B,)."""
    ids: NDArray[np.intp] = (logits + noise).argmax(axis=1)
    return ids
