"""The tensors of a model file: float32, or of a large model float16, with large n-gram tables as 8-bit rows.

    X                  the weight X, as `model.kinds.weight_shapes` names and shapes it
    X, X.scales, X.mask   in place of a large table X (R, W): int8 (n, W), float32 (n,) and bits uint8 (⌈R/8⌉,), see
                       `storage.quantized_table`

Files may come from strangers: names, dtypes, shapes and places are checked before anything is allocated.
"""

import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from charnn.errors import CharnnError, ModelFileError
from charnn.storage.quantized_table import QuantizedTable, quantize
from charnn.storage.tensor_file import StoredTensor, stored_array

HALF_FROM = 1_000_000  # parameters: half precision halves the file and moves its loss by under 0.001
QUANTIZED_FROM = 1 << 22  # entries of a table
TABLE = "ngrams.weight"
HASHES = "documents.hashes"  # of the training documents, uint32 (n,); see `storage.model_documents`
SCALES, MASK = ".scales", ".mask"
MAX_WEIGHT = 1e6  # no network that works comes near; with it no product of a step can overflow
_HALF_EXPONENT = 0x7C00  # all of its bits set: infinite or NaN
_DTYPES: dict[str, type[np.generic]] = {
    "F32": np.float32,
    "F16": np.float16,
    "I8": np.int8,
    "U8": np.uint8,
    "U32": np.uint32,
}

Floats = NDArray[np.floating[Any]]
Weight = Floats | QuantizedTable
Weights = Mapping[str, Weight]
Shapes = Mapping[str, tuple[int, ...]]


def dense(weight: Weight) -> Floats:
    """A weight as an array."""
    return weight.dense() if isinstance(weight, QuantizedTable) else weight


# Writing.


def stored_tensors(weights: Weights) -> dict[str, StoredTensor]:
    """The tensors that a file holds for these weights."""
    tables = {name: weight for name, weight in weights.items() if is_quantized(name, weight)}
    others = {name: dense(weight) for name, weight in weights.items() if name not in tables}
    is_large = sum(prod(weight.shape) for weight in weights.values()) >= HALF_FROM
    fits = all(_largest(weight) <= float(np.finfo(np.float16).max) for weight in others.values())
    dtype, name = (np.float16, "F16") if is_large and fits else (np.float32, "F32")
    tensors = {n: stored_array(weight, np.dtype(dtype), name) for n, weight in others.items()}
    for name, table in tables.items():
        tensors |= _stored_table(name, table)
    return tensors


def is_quantized(name: str, weight: Weight) -> bool:
    """Whether a weight is stored as 8-bit rows."""
    return name.endswith(TABLE) and prod(weight.shape) >= QUANTIZED_FROM


def _stored_table(name: str, table: Weight) -> dict[str, StoredTensor]:
    parts = quantize(dense(table))
    return {
        name: stored_array(parts.values, np.dtype(np.int8), "I8"),
        name + SCALES: stored_array(parts.scales, np.dtype(np.float32), "F32"),
        name + MASK: stored_array(parts.mask, np.dtype(np.uint8), "U8"),
    }


# Reading.


@dataclass(frozen=True)
class _Place:
    """Where a tensor lies in a file, as its header says."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    bytes: int


def read_tensors(
    file: BinaryIO, path: Path, header: Mapping[str, Any], begin: int, shapes: Shapes
) -> dict[str, Weight]:
    """The weights that `shapes` asks for, from the file's tensors, which start at `begin`.

    Large tables stay in the file: rows are read when they are used. Raises ValueError for what isn't such a model's.
    """
    size = os.fstat(file.fileno()).st_size - begin
    places = {name: _place(name, entry, begin) for name, entry in header.items() if name != "__metadata__"}
    _check_places(places.values(), begin, size)
    places.pop(HASHES, None)
    tables = {name for name, place in places.items() if place.dtype == "I8" and name.endswith(TABLE)}
    _check_names(places.keys(), shapes.keys(), tables)
    floats = {"F32", "F16"} & {places[name].dtype for name in shapes.keys() - tables}
    weights: dict[str, Weight] = {}
    for name, shape in shapes.items():
        if name in tables:
            weights[name] = _table(file, path, places, name, shape)
        else:
            _require_tensor(name, places[name], min(floats, default="F32"), shape)
            weights[name] = _floats(file, name, places[name])
    return weights


def read_hashes(file: BinaryIO, header: Mapping[str, Any], begin: int) -> NDArray[np.uint32] | None:
    """The hashes of the training documents, where the file has any; after `read_tensors` has found it sound."""
    if HASHES not in header:
        return None
    place = _place(HASHES, header[HASHES], begin)
    _require_tensor(HASHES, place, "U32", (place.bytes // np.dtype(np.uint32).itemsize,))
    return _array(file, place)


def _place(name: str, entry: Any, begin: int) -> _Place:
    """What the header says of a tensor, whose bytes must be those that its shape and dtype need."""
    given = entry if isinstance(entry, dict) else {}
    dtype = given.get("dtype")
    shape, offsets = (_sizes(given.get(key)) for key in ("shape", "data_offsets"))
    if not isinstance(dtype, str) or dtype not in _DTYPES or shape is None or offsets is None:
        raise ValueError(f"its tensor {name} is not described as a tensor of a model")
    if len(offsets) != 2 or offsets[1] - offsets[0] != prod(shape) * np.dtype(_DTYPES[dtype]).itemsize:
        raise ValueError(f"its tensor {name} has other bytes than its shape and dtype need")
    return _Place(dtype, shape, begin + offsets[0], offsets[1] - offsets[0])


def _sizes(values: Any) -> tuple[int, ...] | None:
    """A list of sizes, or None where it isn't one."""
    if not isinstance(values, list) or not all(
        type(value) is int and 0 <= value < 1 << 48 for value in values
    ):
        return None
    return tuple(values)


def _check_places(places: Any, begin: int, size: int) -> None:
    """Raise ValueError unless the tensors lie side by side and fill the file."""
    end = begin
    for place in sorted(places, key=lambda place: (place.begin, place.bytes)):
        if place.begin != end:
            raise ValueError("its tensors overlap or leave a hole")
        end += place.bytes
    if end != begin + size:
        raise ValueError(f"it holds {size:,} bytes of tensors, but its header describes {end - begin:,}")


def _check_names(found: Any, expected: Any, tables: set[str]) -> None:
    """Exactly the names that the configuration asks for."""
    wanted = expected | {name + part for name in tables for part in (SCALES, MASK)}
    if found != wanted:
        odd = min(found ^ wanted)
        raise ValueError(
            f"its tensor {odd!r} is {'missing' if odd in wanted else 'not one of a charnn model'}"
        )


def _require_tensor(name: str, place: _Place, dtype: str, shape: tuple[int, ...]) -> None:
    if (place.dtype, place.shape) != (dtype, shape):
        raise ValueError(f"its tensor {name} is not {dtype} of shape {shape}")


def _floats(file: BinaryIO, name: str, place: _Place) -> Floats:
    """An array of sane size: float32, but a table that is read as it lies may be float16."""
    stored = _array(file, place)
    require_sane({name: stored})
    return stored if name.endswith(TABLE) else stored.astype(np.float32, copy=False)


def _table(
    file: BinaryIO, path: Path, places: Mapping[str, _Place], name: str, shape: tuple[int, ...]
) -> QuantizedTable:
    rows, width = shape
    values, scales, mask = (places[name + part] for part in ("", SCALES, MASK))
    _require_tensor(name + MASK, mask, "U8", (-(-rows // 8),))
    bits = _array(file, mask)
    there = int(np.unpackbits(bits, count=rows, bitorder="little").sum())
    _require_tensor(name, values, "I8", (there, width))
    _require_tensor(name + SCALES, scales, "F32", (there,))
    factors = _floats(file, name + SCALES, scales)
    if not there or factors.min() < 0:
        raise ValueError(f"its tensor {name + SCALES} holds no scales")
    return QuantizedTable(rows, factors.astype(np.float32), bits, width, _Reader(file, path, values).read)


def _array(file: BinaryIO, place: _Place) -> NDArray[Any]:
    file.seek(place.begin)
    content = file.read(place.bytes)
    if len(content) != place.bytes:
        raise ValueError("it was cut short while it was read")
    return np.frombuffer(content, _DTYPES[place.dtype]).reshape(place.shape)


class _Reader:
    """Reads bytes of a tensor where it lies, as long as anyone holds the reader, whatever the file's name becomes."""

    def __init__(self, file: BinaryIO, path: Path, place: _Place) -> None:
        self._path, self._begin = path, place.begin
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, offset: int, count: int) -> bytes:
        """So many bytes from `offset` on. Raises CharnnError, naming the file, where they can't be read any more."""
        try:
            content = os.pread(self._descriptor, count, self._begin + offset)
        except OSError as error:
            raise CharnnError(f"cannot read the model {self._path}: {error.strerror}") from error
        if len(content) != count:
            raise ModelFileError(
                f"{self._path} was cut short while it was in use: bring it back, load it again"
            )
        return content


def require_sane(weights: Weights) -> None:
    """Raise ValueError for a number that is not finite, or larger than any that works; tables that were read are."""
    for name, weight in weights.items():
        if not isinstance(weight, QuantizedTable) and not _is_sane(weight):
            raise ValueError(f"its tensor {name} has values that are not finite, or beyond ±{MAX_WEIGHT:g}")


def _is_sane(stored: Floats) -> bool:
    """Whether every number is finite and within MAX_WEIGHT; in half precision a finite one always is."""
    if stored.dtype == np.float16:  # NumPy computes in it slowly, so look at the bits
        return not bool(((stored.view(np.uint16) & _HALF_EXPONENT) == _HALF_EXPONENT).any())
    return _largest(stored) <= MAX_WEIGHT  # NaN isn't


def _largest(weight: Floats) -> float:
    """The largest magnitude, NaN where there is one; without a copy, as `np.abs` would make."""
    return float(np.maximum(weight.max(), -weight.min()))
