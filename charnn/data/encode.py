"""Text → provisional ids on disk, in one vectorised pass and bounded memory."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from charnn.config import DataConfig, Errors, Newlines
from charnn.data.addresses import without_secrets
from charnn.data.cache import (
    ID_TYPES,
    IDS_FILE,
    EncodedText,
    Recalled,
    cache_writable,
    open_encoded,
    recall,
    remember,
    store,
    temporary_entry,
    write_all,
)
from charnn.data.document_table import TableWriter
from charnn.data.documents import mark_of
from charnn.data.encodings import UTF8, canonical
from charnn.data.reading import Findings, ReadOptions, read_corpus
from charnn.data.sources import FileStamp, LeftOut, Source, describe, file_stamps, list_sources
from charnn.data.streams import Tally
from charnn.data.vocab import code_points
from charnn.errors import InputError
from charnn.settings import settings_of

CHUNK = 1 << 18  # bytes; larger ones leave the processor's cache
CODE_POINTS = 0x110000
_UNSEEN = -1
_CLOCK_TICK = 2_000_000_000  # ns; FAT's, the coarsest of the file systems' clocks
_KERNEL_TICK = 10_000_000  # ns; at which the kernel's own stamps advance

Progress = Callable[[int, int | None], None]


def encode_text(
    sources: Sequence[str],
    *,
    separator: str = "",
    errors: Errors = "strict",
    documents: str = "none",
    columns: tuple[str, ...] = (),
    newlines: Newlines = "keep",
    encoding: str = UTF8,
    progress: Progress | None = None,
    chunk_size: int = CHUNK,
) -> EncodedText:
    """The text of `sources`, joined by `separator` or cut into documents, encoded: from the cache, else read once.

    `documents`, `columns`, `newlines` and `encoding` as in DataConfig. `progress` is called at every chunk with (bytes
    read, bytes in all or None when unknown). Raises CorpusError for what can't be read or isn't text in its encoding,
    CharnnError when the cache can't be written.
    """
    _check_options(separator, errors)
    options = ReadOptions(separator, errors, documents, columns, newlines, canonical(encoding))
    left_out = LeftOut()
    listed = list_sources(sources, left_out)
    stamps = file_stamps(listed)
    if (known := recall(_key(stamps, options))) and (encoded := open_encoded(known.sha256)):
        return replace(encoded, files=len(listed), left_out=describe(left_out), **known.findings)
    total = sum(stamp.size for stamp in stamps) if stamps else None
    tally, findings = Tally(), Findings()
    pieces = read_corpus(listed, options, tally, findings, chunk_size)
    first = next(pieces, "")  # then it is known whether the text is a collection
    mark = None if findings.kind == "none" else mark_of(findings.kind)
    with temporary_entry() as folder, Encoder(folder, mark) as encoder:
        for text in chain([first], pieces):
            encoder.add(text)
            if progress:
                progress(tally.done, total)
        meta = encoder.finish(findings) | {"replaced": tally.replaced}
        encoded = store(folder, meta, tuple(map(without_secrets, sources)))
    found = Recalled(encoded.sha256, tally.replaced, findings.reason, tally.newlines, tally.nuls)
    if stamps and are_settled(stamps) and are_current(stamps, listed):
        for kind in {documents, findings.kind}:  # a resumed run asks for the kind that "auto" found
            remember(_key(stamps, replace(options, documents=kind)), found)
    return replace(encoded, files=len(listed), left_out=describe(left_out), **found.findings)


def _check_options(separator: str, errors: str) -> None:
    settings_of(DataConfig)["errors"].require(errors)
    try:
        separator.encode()
    except UnicodeEncodeError:
        raise InputError(f"the separator {separator!a} isn't valid text; give it as UTF-8") from None


def _key(stamps: Sequence[FileStamp] | None, options: ReadOptions) -> str:
    """The name under which an unchanged list of files is remembered; stamps None is never remembered."""
    return hashlib.sha256(json.dumps([stamps, asdict(options)]).encode()).hexdigest()


def are_settled(stamps: Sequence[FileStamp]) -> bool:
    """Whether every file is older than a tick of the clock, so that a later change must show in its time."""
    return time.time_ns() - max(stamp.modified for stamp in stamps) > _CLOCK_TICK


def are_current(stamps: Sequence[FileStamp], listed: Sequence[Source]) -> bool:
    """Whether the files are as they were when reading began, and a later change must show."""
    _wait_for_a_tick(stamps)
    return file_stamps(listed) == stamps


def _wait_for_a_tick(stamps: Sequence[FileStamp]) -> None:
    """A change after this shows in `changed`, which no program sets back."""
    age = time.time_ns() - max(stamp.changed for stamp in stamps)
    if 0 <= age < _KERNEL_TICK:
        time.sleep((_KERNEL_TICK - age) / 1e9)


class Encoder:
    """Writes ids in order of first appearance to a folder's `ids.bin`, counting and hashing as it goes.

    The file's type is the smallest that holds the ids so far; it is rewritten when the alphabet outgrows it. A text
    of documents begins with their `mark`, which has the id 0, and gets a table of them beside its ids.
    """

    def __init__(self, folder: Path, mark: str | None = None) -> None:
        self._folder = folder
        self._kind = ID_TYPES[0]
        self._points: list[int] = []  # by id
        self._ids = np.full(CODE_POINTS, _UNSEEN, dtype=np.int32)  # by code point
        self._counts = np.zeros(CODE_POINTS, dtype=np.int64)  # by id
        self._hash = hashlib.sha256()
        with cache_writable():
            self._file = _create(folder / IDS_FILE)
            self._table = TableWriter(folder, mark) if mark else None

    def __enter__(self) -> "Encoder":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._table:
            self._table.close()

    def add(self, text: str) -> None:
        utf8 = text.encode("utf-8", "surrogatepass")  # documents end in a mark that may be a surrogate
        self._hash.update(utf8)
        is_ascii = len(utf8) == len(text)  # then bytes are code points
        points = np.frombuffer(utf8, dtype=np.uint8) if is_ascii else code_points(text)
        ids = self._ids.take(points, mode="clip")
        if ids.min(initial=0) == _UNSEEN:
            self._learn(points[ids == _UNSEEN])
            ids = self._ids.take(points, mode="clip")
        counts = np.bincount(ids)
        self._counts[: len(counts)] += counts
        self._write(ids, utf8)

    def finish(self, findings: Findings, symbols: Sequence[str] = ()) -> dict[str, Any]:
        """Sync the file and tell what it holds, as the entry's meta; `symbols` are those that glyphs stand for."""
        with cache_writable(), ThreadPoolExecutor(1) as thread:
            synced = thread.submit(os.fsync, self._file.fileno())  # the table is finished meanwhile
            table = self._table.finish(findings.kind, findings.separator) if self._table else {}
            synced.result()
            self._file.close()
        meta: dict[str, Any] = {
            "dtype": self._kind,
            "characters": "".join(map(chr, self._points)),
            "counts": self._counts[: len(self._points)].tolist(),
        }
        if symbols:
            self._hash.update(json.dumps(symbols).encode())
            meta["symbols"] = symbols
        if table:
            kinds = [findings.kind, findings.separator]  # the same marked text may be of two kinds
            self._hash.update(json.dumps(kinds).encode())
            meta["documents"] = table
        return {"sha256": self._hash.hexdigest(), **meta}

    def _learn(self, points: NDArray[Any]) -> None:
        new, first = np.unique(points, return_index=True)
        new = new[np.argsort(first)]
        self._ids[new] = np.arange(len(self._points), len(self._points) + len(new))
        self._points += new.tolist()
        kind = next(kind for kind in ID_TYPES if len(self._points) <= np.iinfo(kind).max + 1)
        if kind != self._kind:
            self._widen(kind)

    def _write(self, ids: NDArray[Any], utf8: bytes) -> None:
        narrow = ids.astype(self._kind)
        with cache_writable():
            write_all(self._file, narrow.data)
            if self._table:
                self._table.add(utf8, narrow)

    def _widen(self, kind: str) -> None:
        """Rewrite what is there in a wider type, a piece at a time."""
        narrow, path = self._folder / "narrow.bin", self._folder / IDS_FILE
        with cache_writable():
            self._file.close()
            path.rename(narrow)
            self._file = _create(path)
            with narrow.open("rb") as file:
                while data := file.read(CHUNK):
                    write_all(self._file, np.frombuffer(data, dtype=self._kind).astype(kind).data)
            narrow.unlink()
        self._kind = kind


def _create(path: Path) -> BinaryIO:
    """A new file, unbuffered, that nobody else may read."""
    return cast(
        BinaryIO, open(path, "xb", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600))
    )
