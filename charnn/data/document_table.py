"""Where the documents of an encoded text begin and end, and their hashes: files beside its ids, made once."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charnn.data.document_hash import DocumentHasher
from charnn.data.stored_array import StoredArray, open_array

ENDS_FILE, HASHES_FILE, FIRSTS_FILE = "ends.bin", "document_hashes.bin", "firsts.bin"
_FILES = {ENDS_FILE: "<u8", HASHES_FILE: "<u8", FIRSTS_FILE: "<u1"}
MARK_ID = 0  # provisional: the mark is the first character of a marked text
_SORTED_AT_ONCE = 1 << 20  # hashes; more are sorted in parts, by their low bits


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
        self._ends = (folder / ENDS_FILE).open("xb")
        self._hashes = (folder / HASHES_FILE).open("xb")
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
        for file in (self._ends, self._hashes):
            file.flush()
            os.fsync(file.fileno())
        self.close()
        hashes = np.fromfile(self._folder / HASHES_FILE, dtype=_FILES[HASHES_FILE])
        firsts = first_occurrences(hashes)
        _write(self._folder / FIRSTS_FILE, firsts)
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
    for name, kind in _FILES.items():
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
    low_bytes = hashes.astype("<u8", copy=False).view(np.uint8)[::8].copy()
    bits = min((len(hashes) // _SORTED_AT_ONCE).bit_length(), 8)
    for part in range(1 << bits):
        places = np.flatnonzero(low_bytes & ((1 << bits) - 1) == part)
        high = (hashes[places] >> np.uint64(32)).astype(np.uint32)  # half of it is sorted twice as fast
        ordered = np.sort(high)
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(repeated):
            found = places[_may_be_among(repeated, high)]
            found = found[np.argsort(hashes[found], kind="stable")]
            firsts[found[1:][hashes[found[1:]] == hashes[found[:-1]]]] = 0
    return firsts


def _may_be_among(chosen: NDArray[np.uint32], values: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether a value's upper half is that of a chosen one: quicker than a search, and few others pass."""
    is_chosen = np.zeros(1 << 16, dtype=bool)
    is_chosen[chosen >> np.uint32(16)] = True
    among: NDArray[np.bool_] = is_chosen[values >> np.uint32(16)]
    return among


def _places(utf8: bytes, mark: bytes) -> NDArray[np.int64]:
    """Where `mark`, one byte or the three of a surrogate, begins."""
    data = np.frombuffer(utf8, dtype=np.uint8)
    if len(mark) == 1:
        return np.flatnonzero(data == mark[0])
    return np.flatnonzero((data[:-1] == mark[0]) & (data[1:] == mark[1]))  # no other character begins so


def _write(path: Path, values: NDArray[Any]) -> None:
    with path.open("xb") as file:
        file.write(values.tobytes())
        file.flush()
        os.fsync(file.fileno())
