"""N-gram tables as 8-bit rows with a scale each, the rows that training never reached left out.

A row is stored as integers q in [−127, 127] and one scale s, its largest magnitude / 127: the numbers are s·q
(symmetric quantization by row, as of embedding tables in Guan et al. 2019, "Post-Training 4-bit Quantization on
Embedding Tables"). A row of zeros was never moved from where it began, and takes one bit: that of the mask of the rows
there are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
ReadBytes = Callable[[int, int], bytes]
"""(offset, count) → so many bytes from there, or an error."""

LARGEST = 127
SMALLEST = np.finfo(np.float32).tiny
QUANTIZED_ROWS = 1 << 14  # at a time
BLOCK_ROWS = 256  # read from a file at a time


@dataclass(frozen=True)
class QuantizedRows:
    """A table (R, W) taken apart: `values` (n, W) of the n rows there are, `scales` (n,), `mask` (⌈R/8⌉,) of bits."""

    values: NDArray[np.int8]
    scales: NDArray[np.float32]
    mask: NDArray[np.uint8]


def quantize(table: NDArray[np.floating[Any]]) -> QuantizedRows:
    """The rows of a table (R, W) that aren't all zeros, and the first, each to within half of its scale.

    Some rows at a time: the table may be most of a run's memory, and no second one is made.
    """
    there: NDArray[np.bool_] = np.asarray(table.any(axis=1))
    there[0] = True  # so that there is a row to take
    ids = np.flatnonzero(there)
    values = np.empty((len(ids), table.shape[1]), np.int8)
    scales = np.empty(len(ids), np.float32)
    for start in range(0, len(ids), QUANTIZED_ROWS):
        part = slice(start, start + QUANTIZED_ROWS)
        rows = table[ids[part]].astype(np.float32, copy=False)
        scales[part] = np.abs(rows).max(axis=1) / np.float32(LARGEST)
        values[part] = np.rint(rows / np.maximum(scales[part], SMALLEST)[:, None])
    return QuantizedRows(values, scales, np.packbits(there, bitorder="little"))


class QuantizedTable:
    """A table of R rows, W wide, whose rows are widened when they are taken. Immutable to whoever takes them.

    The integers may lie in a file still: blocks of rows are read from there once, when one of them is taken, so that
    memory holds what is used. `read` is given the place of a block among the integers.
    """

    def __init__(
        self, rows: int, scales: Floats, mask: NDArray[np.uint8], width: int, read: ReadBytes
    ) -> None:
        self.shape = (rows, width)
        self._ids = np.flatnonzero(np.unpackbits(mask, count=rows, bitorder="little")).astype(np.int32)
        self._scales = scales
        self._values = np.empty((len(self._ids), width), np.int8)
        self._is_read = np.zeros(-(-len(self._ids) // BLOCK_ROWS), bool)
        self._read = read

    @classmethod
    def of(cls, parts: QuantizedRows, rows: int) -> "QuantizedTable":
        """A table of `rows` rows in memory."""
        content = parts.values.tobytes()
        width = parts.values.shape[1]
        return cls(rows, parts.scales, parts.mask, width, lambda start, count: content[start : start + count])

    def __getstate__(self) -> dict[str, Any]:
        """All that another process, or a copy, needs: it has no file to read from."""
        self._load_all()
        return {**vars(self), "_read": None}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuantizedTable) or self.shape != other.shape:
            return False
        for table in (self, other):
            table._load_all()
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("_ids", "_scales", "_values")
        )

    def __hash__(self) -> int:
        return hash(self.shape)

    def take(self, rows: NDArray[np.integer[Any]]) -> Floats:
        """Rows of any shape → that shape × W, float32; zeros for a row that isn't there."""
        places = self._ids.searchsorted(rows)
        np.minimum(places, len(self._ids) - 1, out=places)
        scales = self._scales.take(places)
        scales *= self._ids.take(places) == rows
        self._load(places)
        widened: Floats = self._values.take(places, axis=0) * scales[..., None]
        return widened

    def parts(self) -> QuantizedRows:
        """The table taken apart, as `of` puts it together."""
        self._load_all()
        there = np.zeros(self.shape[0], bool)
        there[self._ids] = True
        return QuantizedRows(self._values, self._scales, np.packbits(there, bitorder="little"))

    def dense(self) -> Floats:
        """The whole table (R, W)."""
        table = np.zeros(self.shape, np.float32)
        self._load_all()
        table[self._ids] = self._values * self._scales[:, None]
        return table

    def _load_all(self) -> None:
        self._load(np.arange(len(self._ids)))

    def _load(self, places: NDArray[np.integer[Any]]) -> None:
        """Read the blocks in which these rows lie, unless they were read. Two threads may both read one: no harm."""
        blocks = places // BLOCK_ROWS
        if self._is_read.take(blocks).all():
            return
        for block in sorted(set(blocks.ravel().tolist())):
            rows = self._values[block * BLOCK_ROWS : (block + 1) * BLOCK_ROWS]
            rows[:] = np.frombuffer(
                self._read(block * BLOCK_ROWS * self.shape[1], rows.size), np.int8
            ).reshape(rows.shape)
            self._is_read[block] = True
