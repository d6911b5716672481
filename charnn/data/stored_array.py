"""Arrays in files of the cache, read where they are wanted.

They are never mapped: where another program cuts a mapped file short, or its disk fails, reading it kills the process.
"""

import os
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import DTypeLike, NDArray

from charnn.errors import CharnnError
from charnn.files import explained, open_own_file

SMALL = 4 << 20  # bytes; a smaller file is read at once
IN_MEMORY = 64 << 20  # bytes of a text that is trained on and held in memory


class StoredArray:
    """A one-dimensional array of `length` items in a file; reading raises CharnnError. Threads may share it."""

    def __init__(self, path: Path, dtype: DTypeLike, length: int) -> None:
        self.dtype = np.dtype(dtype)
        self._path, self._length = path, length
        with open_own_file(path) as file:
            self._descriptor = os.dup(file.fileno())
        finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """A stretch, or the items at the places of an array, (T, …), which lie close together along its first axis."""
        if isinstance(key, slice):
            start, stop, step = key.indices(self._length)
            return self._read(start, max(start, stop))[::step]
        places = np.asarray(key)
        return self._windows(places.reshape(len(places), -1)).reshape(places.shape)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _windows(self, places: NDArray[np.integer]) -> NDArray[Any]:
        """Items at `places`, (T, N): one reading for each column."""
        if not places.size:
            return np.empty(places.shape, self.dtype)
        first = places.min(axis=0)
        width = int((places.max(axis=0) - first).max()) + 1
        first = np.minimum(first, self._length - width)
        read = np.frombuffer(b"".join([self._bytes(at, width) for at in first.tolist()]), self.dtype)
        within = places - first + np.arange(len(first)) * width
        items: NDArray[Any] = read[within]
        return items

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        return np.frombuffer(self._bytes(start, stop - start), self.dtype)

    def _bytes(self, start: int, count: int) -> bytes:
        size, offset = count * self.dtype.itemsize, start * self.dtype.itemsize
        with explained(self._path, "read"):
            data = os.pread(self._descriptor, size, offset)
            while 0 < len(data) < size and (
                more := os.pread(self._descriptor, size - len(data), offset + len(data))
            ):
                data += more
        if len(data) != size:
            raise CharnnError(
                "the cached copy of the corpus was cut short while it was in use; go on with --resume"
            )
        return data


def open_array(path: Path, dtype: DTypeLike, length: int, small: int | None = None) -> Any:
    """A file's array: whole if it has at most `small` bytes (None: SMALL), else as a StoredArray.

    Raises OSError or CharnnError."""
    if not hasattr(os, "pread"):  # Windows, which lets nobody cut a mapped file short
        return np.memmap(path, dtype=dtype, mode="r") if length else np.empty(0, dtype=dtype)
    stored = StoredArray(path, dtype, length)
    return stored[:] if length * stored.dtype.itemsize <= (SMALL if small is None else small) else stored


def in_memory(array: Any, most: int | None = None) -> Any:
    """The array in memory, which is the quickest for a whole run, if it has at most `most` bytes (None: IN_MEMORY)."""
    most = IN_MEMORY if most is None else most
    is_held = isinstance(array, StoredArray) and len(array) * array.dtype.itemsize <= most
    return array[:] if is_held else array
