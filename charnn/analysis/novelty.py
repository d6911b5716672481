"""How much of a text was copied from a corpus: exactly, and in memory that doesn't grow with the corpus.

Windows of the texts are looked up in the corpus, never the other way round: the corpus is read as a stream, and each
of its windows is first compared by a rolling hash (Karp and Rabin 1987), then character by character.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from charnn.data.cache import EncodedText
from charnn.data.tokens import TokenView
from charnn.data.vocab import code_points
from charnn.inference.generate import Sample

WINDOW = 20  # characters

_MEASURED = 256  # samples looked up together
_CHUNK_SIZE = 1 << 18  # windows of the corpus looked up together
_BASE = 0x9E3779B97F4A7C15  # of the rolling hash; odd, so that it has an inverse modulo 2^64
_INVERSE = pow(_BASE, -1, 1 << 64)
_NO_CHARACTER = np.array([0x110000], np.uint32)  # stands between texts; in no corpus

Marks = NDArray[np.uint64]
Found = NDArray[np.bool_]


@dataclass(frozen=True)
class Overlap:
    """What of a text stands in the corpus, verbatim.

    `longest` stretch, in characters; `share` of the text's WINDOW-character windows, None for a shorter text.
    """

    longest: int
    share: float | None


def overlap(texts: Sequence[str], corpus: EncodedText, *, chunk_size: int = _CHUNK_SIZE) -> list[Overlap]:
    """What was copied of each text. The corpus is read some ten times, whatever the number of texts.

    `chunk_size` windows of the corpus are looked up together: it bounds the memory and changes no result.
    """
    search = _Search(texts, corpus, chunk_size)
    shares = search.shares()
    return [Overlap(*pair) for pair in zip(search.longest(), shares, strict=True)]


def with_overlaps(samples: Iterable[Sample], corpus: EncodedText) -> Iterator[tuple[Sample, Overlap]]:
    """Each sample with what it copied; they are looked up some hundreds at a time."""
    samples = iter(samples)
    while block := list(islice(samples, _MEASURED)):
        yield from zip(block, overlap([sample.text for sample in block], corpus), strict=True)


@dataclass(frozen=True)
class _Bounds:
    """Between which lengths a text's longest copied stretch lies, both included.

    `is_run`: `most` is the length of a stretch all of whose windows of `least` were found; as a rule it is the answer.
    """

    least: int
    most: int
    is_run: bool = False

    @property
    def next_size(self) -> int:
        """The window size to look up next."""
        return self.most if self.is_run else (self.least + self.most + 1) // 2

    def after(self, size: int, found: Found) -> "_Bounds":
        """The bounds once it is known which windows of `size` were found."""
        run = _longest_run(found)
        most = min(self.most, size - 1 + run)
        return _Bounds(max(self.least, size), most, True) if run else _Bounds(self.least, most)


class _Search:
    """Texts, joined, and what is known about their longest copied stretches."""

    def __init__(self, texts: Sequence[str], corpus: EncodedText, chunk_size: int) -> None:
        self._chunk_size = chunk_size
        self._lengths = [len(text) for text in texts]
        self._starts = list(accumulate((length + 1 for length in self._lengths), initial=0))[:-1]
        self._bounds = [_Bounds(0, length) for length in self._lengths]
        parts = [part for text in texts for part in (code_points(text), _NO_CHARACTER)]
        self._joined = _marks(np.concatenate([*parts, _NO_CHARACTER]))
        self._corpus = TokenView(corpus.ids, _marks(code_points(corpus.characters)).view(np.int64))

    def shares(self) -> list[float | None]:
        """Of each text's windows of WINDOW characters."""
        if max(self._lengths, default=0) < WINDOW:
            return [None] * len(self._lengths)
        return [float(found.mean()) if len(found) else None for found in self._look_up(WINDOW)]

    def longest(self) -> list[int]:
        """Of each text's copied stretches; a look-up made for one text narrows the bounds of all."""
        while unsure := next((bounds for bounds in self._bounds if bounds.least < bounds.most), None):
            self._look_up(unsure.next_size)
        return [bounds.least for bounds in self._bounds]

    def _look_up(self, size: int) -> list[Found]:
        """Which windows of each text the corpus holds."""
        found = _held(self._corpus, self._joined, size, self._chunk_size)
        spans = zip(self._starts, self._lengths, strict=True)
        by_text = [found[start : start + max(0, length - size + 1)] for start, length in spans]
        self._bounds = [bounds.after(size, mine) for bounds, mine in zip(self._bounds, by_text, strict=True)]
        return by_text


def _held(corpus: TokenView, text: Marks, size: int, chunk_size: int) -> Found:
    """Which windows of `text` the corpus holds, (len(text) − size + 1,).

    Windows whose hashes collide could hide a copy, once in some 2^64 pairs, but none is found that isn't there.
    """
    windows = sliding_window_view(text, size)
    keys, first, which = np.unique(_hashes(text, size), return_index=True, return_inverse=True)
    found = np.zeros(len(keys), bool)
    bits = max(12, len(keys).bit_length() + 3)
    shift = np.uint64(64 - bits)
    may_match = np.zeros(1 << bits, bool)  # by the hash's first bits: spares most windows the search
    may_match[keys >> shift] = True
    step = max(chunk_size, size)
    for start in range(0, len(corpus) - size + 1, step):
        read = corpus.read(start, start + step + size - 1).view(np.uint64)
        hashes = _hashes(read, size)
        places = np.flatnonzero(may_match[hashes >> shift])
        slots = np.searchsorted(keys, hashes[places]).clip(max=len(keys) - 1)
        hits = (keys[slots] == hashes[places]) & ~found[slots]
        slots, one = np.unique(slots[hits], return_index=True)
        at_once = max(1, 4 * chunk_size // size)  # windows compared, character by character
        found[slots] = _equal(
            windows, first[slots], sliding_window_view(read, size), places[hits][one], at_once
        )
    return found[which]


def _equal(
    ours: Marks, rows: NDArray[np.intp], theirs: Marks, other_rows: NDArray[np.intp], at_once: int
) -> Found:
    """Whether the windows `ours` (n, size) [rows] and `theirs` [other_rows] are the same, pair by pair."""
    slices = [slice(begin, begin + at_once) for begin in range(0, len(rows), at_once)]
    equal = [(ours[rows[part]] == theirs[other_rows[part]]).all(axis=1) for part in slices]
    return np.concatenate([np.empty(0, bool), *equal])


def _hashes(marks: Marks, size: int) -> Marks:
    """∑ marks[i + j] · BASE^j modulo 2^64 for each window of `size`, from differences of one running sum."""
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(marks * _powers(_BASE, len(marks)))])
    differences: Marks = sums[size:] - sums[:-size]
    return differences * _powers(_INVERSE, len(differences))


@lru_cache(maxsize=8)
def _powers(base: int, count: int) -> Marks:
    """1, base, base², … modulo 2^64, (count,)."""
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _marks(points: NDArray[np.uint32]) -> Marks:
    """Code points as well-mixed 64-bit numbers, each its own (Stafford's variant of MurmurHash3's finish)."""
    marks = (points.astype(np.uint64) + np.uint64(1)) * np.uint64(_BASE)
    marks = (marks ^ (marks >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    marks = (marks ^ (marks >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return marks ^ (marks >> np.uint64(31))


def _longest_run(found: Found) -> int:
    """How many stand side by side, at most."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], found, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
