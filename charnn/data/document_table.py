"""Where the documents of an encoded text begin and end, and their hashes: files beside its ids, made once."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from charnn.data.document_hash import DocumentHasher
from charnn.data.stored_array import StoredArray, open_array
from charnn.files import write_synced

ENDS_FILE, HASHES_FILE, FIRSTS_FILE = "ends.bin", "document_hashes.bin", "firsts.bin"
TABLE_FILES = {ENDS_FILE: "<u8", HASHES_FILE: "<u8", FIRSTS_FILE: "<u1"}
MARK_ID = 0  # provisional: the mark is the first character of a marked text
_PLACE_BITS = 24  # of a key that is sorted; more rows are sorted in parts, by their hashes
_PLACE = np.uint64((1 << _PLACE_BITS) - 1)


@dataclass(frozen=True, eq=False)
class DocumentTable:
    """What lies between the n + 1 marks of a text: row i is ids[ends[i] + 1 : ends[i + 1]], then its mark.

    Rows that are empty, as empty lines leave them, are no documents.
    """

    kind: str
    separator: str  # between documents that are written out
    count: int  # of documents
    duplicates: int
    ends: (
        NDArray[np.uint64] | StoredArray
    )  # (n + 1,), places of the marks; the first stands before the first document
    hashes: NDArray[np.uint64] | StoredArray  # (n,)
    firsts: NDArray[np.uint8] | StoredArray  # (n,): 0 for a row that came before

    def __len__(self) -> int:
        return len(self.hashes)


class TableWriter:
    """Writes the table of a marked text to a folder, piece by piece, in a thread of its own."""

    def __init__(self, folder: Path, mark: str) -> None:
        self._folder, self._mark = folder, mark.encode("utf-8", "surrogatepass")
        self._hasher, self._size, self._empty = DocumentHasher(), 0, 0
        self._last = -1  # the place of the last mark
        self._ends = _create(folder / ENDS_FILE)
        self._hashes = _create(folder / HASHES_FILE)
        self._thread = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None  # of the last piece

    def close(self) -> None:
        self._thread.shutdown()
        self._ends.close()
        self._hashes.close()

    def add(self, utf8: bytes, ids: NDArray[Any]) -> None:
        """Take a piece's text as bytes and as ids; raises OSError where the piece before couldn't be written."""
        self._wait()
        self._written = self._thread.submit(self._write, utf8, ids)

    def _wait(self) -> None:
        if self._written:
            self._written.result()

    def _write(self, utf8: bytes, ids: NDArray[Any]) -> None:
        if not len(ids):
            return
        places = np.flatnonzero(ids == MARK_ID)
        in_bytes = places if len(utf8) == len(ids) else _places(utf8, self._mark)
        found = self._hasher.add(utf8, in_bytes, len(self._mark))
        marks = places + self._size
        if not self._size:
            found = found[1:]  # the first mark ends no document
        self._empty += int(np.count_nonzero(np.diff(marks, prepend=self._last) == 1)) - (not self._size)
        self._last = int(marks[-1]) if len(marks) else self._last
        self._size += len(ids)
        self._hashes.write(found.astype("<u8").data)
        self._ends.write(marks.astype("<u8").data)

    def finish(self, kind: str, separator: str) -> dict[str, Any]:
        """Sync the files; what is returned is part of the entry's meta."""
        self._wait()
        files = (self._ends, self._hashes)
        for file in files:
            file.flush()
        synced = [self._thread.submit(os.fsync, file.fileno()) for file in files]
        hashes = np.fromfile(self._folder / HASHES_FILE, dtype=TABLE_FILES[HASHES_FILE])
        firsts = first_occurrences(hashes)
        write_synced(self._folder / FIRSTS_FILE, [firsts.data], mode=0o600)
        for one in synced:
            one.result()
        self.close()
        distinct = int(np.count_nonzero(firsts)) - (self._empty > 0)
        count = len(firsts) - self._empty
        return {
            "kind": kind,
            "separator": separator,
            "rows": len(firsts),
            "count": count,
            "duplicates": count - distinct,
        }


def open_table(folder: Path, meta: dict[str, Any]) -> DocumentTable:
    """The table that `write_table` wrote. Raises ValueError, KeyError, TypeError or OSError for a damaged one."""
    rows = int(meta["rows"])
    arrays = {}
    for name, kind in TABLE_FILES.items():
        length = rows + (name == ENDS_FILE)
        if (folder / name).stat().st_size != length * np.dtype(kind).itemsize:
            raise ValueError(f"{name} has another size")
        arrays[name] = open_array(folder / name, kind, length)
    return DocumentTable(
        str(meta["kind"]),
        str(meta["separator"]),
        int(meta["count"]),
        int(meta["duplicates"]),
        arrays[ENDS_FILE],
        arrays[HASHES_FILE],
        arrays[FIRSTS_FILE],
    )


def first_occurrences(hashes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """1 where a hash stands for the first time, else 0."""
    firsts = np.ones(len(hashes), dtype=np.uint8)
    parts = (len(hashes) >> (_PLACE_BITS - 1)) + 1
    for part in range(parts):
        chosen = np.flatnonzero(hashes % np.uint64(parts) == part) if parts > 1 else slice(None)
        firsts[chosen] = _firsts_of_few(hashes[chosen])
    return firsts


def _firsts_of_few(hashes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """`first_occurrences` of at most 2^_PLACE_BITS hashes: by sorting their upper bits, each with its place below."""
    keys = hashes & ~_PLACE
    keys |= np.arange(len(hashes), dtype=np.uint64)
    keys.sort()
    alike = np.flatnonzero((keys[1:] ^ keys[:-1]) <= _PLACE)
    before, after = keys[alike] & _PLACE, keys[alike + 1] & _PLACE
    is_same = hashes[before] == hashes[after]
    firsts = np.ones(len(hashes), dtype=np.uint8)
    firsts[after[is_same]] = 0
    for upper in np.unique(keys[alike[~is_same]] & ~_PLACE):  # shared by different hashes: rare
        begin, end = np.searchsorted(keys, upper), np.searchsorted(keys, upper | _PLACE, "right")
        places = keys[begin:end] & _PLACE
        firsts[places] = 0
        firsts[places[np.unique(hashes[places], return_index=True)[1]]] = 1
    return firsts


def _places(utf8: bytes, mark: bytes) -> NDArray[np.int64]:
    """Where `mark`, one byte or the three of a surrogate, begins."""
    data = np.frombuffer(utf8, dtype=np.uint8)
    if len(mark) == 1:
        return np.flatnonzero(data == mark[0])
    return np.flatnonzero((data[:-1] == mark[0]) & (data[1:] == mark[1]))  # no other character begins so


def _create(path: Path) -> BinaryIO:
    """A new file that nobody else may read."""
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))
