"""Random numbers for many samples: the children that NumPy's SeedSequence(seed).spawn gives, made all at once.

A SeedSequence for each would cost as much as drawing a short text. Its last step, which mixes a child's number into the
pool (O'Neill 2015, "Developing a seed_seq alternative"), is the same few integer operations for every child.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

Words = NDArray[np.uint32]

_POOL = 4  # words of 32 bits, into which most seeds fit
_SHIFT = np.uint32(16)
_HASH_A, _FACTOR_A = 0x43B0D7E5, 0x931E8875
_HASH_B, _FACTOR_B = 0x8B51F9DD, 0x58F38DED
_MIX_LEFT, _MIX_RIGHT = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
_HASHED_BEFORE = _POOL * _POOL  # of the pool's words, before a child's number


def generators(seed: int, indices: Sequence[int]) -> list[np.random.Generator]:
    """The random numbers of the samples `indices`."""
    if seed >= 1 << 32 * _POOL or max(indices, default=0) >= 1 << 32:  # more words than one step mixes
        children = (np.random.SeedSequence(seed, spawn_key=(index,)) for index in indices)
        return list(map(np.random.default_rng, children))
    states = _states(np.random.SeedSequence(seed).pool, np.array(indices, dtype=np.uint32))
    return [np.random.Generator(np.random.PCG64(cast(Any, _Ready(state)))) for state in states]


class _Ready(ISeedSequence):
    """The words that PCG64 asks a SeedSequence for."""

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        return self._words


def _states(pool: Words, numbers: Words) -> NDArray[np.uint64]:
    """The pool (4,) that a seed gave, and children's numbers (N,) → their generators' words (N, 4)."""
    hashes = _hashes(_HASH_A, _FACTOR_A, _HASHED_BEFORE)
    pools = [
        _scattered(_MIX_LEFT * word - _MIX_RIGHT * _hashed(numbers, *next(hashes))) for word in pool[:, None]
    ]
    hashes = _hashes(_HASH_B, _FACTOR_B, 0)
    words = [_hashed(pools[place % _POOL], *next(hashes)) for place in range(2 * _POOL)]
    pairs = np.stack(words, axis=1).astype(np.uint64).reshape(len(numbers), _POOL, 2)
    return pairs[..., 0] | pairs[..., 1] << np.uint64(32)


def _hashes(first: int, factor: int, skipped: int) -> Any:
    """The constants of one hashed word after another."""
    value = first * pow(factor, skipped, 1 << 32) % (1 << 32)
    while True:
        after = value * factor % (1 << 32)
        yield np.uint32(value), np.uint32(after)
        value = after


def _hashed(values: Words, before: np.uint32, after: np.uint32) -> Words:
    return _scattered((values ^ before) * after)


def _scattered(values: Words) -> Words:
    return values ^ (values >> _SHIFT)
