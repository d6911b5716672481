"""A shuffled order that is computed, not stored: place → number, for any place at any time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 6
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each number scattered over all 64 bits, one to one (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))


def key_of(*numbers: int) -> int:
    """One 64-bit key from several numbers, such as a seed and an epoch; their order matters."""
    key = np.zeros(1, dtype=np.uint64)
    for number in numbers:
        key = mix64(key ^ np.array([number % (1 << 64)], dtype=np.uint64))
    return int(key[0])


@dataclass(frozen=True)
class Permutation:
    """The numbers 0 … size−1 in an order fixed by `key`.

    A Feistel network over the next even power of two (Luby and Rackoff 1988); a number that falls outside is
    sent through again until it falls inside ("cycle walking", Black and Rogaway 2002). It takes no memory.
    """

    size: int
    key: int

    def __call__(self, places: NDArray[np.integer]) -> NDArray[np.int64]:
        """The numbers at `places`, each in [0, size), same shape."""
        half = np.uint64(max((self.size - 1).bit_length() + 1, 2) // 2)
        values = self._scramble(places.astype(np.uint64), half)
        while (outside := values >= np.uint64(self.size)).any():
            values[outside] = self._scramble(values[outside], half)
        return values.astype(np.int64)

    def _scramble(self, values: NDArray[np.uint64], half: np.uint64) -> NDArray[np.uint64]:
        mask = (np.uint64(1) << half) - np.uint64(1)
        left, right = values >> half, values & mask
        for turn in range(_ROUNDS):
            key = np.uint64((self.key + turn * 0xD1342543DE82EF95) % (1 << 64))
            left, right = right, left ^ (mix64(right ^ key) & mask)
        return (left << half) | right
