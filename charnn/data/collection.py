"""The parts of a collection: which documents train and which validate, chosen by their content alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charnn.config import MAX_VALIDATION
from charnn.data.cache import EncodedText
from charnn.data.document_table import DocumentTable
from charnn.data.permutation import mix64
from charnn.data.tokens import TokenView
from charnn.data.vocab import Vocabulary

DEFAULT_FRACTION = 0.1
CHUNK = 1 << 18  # documents looked at together

_SPLIT = np.uint64(0x5A17)  # so that the choice doesn't depend on the bits that anything else uses


class DocumentView:
    """Some documents of a text, in a run's own ids. `end_id` stands after each, and before the first."""

    def __init__(
        self, tokens: TokenView, table: DocumentTable, chosen: NDArray[np.bool_], end_id: int
    ) -> None:
        self.tokens, self.end_id = tokens, end_id
        self._table, self._chosen = table, chosen
        self.count = int(np.count_nonzero(chosen))
        self._symbols = sum(int(lengths.sum()) for _, lengths in self.spans())

    def __len__(self) -> int:
        """Symbols: the documents' characters and their ends, each predicted once."""
        return self._symbols

    def spans(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The first place of each document and its symbols, end included; in the order of the text, in chunks."""
        for start in range(0, len(self._table), CHUNK):
            ends = np.asarray(self._table.ends[start : start + CHUNK + 1], dtype=np.int64)
            chosen = self._chosen[start : start + CHUNK]
            yield ends[:-1][chosen] + 1, np.diff(ends)[chosen]

    def texts(self, vocabulary: Vocabulary) -> Iterator[str]:
        """The documents, in the order of the text."""
        for starts, lengths in self.spans():
            for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
                yield vocabulary.decode(self.tokens.read(start, start + length - 1))

    def hashes(self) -> NDArray[np.uint64]:
        """Of the documents, in the order of the text."""
        starts = range(0, len(self._table), CHUNK)
        parts = [
            self._table.hashes[start : start + CHUNK][self._chosen[start : start + CHUNK]] for start in starts
        ]
        return np.concatenate([np.empty(0, np.uint64), *parts])


@dataclass(frozen=True, eq=False)
class Split:
    """Which documents are in each part, (n,) each; `validates` None when the fraction is 0."""

    trains: NDArray[np.bool_]
    validates: NDArray[np.bool_] | None


def split_documents(text: EncodedText, fraction: float | None, unique: bool) -> Split:
    """A document validates when its content's hash falls into the `fraction`: duplicates stay together.

    None: a tenth, at most MAX_VALIDATION symbols. Where the hashes leave a part without documents, the document
    with the lowest hash validates or that with the highest trains.
    """
    table = text.documents
    assert table is not None
    kept = _kept(table, unique)
    if fraction == 0:
        return Split(kept, None)
    if fraction is None:
        fraction = min(DEFAULT_FRACTION, MAX_VALIDATION / len(text.ids))
    validates = np.empty(len(table), dtype=bool)
    bound = np.uint64(min(int(fraction * 2.0**64), 2**64 - 1))
    for start in range(0, len(table), CHUNK):
        validates[start : start + CHUNK] = _keys(table, start) < bound
    validates &= kept
    if not validates.any() or (validates == kept).all():  # as only few documents do
        validates = kept & _by_rank(table, kept, lowest=not validates.any())
    return Split(kept & ~validates, validates)


def _kept(table: DocumentTable, unique: bool) -> NDArray[np.bool_]:
    """The rows that are documents, and the first of their kind where that is wanted."""
    kept = np.empty(len(table), dtype=bool)
    for start in range(0, len(table), CHUNK):
        rows = slice(start, start + CHUNK)
        kept[rows] = np.diff(table.ends[start : start + CHUNK + 1]) > 1
        if unique:
            kept[rows] &= table.firsts[rows] > 0
    return kept


def _keys(table: DocumentTable, start: int = 0) -> NDArray[np.uint64]:
    return mix64(np.asarray(table.hashes[start : start + CHUNK]) ^ _SPLIT)


def _by_rank(table: DocumentTable, kept: NDArray[np.bool_], *, lowest: bool) -> NDArray[np.bool_]:
    """The document with the lowest key, or all but that with the highest."""
    keys = np.concatenate([_keys(table, start) for start in range(0, len(table), CHUNK)])
    chosen: NDArray[np.bool_] = keys == keys[kept].min() if lowest else keys != keys[kept].max()
    return chosen
