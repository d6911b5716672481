"""A text cut into B contiguous streams, read a batch at a time; where a run stands is one integer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charnn.data.tokens import TokenView


def fit(n: int, batch_size: int, seq_length: int) -> tuple[int, int]:
    """(B, T), at most those given, that n characters can fill: fewer streams first, then shorter batches.

    Raises ValueError for fewer than two characters.
    """
    if n < 2:
        raise ValueError("a text needs two characters, one to predict the other")
    streams = min(batch_size, max(1, (n - 1) // seq_length))
    return streams, min(seq_length, (n - 1) // streams)


ALL = slice(None)


@dataclass(frozen=True)
class Batch:
    """One step's text."""

    inputs: NDArray[np.int64]  # (T, B)
    targets: NDArray[np.int64]  # (T, B): the character after each input


class BatchStream:
    """Stream b holds the predictions [bL, (b+1)L) of the text, L = (n−1)//B; batch i+1 continues batch i.

    An epoch is W = ceil(L/T) batches of nearly equal length, so that none is tiny. Raises ValueError when
    the text is too short for B streams; `fit` finds sizes that do.
    """

    def __init__(self, part: TokenView, batch_size: int, seq_length: int) -> None:
        self.stream_length = (len(part) - 1) // batch_size
        if self.stream_length < 1:
            raise ValueError(f"{len(part)} characters don't fill {batch_size} streams")
        self.batches_per_epoch = -(-self.stream_length // seq_length)
        self._part = part
        self._starts = np.arange(batch_size) * self.stream_length

    def batch(self, position: int, streams: slice = ALL) -> Batch:
        """The batch at `position`, counted from the run's start; epoch = position // batches_per_epoch.

        Of some streams, those alone.
        """
        index = position % self.batches_per_epoch
        start, stop = self._boundary(index), self._boundary(index + 1)
        ids = self._part.gather(np.arange(start, stop + 1)[:, None] + self._starts[streams])
        return Batch(ids[:-1], ids[1:])

    def _boundary(self, index: int) -> int:
        return index * self.stream_length // self.batches_per_epoch
