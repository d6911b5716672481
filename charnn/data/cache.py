"""The encoded corpora on disk: kept by content, made atomically, checked on opening, shared by all runs.

CACHE/texts/SHA-256/   ids.bin (provisional ids) and meta.json
CACHE/sources/KEY.json which text a list of unchanged files holds
"""

import json
import os
import platform
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charnn.data.document_table import DocumentTable, open_table
from charnn.errors import CharnnError
from charnn.files import TEMPORARY_PREFIX, sync_folder, write_atomically, write_synced

VERSION = 1
ID_TYPES = ("<u1", "<u2", "<u4")
IDS_FILE = "ids.bin"
_META_FILE = "meta.json"
_CHECKED_BYTES = 256 << 20  # larger maps are checked by size alone
_DAY = 86400.0
_FAULTS = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, eq=False)
class EncodedText:
    """A text in provisional ids, which follow the order of first appearance and know no vocabulary option."""

    ids: NDArray[Any]  # (n,), a memory map of the smallest unsigned type
    characters: str  # by id
    counts: NDArray[np.int64]  # by id
    sha256: str  # of the text as UTF-8, separators included
    replaced: int  # bytes or sequences that weren't UTF-8
    documents: DocumentTable | None = (
        None  # of a collection, whose documents' ends have an id among `characters`
    )
    reason: str = ""  # why it is, or isn't, taken for a collection
    newlines: int = 0  # CR LF and CR that became LF


class Recalled(NamedTuple):
    """What is remembered of an unchanged list of files."""

    sha256: str
    replaced: int
    reason: str
    newlines: int


@dataclass(frozen=True)
class CacheEntry:
    """One cached text, as `charnn cache` shows it. `made` is in seconds since the epoch; `size` in bytes."""

    sha256: str
    chars: int
    distinct: int
    size: int
    made: float
    names: tuple[str, ...]


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/charnn, by default ~/.cache/charnn."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "charnn"
    try:
        return Path.home() / ".cache" / "charnn"
    except RuntimeError as error:
        raise CharnnError("there is no home folder for the cache; set XDG_CACHE_HOME to a folder") from error


def open_encoded(sha256: str) -> EncodedText | None:
    """The cached text with this hash, checked; None when there is none or it is damaged."""
    folder = _texts() / sha256
    try:
        meta = json.loads((folder / _META_FILE).read_bytes())
        return _checked(folder / IDS_FILE, meta, sha256)
    except _FAULTS:
        return None


@contextmanager
def temporary_entry() -> Iterator[Path]:
    """A folder to encode into, gone afterwards unless `store` renamed it.

    Raises CharnnError when the cache can't be written.
    """
    with cache_writable():
        _texts().mkdir(parents=True, exist_ok=True)
        _remove_abandoned()
        folder = _texts() / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}-{platform.node()}"
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def store(folder: Path, meta: dict[str, Any], names: tuple[str, ...]) -> EncodedText:
    """Make a temporary entry, whose ids are written and synced, the cached text `meta["sha256"]`."""
    sha256 = meta["sha256"]
    meta = {"version": VERSION, **meta, "crc32": _checksum(folder / IDS_FILE), "names": names}
    with cache_writable():
        write_synced(folder / _META_FILE, [json.dumps(meta).encode()])
        sync_folder(folder)
        if open_encoded(sha256) is None:
            shutil.rmtree(_texts() / sha256, ignore_errors=True)  # a damaged one would stand in the way
        try:
            folder.rename(_texts() / sha256)
        except OSError:
            if not (_texts() / sha256).is_dir():
                raise
            # else another run was first, with the same text
        sync_folder(_texts())
    encoded = open_encoded(sha256)
    if encoded is None:
        raise CharnnError(f"the cache in {cache_folder()} was cleared while in use; run the command again")
    return encoded


def recall(key: str) -> Recalled | None:
    """What the sources behind `key` held, when they were read before."""
    try:
        known = json.loads((_sources() / f"{key}.json").read_bytes())
        return Recalled(
            str(known["sha256"]), int(known["replaced"]), str(known["reason"]), int(known["newlines"])
        )
    except _FAULTS:
        return None


def remember(key: str, found: Recalled) -> None:
    """Note what the sources behind `key` hold."""
    with cache_writable():
        _sources().mkdir(parents=True, exist_ok=True)
        write_atomically(_sources() / f"{key}.json", [json.dumps(found._asdict()).encode()])


def cached_texts() -> list[CacheEntry]:
    """Every whole entry, the newest first."""
    found = []
    for path in _texts().glob(f"[!.]*/{_META_FILE}"):
        with suppress(*_FAULTS):
            meta, ids = json.loads(path.read_bytes()), path.with_name(IDS_FILE)
            size = path.stat().st_size + ids.stat().st_size
            chars, names = sum(meta["counts"]), tuple(map(str, meta["names"]))
            found.append(
                CacheEntry(
                    path.parent.name, chars, len(meta["characters"]), size, path.stat().st_mtime, names
                )
            )
    return sorted(found, key=lambda entry: -entry.made)


def clear_cache() -> None:
    """Remove every encoded text. Runs that have one open keep it until they end."""
    for folder in (_sources(), _texts()):
        with cache_writable(), suppress(FileNotFoundError):
            shutil.rmtree(folder)


@contextmanager
def cache_writable() -> Iterator[None]:
    """Turn an OSError into a CharnnError that names the cache and XDG_CACHE_HOME."""
    try:
        yield
    except OSError as error:
        raise CharnnError(
            f"cannot write the cache in {cache_folder()}: {error.strerror or error}; "
            "free some space there or set XDG_CACHE_HOME to another folder"
        ) from error


def _texts() -> Path:
    return cache_folder() / "texts"


def _sources() -> Path:
    return cache_folder() / "sources"


def _checked(path: Path, meta: dict[str, Any], sha256: str) -> EncodedText:
    """Raises one of _FAULTS unless file and meta agree."""
    counts = np.array(meta["counts"], dtype=np.int64)
    characters, kind, total = meta["characters"], meta["dtype"], int(counts.sum())
    whole = (
        meta["version"] == VERSION
        and meta["sha256"] == sha256
        and kind in ID_TYPES
        and len(set(characters)) == len(characters) == len(counts)
        and path.stat().st_size == total * np.dtype(kind).itemsize
        and meta["crc32"] == _checksum(path)
    )
    if not whole:
        raise ValueError("damaged")
    ids = np.memmap(path, dtype=kind, mode="r") if total else np.empty(0, dtype=kind)
    table = open_table(path.parent, meta["documents"]) if "documents" in meta else None
    return EncodedText(ids, characters, counts, sha256, int(meta["replaced"]), table)


def _checksum(path: Path) -> int | None:
    """CRC-32 of a file, read rather than mapped so that it doesn't stay resident; None for a large one."""
    if path.stat().st_size >= _CHECKED_BYTES:
        return None
    checksum = 0
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            checksum = zlib.crc32(data, checksum)
    return checksum


def _remove_abandoned() -> None:
    """Remove the folders of processes that were killed while encoding."""
    for folder in _texts().glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError, ValueError):
            _, pid, _, host = folder.name.split("-", 3)
            own_dead = host == platform.node() and not _is_alive(int(pid))
            if own_dead or time.time() - folder.stat().st_mtime > _DAY:
                shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    if os.name != "posix":  # where signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
