"""A text cut into B contiguous lanes, handed out in windows; where a run stands is one integer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charnn.text.corpus import Part


def fit(n: int, batch_size: int, seq_length: int) -> tuple[int, int]:
    """(B, T), at most those given, that n characters can fill: fewer lanes first, then a shorter window.

    Raises ValueError for fewer than two characters.
    """
    if n < 2:
        raise ValueError("a text needs two characters, one to predict the other")
    lanes = min(batch_size, max(1, (n - 1) // seq_length))
    return lanes, min(seq_length, (n - 1) // lanes)


@dataclass(frozen=True)
class Window:
    """One step's text. `starts_epoch`: the lanes begin again, so their state is reset before it."""

    inputs: NDArray[np.int64]  # (T, B)
    targets: NDArray[np.int64]  # (T, B): the character after each input
    starts_epoch: bool


class Lanes:
    """Lane b holds the predictions [bL, (b+1)L) of the text, L = (n−1)//B; window i+1 continues window i.

    An epoch is W = ceil(L/T) windows of nearly equal length, so that none is tiny. Raises ValueError when
    the text is too short for B lanes; `fit` finds sizes that do.
    """

    def __init__(self, part: Part, batch_size: int, seq_length: int) -> None:
        self.lane_length = (len(part) - 1) // batch_size
        if self.lane_length < 1:
            raise ValueError(f"{len(part)} characters don't fill {batch_size} lanes")
        self.windows_per_epoch = -(-self.lane_length // seq_length)
        self._part = part
        self._starts = np.arange(batch_size) * self.lane_length

    def window(self, position: int) -> Window:
        """The window at `position`, counted from the run's start; epoch = position // windows_per_epoch."""
        index = position % self.windows_per_epoch
        start, stop = self._boundary(index), self._boundary(index + 1)
        ids = self._part.gather(np.arange(start, stop + 1)[:, None] + self._starts)
        return Window(ids[:-1], ids[1:], starts_epoch=index == 0)

    def _boundary(self, index: int) -> int:
        return index * self.lane_length // self.windows_per_epoch
