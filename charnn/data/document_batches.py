"""Documents as batches: rows of about one length, each from a document's beginning, in a new order each epoch.

An epoch is the same batches for every order: documents are sorted into classes of similar length once, and every
epoch permutes each class, and the batches among each other, by keys that follow from the seed and the epoch. So the
place of a run is one integer, and nothing but each document's first place is held in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charnn.data.batches import Batch
from charnn.data.collection import DocumentView
from charnn.data.permutation import Permutation, key_of
from charnn.data.vocab import IGNORED

LONGEST_ROW = 1024  # symbols; a longer document is read in pieces, each but the first from the zero state
CLASS_RATIO = 1.5  # between the longest and the shortest row of a class, where there are enough rows


@dataclass(frozen=True)
class _LengthClass:
    """Rows of at most `width` symbols: places [first, last) of the sorted starts, in `batches` batches."""

    width: int
    first: int
    last: int
    batches: int
    windows: int  # of each batch


@dataclass(frozen=True)
class DocumentBatch(Batch):
    """A window of rows; it `begins` where the documents do, so that no state is carried into it."""

    begins: bool


class DocumentBatches:
    """Batches of about `batch_size` × `seq_length` symbols.

    A batch of short rows has more of them; one of rows longer than `seq_length` is read in windows, state carried.
    Raises ValueError for a view without documents.
    """

    def __init__(self, view: DocumentView, batch_size: int, seq_length: int, seed: int) -> None:
        if not view.count:
            raise ValueError("no documents to make batches of")
        self._view, self._seed = view, seed
        histogram = np.zeros(LONGEST_ROW + 1, dtype=np.int64)
        for _, lengths in _rows(view):
            histogram += np.bincount(lengths, minlength=LONGEST_ROW + 1)
        self._classes = _length_classes(histogram, batch_size, seq_length)
        self._starts = _sorted_starts(view, [found.width for found in self._classes])
        self._first_batches = np.cumsum([0, *(found.batches for found in self._classes)])
        self._windows = np.repeat(
            [found.windows for found in self._classes], [found.batches for found in self._classes]
        )
        self.batches_per_epoch = int(self._windows.sum())
        self.chars_per_batch = len(view) / self.batches_per_epoch
        self._epoch: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    def batch(self, position: int) -> DocumentBatch:
        """The batch at `position`, counted from the run's start; epoch = position // batches_per_epoch."""
        epoch, number, window = self._locate(position)
        found, rows = self._class_and_rows(epoch, number)
        begin, stop = (found.width * edge // found.windows for edge in (window, window + 1))
        starts = self._starts[rows].astype(np.int64)
        return document_batch(self._view, starts, self._lengths(starts, found.width), begin, stop)

    def rows(self, position: int) -> int:
        """How many rows the batch at `position` has."""
        epoch, number, _ = self._locate(position)
        return len(self._class_and_rows(epoch, number)[1])

    def _lengths(self, starts: NDArray[np.int64], width: int) -> NDArray[np.int64]:
        """Symbols of the rows at `starts`: up to their document's end, at most `width`."""
        is_end = _gathered(self._view, np.arange(width)[:, None] + starts) == self._view.end_id
        return np.where(is_end.any(axis=0), is_end.argmax(axis=0) + 1, width)

    def _locate(self, position: int) -> tuple[int, int, int]:
        """(epoch, number of the batch in the unpermuted epoch, window)."""
        epoch, index = divmod(position, self.batches_per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            order = Permutation(len(self._windows), key_of(self._seed, epoch))(np.arange(len(self._windows)))
            self._epoch = epoch, order, np.cumsum(self._windows[order])
        _, order, ends = self._epoch
        place = int(np.searchsorted(ends, index, side="right"))
        number = int(order[place])
        return epoch, number, index - int(ends[place] - self._windows[number])

    def _class_and_rows(self, epoch: int, number: int) -> tuple[_LengthClass, NDArray[np.int64]]:
        """A batch's class, and the places of its rows among the sorted starts."""
        index = int(np.searchsorted(self._first_batches, number, side="right")) - 1
        found, batch = self._classes[index], number - int(self._first_batches[index])
        size = found.last - found.first
        places = np.arange(batch * size // found.batches, (batch + 1) * size // found.batches)
        return found, found.first + Permutation(size, key_of(self._seed, epoch, 1 + index))(places)


def document_batch(
    view: DocumentView, starts: NDArray[np.int64], lengths: NDArray[np.int64], begin: int, stop: int
) -> DocumentBatch:
    """Symbols [begin, stop) of rows with these first places and lengths; what lies beyond a row's length is ignored."""
    numbers = np.arange(begin - 1, stop)[:, None]
    ids = _gathered(view, numbers + starts)
    inputs, targets = ids[:-1].copy(), ids[1:]
    beyond = numbers[1:] >= lengths
    targets[beyond] = IGNORED
    inputs[beyond] = view.end_id
    return DocumentBatch(inputs, targets, begins=begin == 0)


def _gathered(view: DocumentView, places: NDArray[np.int64]) -> NDArray[np.int64]:
    return view.tokens.gather(np.minimum(places, len(view.tokens) - 1))


def _rows(view: DocumentView) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """First places and lengths of rows: documents, those longer than LONGEST_ROW in pieces; in chunks."""
    for starts, lengths in view.spans():
        pieces = -(-lengths // LONGEST_ROW)
        if pieces.max(initial=1) == 1:
            yield starts, lengths
            continue
        which = np.repeat(np.arange(len(starts)), pieces)
        number = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        offsets = number * LONGEST_ROW
        yield starts[which] + offsets, np.minimum(lengths[which] - offsets, LONGEST_ROW)


def _length_classes(histogram: NDArray[np.int64], batch_size: int, seq_length: int) -> list[_LengthClass]:
    """From the shortest rows on, a class ends where the next length would be CLASS_RATIO of its shortest.

    Each but a single one fills at least half a batch: a batch of a few rows would count as much as a whole one.
    """

    def rows_of(width: int) -> int:
        """Rows of a batch whose longest has `width` symbols."""
        return max(batch_size, batch_size * seq_length // int(width))

    lengths = np.flatnonzero(histogram)
    upto = np.cumsum(histogram)[lengths]
    found: list[_LengthClass] = []
    index = 0
    while index < len(lengths):
        first = found[-1].last if found else 0
        end = int(np.searchsorted(lengths, CLASS_RATIO * lengths[index], side="right"))
        while end < len(lengths) and upto[end - 1] - first < rows_of(lengths[end - 1]) / 2:
            end += 1
        width, last = int(lengths[end - 1]), int(upto[end - 1])
        rows = rows_of(width)
        if found and last - first < rows / 2:
            first = found.pop().first
        found.append(
            _LengthClass(width, first, last, max(round((last - first) / rows), 1), -(-width // seq_length))
        )
        index = end
    return found


def _sorted_starts(view: DocumentView, widths: list[int]) -> NDArray[np.integer]:
    """The first places of all rows, class by class; within a class in the order of the text."""
    counts = np.zeros(len(widths), dtype=np.int64)
    for _, lengths in _rows(view):
        counts += np.bincount(np.searchsorted(widths, lengths), minlength=len(widths))
    size = np.uint32 if len(view.tokens) < 1 << 32 else np.uint64
    result: NDArray[np.integer] = np.empty(int(counts.sum()), dtype=size)
    filled = np.cumsum(counts) - counts
    for starts, lengths in _rows(view):
        of_class = np.searchsorted(widths, lengths)
        for index in np.unique(of_class):
            found = starts[of_class == index]
            result[filled[index] : filled[index] + len(found)] = found
            filled[index] += len(found)
    return result
