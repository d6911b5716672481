"""A 64-bit hash of a document's UTF-8 bytes: what tells duplicates, and on which side of the split one falls.

It depends on the text alone: not on its place, its neighbours, the vocabulary or how the file was read. The bytes are
read eight at a time; each word is mixed with its number, the mixed words are summed, and sum and length are mixed
again. Against a collision that is chosen on purpose it is no defence.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charnn.data.permutation import mix64

_WORD = 8  # bytes
_STEP = np.uint64(0xD1342543DE82EF95)  # odd: a word's number is multiplied by it
_MASKS = np.array([(1 << (8 * size)) - 1 for size in range(1, _WORD + 1)], dtype=np.uint64)

Words = NDArray[np.uint64]


def document_hash(text: str) -> int:
    """The hash of one document, without its end. A lone surrogate counts as its three bytes."""
    data = text.encode("utf-8", "surrogatepass")
    (found,) = DocumentHasher().add(data + b"\0", np.array([len(data)]), 1)
    return int(found)


class _Open(NamedTuple):
    """The document that a piece left open: the sum over its whole words, their number, and the bytes after them."""

    total: int = 0
    words: int = 0
    tail: bytes = b""


class DocumentHasher:
    """Hashes a stream of bytes in which every document ends with a mark, a piece at a time."""

    def __init__(self) -> None:
        self._open = _Open()

    def add(self, data: bytes, marks: NDArray[np.int64], mark_size: int) -> Words:
        """The hashes of the documents that end in this piece, at `marks`, each `mark_size` bytes."""
        before = self._open
        text = np.frombuffer(before.tail + data + bytes(_WORD), dtype=np.uint8)
        size = len(before.tail) + len(data)
        ends = np.append(marks + len(before.tail), size)
        starts = np.append(0, ends[:-1] + mark_size)
        lengths = ends - starts
        lengths[-1] -= lengths[-1] % _WORD  # of the open document, its whole words
        words = -(-lengths // _WORD)
        sums = _sums(text, starts, lengths, words, before.words)
        sums[:1] += np.array([before.total], dtype=np.uint64)  # an array's sum wraps without a warning
        whole = int(starts[-1] + lengths[-1])
        read = int(words[-1]) + (before.words if len(starts) == 1 else 0)
        self._open = _Open(int(sums[-1]), read, text[whole:size].tobytes())
        lengths[0] += before.words * _WORD
        return mix64(sums[:-1] ^ mix64(lengths[:-1].astype(np.uint64)))


def _sums(
    text: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    words: NDArray[np.int64],
    first_number: int,
) -> Words:
    """For each stretch of `text` the sum of its mixed words; the first stretch's begin with number `first_number`."""
    firsts = np.cumsum(words) - words
    within = np.arange(int(words.sum())) - np.repeat(firsts, words)  # a word's number in its stretch
    places = np.repeat(starts, words) + within * _WORD
    overlapping = np.ndarray(len(text) - _WORD + 1, dtype="<u8", buffer=text.data, strides=(1,))
    values = overlapping[places].astype(np.uint64, copy=False)
    lasts = firsts + words - 1  # the word that may be short; of an empty stretch none
    has_words = words > 0
    values[lasts[has_words]] &= _MASKS[(lengths[has_words] - 1) % _WORD]
    within[: int(words[0])] += first_number
    mixed = mix64(values + (within + 1).astype(np.uint64) * _STEP)
    upto = np.append(np.uint64(0), np.cumsum(mixed, dtype=np.uint64))
    sums: Words = upto[firsts + words] - upto[firsts]
    return sums
