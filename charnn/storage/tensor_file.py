"""safetensors files, written piece by piece: no second copy of the tensors, nor of the file, is ever in memory.

    8 bytes   length of the header, little-endian
    header    JSON: "__metadata__", and for each tensor its dtype, shape and place; padded with spaces to 8 bytes
    tensors   side by side, the widest numbers first, so that each is aligned

The safetensors library makes one bytes object of all of it. It reads these files: tests compare the two to the byte.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 22  # bytes written at a time
Numbers = NDArray[Any]


@dataclass(frozen=True)
class StoredTensor:
    """One tensor to write: its dtype's name in safetensors (`F32`), shape, and where its numbers come from.

    `numbers(start, end)` gives so many numbers of the flattened tensor, as they are stored.
    """

    dtype: str
    shape: tuple[int, ...]
    itemsize: int
    numbers: Callable[[int, int], Numbers]

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.itemsize


def stored_array(array: Numbers, dtype: np.dtype[Any], name: str) -> StoredTensor:
    """An array stored as `dtype`, whose name in safetensors is `name`; it is converted piece by piece."""
    flat = array.reshape(-1)
    return StoredTensor(
        name, array.shape, dtype.itemsize, lambda start, end: flat[start:end].astype(dtype, copy=False)
    )


def safetensors_chunks(
    tensors: Mapping[str, StoredTensor], metadata: Mapping[str, str] | None = None, chunk: int = CHUNK
) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file, from its first to its last; of tensors at most `chunk` at a time."""
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))
    yield safetensors_header(dict(ordered), metadata)
    for _, tensor in ordered:
        size, step = prod(tensor.shape), chunk // tensor.itemsize
        for start in range(0, size, step):
            numbers = tensor.numbers(start, min(start + step, size))
            yield np.ascontiguousarray(numbers).view(np.uint8).data


def safetensors_header(tensors: Mapping[str, StoredTensor], metadata: Mapping[str, str] | None) -> bytes:
    """The header of tensors that lie in this order, its length before it."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    place = 0
    for name, tensor in tensors.items():
        offsets = [place, place + tensor.bytes]
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": offsets}
        place += tensor.bytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
