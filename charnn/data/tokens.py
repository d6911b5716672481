"""A stretch of an encoded text, seen in a run's own ids."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charnn.data.stored_array import StoredArray


class TokenView:
    """Characters [start, stop) of a text in a run's own ids: provisional ids, seen through a table provisional → own.

    Raises CharnnError where the ids can't be read.
    """

    def __init__(
        self,
        ids: NDArray[Any] | StoredArray,
        table: NDArray[np.int64],
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        self._ids, self._table = ids, table
        self._start, self._stop = start, len(ids) if stop is None else stop

    def __len__(self) -> int:
        return self._stop - self._start

    def read(self, start: int, stop: int) -> NDArray[np.int64]:
        """Ids of the characters [start, stop), shape (stop − start,)."""
        ids: NDArray[np.int64] = self._table[
            self._ids[self._start + start : min(self._start + stop, self._stop)]
        ]
        return ids

    def gather(self, places: NDArray[np.integer]) -> NDArray[np.int64]:
        """Ids of the characters at `places`, (T, …), same shape; those along the first axis lie close together."""
        ids: NDArray[np.int64] = self._table[self._ids[np.asarray(places) + self._start]]
        return ids
