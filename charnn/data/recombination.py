"""Recombined pairs: what source and target share, begun as what another pair's share.

Where a target repeats most of its source, what is repeated hardly matters, and what becomes of its end does. So a pair
may teach its change behind another beginning: the network learns to copy, and learns no stem by heart. Anastasopoulos
and Neubig (2019) draw such stems at random; those made of two sources keep to the language's spelling, and the end,
on which the change depends, stays the pair's own.
"""

from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charnn.data.pair_view import PairBatch, PairView
from charnn.data.permutation import key_of
from charnn.data.vocab import IGNORED

KEPT = 3  # symbols at a shared stretch's end that stay
SHORTEST = 4  # symbols of a stretch that may begin as another
LEAST_SHARED = 0.5  # of a source
_DRAWS = 2  # told apart by it from other numbers that follow from a seed


class _Pair(NamedTuple):
    """Ids: the source's symbols, its features, the target with its end."""

    symbols: list[int]
    features: list[int]
    target: list[int]


class Recombination:
    """Recombines a `share` of each batch's pairs; which, and with what, follows from the seed and the position.

    `copies` (source_size,) says which target symbol each source symbol is, IGNORED where it is none; the first `kinds`
    source ids are symbols, the others features.
    """

    def __init__(
        self, view: PairView, copies: NDArray[np.int64], kinds: int, share: float, seed: int
    ) -> None:
        self._view, self._copies, self._kinds = view, copies.tolist(), kinds
        self._share, self._seed = share, seed

    def batch(self, batch: PairBatch, position: int) -> PairBatch:
        """The batch at `position`, pairs of it recombined."""
        count = len(batch.lengths)
        numbers = np.random.default_rng(key_of(self._seed, position, _DRAWS))
        chosen = numbers.random(count) < self._share
        others = self._view.batch(numbers.integers(self._view.count, size=count))
        pairs = zip(self._pairs(batch), self._pairs(others), chosen, strict=True)
        return _batch([self._recombined(own, other) if drawn else own for own, other, drawn in pairs])

    def _pairs(self, batch: PairBatch) -> Iterator[_Pair]:
        for source, target in zip(batch.source.T.tolist(), batch.target.T.tolist(), strict=True):
            symbols = [symbol for symbol in source if 0 <= symbol < self._kinds]
            features = [symbol for symbol in source if symbol >= self._kinds]
            yield _Pair(symbols, features, [symbol for symbol in target if symbol != IGNORED])

    def _recombined(self, own: _Pair, other: _Pair) -> _Pair:
        """`own` with the beginning of what `other` shares; as it is where either shares too little."""
        mine, others = self._shared(own), self._shared(other)
        if mine is None or others is None:
            return own
        end = mine.a + mine.size
        stem = other.symbols[others.a : others.a + others.size - KEPT] + own.symbols[end - KEPT : end]
        symbols = own.symbols[: mine.a] + stem + own.symbols[end:]
        target = own.target[: mine.b] + self._copied(stem) + own.target[mine.b + mine.size :]
        return _Pair(symbols, own.features, target)

    def _shared(self, pair: _Pair) -> Match | None:
        """The longest stretch of symbols that stands in the target too, if it is long enough."""
        matcher = SequenceMatcher(None, self._copied(pair.symbols), pair.target, autojunk=False)
        found = matcher.find_longest_match()
        return found if found.size >= max(SHORTEST, LEAST_SHARED * len(pair.symbols)) else None

    def _copied(self, symbols: Sequence[int]) -> list[int]:
        return [self._copies[symbol] for symbol in symbols]


def _batch(pairs: Sequence[_Pair]) -> PairBatch:
    sources = [pair.symbols + pair.features for pair in pairs]
    lengths = np.array([len(source) for source in sources], np.int64)
    return PairBatch(_padded(sources), lengths, _padded([pair.target for pair in pairs]))


def _padded(rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """A column for each row, IGNORED beyond its end."""
    padded = np.full((max(map(len, rows)), len(rows)), IGNORED, np.int64)
    for column, row in enumerate(rows):
        padded[: len(row), column] = row
    return padded
