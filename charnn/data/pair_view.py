"""Pairs of an encoded collection in a run's own ids, padded side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charnn.data.cache import EncodedText
from charnn.data.pair_encoding import DIVIDER
from charnn.data.pair_files import Pair
from charnn.data.stored_array import StoredArray
from charnn.data.symbols import PairVocabulary
from charnn.data.vocab import IGNORED, UNKNOWN_ID, Vocabulary

"""What stands beyond a row's end, in sources and in targets."""

Numbers = NDArray[np.int64]


class PairBatch(NamedTuple):
    """N pairs: source ids (S, N) and target ids (T, N), each target with its end; IGNORED beyond a row's end.

    `lengths` (N,) are those of the sources, features included.
    """

    source: Numbers
    lengths: Numbers
    target: Numbers


@dataclass(frozen=True, eq=False)
class PairPlaces:
    """Where the parts of some pairs lie in `ids`: the first place of each source, its dividers, and the mark after."""

    ids: NDArray[np.integer]
    begins: Numbers
    source_ends: Numbers
    features_ends: Numbers
    ends: Numbers


class PairView:
    """Some pairs of a text: those of its rows `rows`, (n,)."""

    def __init__(
        self, text: EncodedText, rows: NDArray[np.uint32], vocabulary: Vocabulary, pairs: PairVocabulary
    ) -> None:
        assert text.documents is not None and vocabulary.end_id is not None
        self._rows, self._ends, self._characters = rows, text.documents.ends, text.characters
        self._ids = text.ids
        self._divider, self._end_id = text.characters.index(DIVIDER), vocabulary.end_id
        unknown = pairs.unknown_id
        self._source_ids = _table(text, pairs.source_vocabulary, 0, unknown)
        features = pairs.features_vocabulary
        self._features_ids = (
            _table(text, features, len(pairs.source), unknown)
            if features
            else np.full_like(self._source_ids, unknown)
        )
        self._target_ids = _table(text, vocabulary, 0, vocabulary.unknown_id)
        self.count = len(rows)
        sizes = [
            (int((at.features_ends - at.begins).sum()), int((at.ends - at.features_ends).sum()))
            for at in self._chunks()
        ]
        self.source_symbols = sum(sources for sources, _ in sizes)
        self._symbols = sum(targets for _, targets in sizes)

    def __len__(self) -> int:
        """Symbols of the targets, their ends included."""
        return self._symbols

    def lengths(self, numbers: NDArray[np.integer]) -> tuple[Numbers, Numbers]:
        """Of the pairs of these numbers, each in [0, count): symbols of the source, features included, and target."""
        at = self._places(numbers)
        return at.features_ends - at.begins - 1, at.ends - at.features_ends

    def batch(self, numbers: NDArray[np.integer]) -> PairBatch:
        """The pairs of these numbers, in their order."""
        at = self._places(numbers)
        sources, features = at.source_ends - at.begins, at.features_ends - at.source_ends - 1
        targets = at.ends - at.features_ends - 1
        source = np.full((int((sources + features).max()), len(numbers)), IGNORED)
        target = np.full((int(targets.max()) + 1, len(numbers)), IGNORED)
        _fill(source, 0 * sources, sources, self._source_ids, at.ids, at.begins)
        _fill(source, sources, features, self._features_ids, at.ids, at.source_ends + 1)
        _fill(target, 0 * targets, targets, self._target_ids, at.ids, at.features_ends + 1)
        target[targets, np.arange(len(numbers))] = self._end_id
        return PairBatch(source, sources + features, target)

    def glyphs(self) -> Iterator[Pair]:
        """The pairs as they are encoded: see `data.symbols`."""
        characters = np.array([*self._characters])
        for at in self._chunks():
            glyphs = "".join(characters[at.ids])
            edges = zip(at.begins, at.features_ends, at.ends, strict=True)
            for begin, features_end, end in edges:
                source, features = glyphs[begin:features_end].split(DIVIDER)
                yield Pair(source, glyphs[features_end + 1 : end], features)

    def _chunks(self, size: int = 1 << 16) -> Iterator[PairPlaces]:
        for start in range(0, self.count, size):
            yield self._places(np.arange(start, min(start + size, self.count)))

    def _places(self, numbers: NDArray[np.integer]) -> PairPlaces:
        """Their rows, side by side, each with its mark."""
        rows = self._rows[numbers].astype(np.int64)
        begins, ends = np.asarray(self._ends[np.stack([rows, rows + 1])], dtype=np.int64)
        sizes = ends - begins
        upto = np.cumsum(sizes)
        ids = _joined(self._ids, begins + 1, sizes)
        dividers = np.flatnonzero(ids == self._divider).reshape(-1, 2)
        return PairPlaces(ids, upto - sizes, dividers[:, 0], dividers[:, 1], upto - 1)


def _joined(ids: NDArray[Any] | StoredArray, begins: Numbers, sizes: Numbers) -> NDArray[Any]:
    """Stretches of `ids`, side by side; of an array on disk one reading each."""
    if isinstance(ids, StoredArray):
        return np.concatenate([ids[begin : begin + size] for begin, size in zip(begins, sizes, strict=True)])
    firsts = np.cumsum(sizes) - sizes
    joined: NDArray[Any] = ids[np.repeat(begins - firsts, sizes) + np.arange(int(sizes.sum()))]
    return joined


def _fill(
    padded: Numbers,
    offsets: Numbers,
    lengths: Numbers,
    table: Numbers,
    ids: NDArray[np.integer],
    begins: Numbers,
) -> None:
    """Column i of `padded` gets `lengths[i]` ids from `begins[i]` on, from row `offsets[i]` on."""
    columns = np.repeat(np.arange(len(lengths)), lengths)
    within = np.arange(len(columns)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    padded[offsets[columns] + within, columns] = table[ids[begins[columns] + within]]


def _table(text: EncodedText, vocabulary: Vocabulary, offset: int, unknown: int) -> Numbers:
    """Provisional id → the run's own."""
    ids = vocabulary.encode(text.characters).astype(np.int64)
    return np.where(ids == UNKNOWN_ID, unknown, ids + offset)
