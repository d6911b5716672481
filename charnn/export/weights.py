"""A model's numbers as a page holds them: 16 or 24 bits each, of n-gram tables in 8-bit rows those 8.

Numbers that are half-precision floats, as in the file of a large model, stay such, and 8-bit rows stay as they are: the
page computes with the same numbers as the library. Other matrices become integers of 24 bits with a scale a row, as
good as the floats of 32 that they were. Rows of 8 bits would move the log-probability of a character by up to a seventh
of a nat, rows of 16 by up to 0.0006 (docs/export.md).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charnn.storage.model_tensors import Weight, Weights
from charnn.storage.quantized_table import SMALLEST, QuantizedTable

ALIGNMENT = 8  # bytes: every array begins at a multiple, so that a browser may view it as it lies
LARGEST = (1 << 23) - 1
QUANTIZED_ROWS = 1 << 12  # at a time

Entry = dict[str, Any]


class PackedArrays:
    """Arrays one behind another, each at a multiple of ALIGNMENT."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, part: bytes) -> int:
        """Where it begins."""
        begin = self._length
        padded = part + bytes(-len(part) % ALIGNMENT)
        self._parts.append(padded)
        self._length += len(padded)
        return begin

    @property
    def length(self) -> int:
        """Bytes in all."""
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)


def packed(weights: Weights, arrays: PackedArrays) -> Mapping[str, Entry]:
    """Put the weights among the arrays. For each its shape, its numbers' type, how many rows are stored, and where.

    `scales`, where there are any, are the rows'; `mask` are bits that say which rows are stored. A vector is a column.
    """
    return {name: _entry(weight, arrays) for name, weight in weights.items()}


def _entry(weight: Weight, arrays: PackedArrays) -> Entry:
    if isinstance(weight, QuantizedTable):
        rows = weight.parts()
        return {
            **_values_entry("int8", rows.values, weight.shape, arrays),
            "scales": arrays.add(rows.scales.astype("<f4").tobytes()),
            "mask": arrays.add(rows.mask.tobytes()),
        }
    matrix = weight if weight.ndim == 2 else weight[:, None]
    if is_half(matrix):
        return _values_entry("float16", matrix.astype(np.float16), matrix.shape, arrays)
    values, scales = quantized(matrix)
    return {
        **_values_entry("int24", _three_bytes(values), matrix.shape, arrays),
        "scales": arrays.add(scales.astype("<f4").tobytes()),
    }


def _values_entry(kind: str, values: NDArray[Any], shape: tuple[int, ...], arrays: PackedArrays) -> Entry:
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return {"type": kind, "shape": shape, "stored": len(values), "values": arrays.add(little.tobytes())}


def is_half(matrix: NDArray[np.floating[Any]]) -> bool:
    """Whether every number is one of half precision."""
    with np.errstate(over="ignore"):
        return bool((matrix.astype(np.float16) == matrix).all())


def quantized(
    matrix: NDArray[np.floating[Any]], largest: int = LARGEST
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Integers (R, C) within ±`largest` and scales (R,): each number to within half of its row's scale."""
    values = np.empty(matrix.shape, np.int32)
    scales = np.empty(len(matrix), np.float32)
    for start in range(0, len(matrix), QUANTIZED_ROWS):
        part = slice(start, start + QUANTIZED_ROWS)
        rows = matrix[part].astype(np.float64)
        scales[part] = np.abs(rows).max(axis=1) / largest
        units = rows / np.maximum(scales[part], SMALLEST)[:, None]
        values[part] = np.clip(np.rint(units), -largest, largest)  # the scale is rounded
    return values, scales


def _three_bytes(values: NDArray[np.int32]) -> NDArray[np.uint8]:
    """(R, C) → (R, 3·C), each number's lowest byte first."""
    return values.astype("<i4").view(np.uint8).reshape(len(values), -1, 4)[..., :3].reshape(len(values), -1)
