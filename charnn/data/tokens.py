"""A stretch of an encoded text, seen in a run's own ids."""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charnn.errors import CharnnError

_RESIDENT_BYTES = 64 << 20  # a larger map's pages are given back after each reading


def release_pages(array: NDArray[Any], above: int = 0) -> None:
    """Let go of the pages of a map of more than so many bytes, so that reading all of it leaves the memory flat."""
    mapping = getattr(array, "_mmap", None)
    if mapping is not None and len(mapping) > above and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


class TokenView:
    """A stretch of text in a run's own ids: provisional ids, (n,), seen through a table provisional → own."""

    def __init__(self, ids: NDArray[Any], table: NDArray[np.int64]) -> None:
        self._ids, self._table = ids, table

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, start: int, stop: int) -> NDArray[np.int64]:
        """Ids of the characters [start, stop), shape (stop − start,)."""
        self._require_whole()
        return self._own(self._ids[start:stop])

    def gather(self, places: NDArray[np.integer]) -> NDArray[np.int64]:
        """Ids of the characters at `places`, same shape."""
        self._require_whole()
        return self._own(self._ids[places])

    def _own(self, provisional: NDArray[Any]) -> NDArray[np.int64]:
        ids: NDArray[np.int64] = self._table[provisional]
        release_pages(self._ids, above=_RESIDENT_BYTES)
        return ids

    def _require_whole(self) -> None:
        """Raise CharnnError where the file behind the map was cut: reading beyond its end would kill the process."""
        mapping = getattr(self._ids, "_mmap", None)
        if mapping is not None and mapping.size() < len(mapping):
            raise CharnnError(
                "the cached copy of the corpus was cut short while it was in use; go on with --resume"
            )
