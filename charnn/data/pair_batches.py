"""Pairs as batches of like lengths, in a new order each epoch that follows from the seed: a place is one integer.

An epoch's order is computed, not stored; it is cut into pools, and only a pool is sorted at a time: by the length of
the sources, then of the targets, equal ones in a random order. So ten million pairs take no more memory than these.
"""

import numpy as np
from numpy.typing import NDArray

from charnn.data.pair_view import PairBatch, PairView
from charnn.data.permutation import Permutation, key_of

POOL = 1 << 17  # pairs


class PairBatches:
    """Batches of at most `batch_size` pairs. Raises ValueError for a view without pairs."""

    def __init__(self, view: PairView, batch_size: int, seed: int) -> None:
        if not view.count:
            raise ValueError("no pairs to make batches of")
        self._view, self._seed = view, seed
        self._pools = [range(first, min(first + POOL, view.count)) for first in range(0, view.count, POOL)]
        counts = [-(-len(pool) // batch_size) for pool in self._pools]
        self._ends = np.cumsum(counts)
        self.batches_per_epoch = int(self._ends[-1])
        self._sorted: tuple[int, int, NDArray[np.int64]] | None = None

    def batch(self, position: int) -> PairBatch:
        """The batch at `position`, counted from the run's start; epoch = position // batches_per_epoch."""
        epoch, index = divmod(position, self.batches_per_epoch)
        pool = int(np.searchsorted(self._ends, index, side="right"))
        batches = int(self._ends[pool] - (self._ends[pool - 1] if pool else 0))
        place = index - int(self._ends[pool] - batches)
        number = int(Permutation(batches, key_of(self._seed, epoch, 1 + pool))(np.array([place]))[0])
        pairs = self._pool(epoch, pool)
        edges = [(number + k) * len(pairs) // batches for k in (0, 1)]
        return self._view.batch(pairs[edges[0] : edges[1]])

    def _pool(self, epoch: int, pool: int) -> NDArray[np.int64]:
        """A pool's pairs, those of like lengths side by side."""
        if self._sorted is None or self._sorted[:2] != (epoch, pool):
            places = self._pools[pool]
            shuffle = Permutation(self._view.count, key_of(self._seed, epoch))
            pairs = shuffle(np.arange(places.start, places.stop))
            sources, targets = self._view.lengths(pairs)
            self._sorted = epoch, pool, pairs[np.lexsort((targets, sources))]
        return self._sorted[2]
