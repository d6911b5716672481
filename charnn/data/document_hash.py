"""A 64-bit hash of a document's UTF-8 bytes: what tells duplicates, and on which side of the split one falls.

It depends on the text alone: not on its place, its neighbours, the vocabulary or how the file was read. It is the
polynomial Σ b_i r^i of the bytes modulo 2^64 (Karp and Rabin 1987), mixed with their number: all of the documents in
a text are hashed in a few passes. Against a collision that is chosen on purpose it is no defence.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from charnn.data.permutation import mix64

_BASE = 0xD1342543DE82EF95  # r, odd: it has an inverse modulo 2^64
_INVERSE = pow(_BASE, -1, 1 << 64)

Words = NDArray[np.uint64]


def document_hash(text: str) -> int:
    """The hash of one document, without its end. A lone surrogate counts as its three bytes."""
    data = text.encode("utf-8", "surrogatepass")
    (found,) = DocumentHasher().add(data + b"\0", np.array([len(data)]), 1)
    return int(found)


class DocumentHasher:
    """Hashes a stream of bytes in which every document ends with a mark, a piece at a time."""

    def __init__(self) -> None:
        self._sum, self._size = 0, 0  # of the document that the last piece left open
        self._buffer = np.zeros(1, dtype=np.uint64)  # a fresh one for each piece would cost half of the time

    def add(self, data: bytes, marks: NDArray[np.int64], mark_size: int) -> Words:
        """The hashes of the documents that end in this piece, at `marks`, each `mark_size` bytes."""
        starts = np.concatenate([[0], marks + mark_size])
        ends = np.append(marks, len(data))
        sums = np.add.reduceat(self._terms(data, marks, mark_size), starts)
        sums *= _powers(_INVERSE, len(data) + mark_size + 1)[starts]
        sizes = ends - starts
        head = pow(_BASE, self._size, 1 << 64) * int(sums[0]) + self._sum
        sums[0] = head % (1 << 64)
        sizes[0] += self._size
        self._sum, self._size = int(sums[-1]), int(sizes[-1])
        return mix64(sums[:-1] ^ mix64(sizes[:-1].astype(np.uint64)))

    def _terms(self, data: bytes, marks: NDArray[np.int64], mark_size: int) -> Words:
        """b_i r^i of each byte, 0 of those of marks and for one after the last, (n + 1,); good until the next call."""
        if len(self._buffer) <= len(data):
            self._buffer = np.zeros(len(data) + 1, dtype=np.uint64)
        terms = self._buffer[: len(data) + 1]
        np.multiply(np.frombuffer(data, dtype=np.uint8), _powers(_BASE, len(data)), out=terms[:-1])
        terms[-1] = 0
        for byte in range(mark_size):
            terms[marks + byte] = 0
        return terms


def _powers(base: int, count: int) -> Words:
    """base^0, base^1, …, at least `count` of them, modulo 2^64."""
    return _power_table(base, max(count - 1, 1).bit_length())[:count]


@lru_cache(maxsize=8)
def _power_table(base: int, bits: int) -> Words:
    powers = np.ones(1, dtype=np.uint64)
    for bit in range(bits):
        powers = np.concatenate([powers, powers * np.uint64(pow(base, 1 << bit, 1 << 64))])
    return powers
