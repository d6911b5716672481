"""Text → provisional ids on disk, in one vectorised pass and bounded memory."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from charnn.config import DataConfig, Errors
from charnn.data.addresses import without_secrets
from charnn.data.cache import (
    ID_TYPES,
    IDS_FILE,
    EncodedText,
    cache_writable,
    open_encoded,
    recall,
    remember,
    store,
    temporary_entry,
)
from charnn.data.sources import FileStamp, file_stamps, list_sources
from charnn.data.streams import Tally
from charnn.data.utf8 import read_text
from charnn.data.vocab import code_points
from charnn.errors import InputError
from charnn.settings import settings_of

CHUNK = 1 << 18  # bytes; larger ones leave the processor's cache
CODE_POINTS = 0x110000
_UNSEEN = -1
_CLOCK_TICK = 2_000_000_000  # ns; FAT's, the coarsest of the file systems' clocks

Progress = Callable[[int, int | None], None]


def encode_text(
    sources: Sequence[str],
    *,
    separator: str = "",
    errors: Errors = "strict",
    progress: Progress | None = None,
    chunk_size: int = CHUNK,
) -> EncodedText:
    """The text of `sources`, joined by `separator`, encoded: from the cache when unchanged, else read once.

    `progress` is called at every chunk with (bytes read, bytes in all or None when unknown). Raises
    CorpusError for what can't be read or isn't UTF-8, CharnnError when the cache can't be written.
    """
    _check_options(separator, errors)
    listed = list_sources(sources)
    stamps = file_stamps(listed)
    key = _key(stamps, separator, errors)
    if (known := recall(key)) and (encoded := open_encoded(known[0])):
        return replace(encoded, replaced=known[1])
    total = sum(size for _, size, _, _ in stamps) if stamps else None
    tally = Tally()
    with temporary_entry() as folder, Encoder(folder) as encoder:
        for text in read_text(listed, separator, errors, tally, chunk_size):
            encoder.add(text)
            if progress:
                progress(tally.done, total)
        encoded = store(
            folder, encoder.finish() | {"replaced": tally.replaced}, tuple(map(without_secrets, sources))
        )
    if stamps and stamps == file_stamps(listed) and _are_settled(stamps):
        remember(key, encoded.sha256, tally.replaced)
    return replace(encoded, replaced=tally.replaced)


def _check_options(separator: str, errors: str) -> None:
    settings_of(DataConfig)["errors"].require(errors)
    try:
        separator.encode()
    except UnicodeEncodeError:
        raise InputError(f"the separator {separator!a} isn't valid text; give it as UTF-8") from None


def _key(stamps: Sequence[FileStamp] | None, separator: str, errors: Errors) -> str:
    """The name under which an unchanged list of files is remembered; stamps None is never remembered."""
    return hashlib.sha256(json.dumps([stamps, separator, errors]).encode()).hexdigest()


def _are_settled(stamps: Sequence[FileStamp]) -> bool:
    """Whether every file is older than a tick of the clock, so that a later change must show in its time."""
    newest = max(time_ns for _, _, _, time_ns in stamps)
    return time.time_ns() - newest > _CLOCK_TICK


class Encoder:
    """Writes ids in order of first appearance to a folder's `ids.bin`, counting and hashing as it goes.

    The file's type is the smallest that holds the ids so far; it is rewritten when the alphabet outgrows it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kind = ID_TYPES[0]
        self._points: list[int] = []  # by id
        self._ids = np.full(CODE_POINTS, _UNSEEN, dtype=np.int32)  # by code point
        self._counts = np.zeros(CODE_POINTS, dtype=np.int64)  # by id
        self._hash = hashlib.sha256()
        with cache_writable():
            self._file: BinaryIO = (folder / IDS_FILE).open("xb", buffering=0)

    def __enter__(self) -> "Encoder":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, text: str) -> None:
        utf8 = text.encode()
        self._hash.update(utf8)
        is_ascii = len(utf8) == len(text)  # then bytes are code points
        points = np.frombuffer(utf8, dtype=np.uint8) if is_ascii else code_points(text)
        ids = self._ids.take(points, mode="clip")
        if ids.min(initial=0) == _UNSEEN:
            self._learn(points[ids == _UNSEEN])
            ids = self._ids.take(points, mode="clip")
        counts = np.bincount(ids)
        self._counts[: len(counts)] += counts
        self._write(ids)

    def finish(self) -> dict[str, Any]:
        """Sync the file and tell what it holds, as the entry's meta."""
        with cache_writable():
            os.fsync(self._file.fileno())
            self._file.close()
        return {
            "sha256": self._hash.hexdigest(),
            "dtype": self._kind,
            "characters": "".join(map(chr, self._points)),
            "counts": self._counts[: len(self._points)].tolist(),
        }

    def _learn(self, points: NDArray[Any]) -> None:
        new, first = np.unique(points, return_index=True)
        new = new[np.argsort(first)]
        self._ids[new] = np.arange(len(self._points), len(self._points) + len(new))
        self._points += new.tolist()
        kind = next(kind for kind in ID_TYPES if len(self._points) <= np.iinfo(kind).max + 1)
        if kind != self._kind:
            self._widen(kind)

    def _write(self, ids: NDArray[Any]) -> None:
        with cache_writable():
            self._file.write(ids.astype(self._kind).data)

    def _widen(self, kind: str) -> None:
        """Rewrite what is there in a wider type, a piece at a time."""
        narrow, path = self._folder / "narrow.bin", self._folder / IDS_FILE
        with cache_writable():
            self._file.close()
            path.rename(narrow)
            self._file = path.open("xb", buffering=0)
            with narrow.open("rb") as file:
                while data := file.read(CHUNK):
                    self._file.write(np.frombuffer(data, dtype=self._kind).astype(kind).data)
            narrow.unlink()
        self._kind = kind
