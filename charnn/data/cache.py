"""The encoded corpora on disk: kept by content, made atomically, checked on opening, shared by all of a user's runs.

CACHE/texts/SHA-256/   ids.bin (provisional ids) and meta.json
CACHE/sources/KEY.json which text a list of unchanged files holds
CACHE/locks/           see charnn.data.cache_locks

Nobody else may read it. What can't be read is never taken for damaged.
"""

import errno
import json
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charnn.data.cache_locks import abandoned, held_while_encoding, text_locked
from charnn.data.document_table import DocumentTable, open_table
from charnn.data.stored_array import StoredArray, open_array
from charnn.errors import CharnnError, InputError
from charnn.files import (
    TEMPORARY_PREFIX,
    open_own_file,
    read_own_file,
    sync_folder,
    write_atomically,
    write_synced,
)

VERSION = 1
ID_TYPES = ("<u1", "<u2", "<u4")
IDS_FILE = "ids.bin"
COLLECTED = "collected"  # texts that were given to the library, see `data.collected_texts`
META_FILE = "meta.json"
_MAX_META = 1 << 28  # bytes; the largest alphabet takes 30 MB
_CHECKED_BYTES = 256 << 20  # larger maps are checked by size alone
_PRIVATE = 0o700
_MISSING = (FileNotFoundError, NotADirectoryError)
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError)


@dataclass(frozen=True, eq=False)
class EncodedText:
    """A text in provisional ids, which follow the order of first appearance and know no vocabulary option."""

    ids: NDArray[Any] | StoredArray  # (n,), of the smallest unsigned type
    characters: str  # by id
    counts: NDArray[np.int64]  # by id
    sha256: str  # of the text as UTF-8, separators included
    replaced: int  # bytes or sequences that weren't UTF-8
    documents: DocumentTable | None = (
        None  # of a collection, whose documents' ends have an id among `characters`
    )
    reason: str = ""  # why it is, or isn't, taken for a collection
    newlines: int = 0  # CR LF and CR that became LF
    nuls: int = 0  # kept in files that looked like text at their beginning
    files: int = 1  # and addresses that it was read from
    left_out: str = ""  # of the folders that were named, how many of which kind
    symbols: tuple[str, ...] = ()  # of pairs, those that glyphs stand for


class Recalled(NamedTuple):
    """What is remembered of an unchanged list of files."""

    sha256: str
    replaced: int
    reason: str
    newlines: int
    nuls: int

    @property
    def findings(self) -> dict[str, Any]:
        """All but the hash, by the names that EncodedText has for them."""
        return {name: value for name, value in self._asdict().items() if name != "sha256"}


@dataclass(frozen=True)
class CacheEntry:
    """One cached text, as `charnn cache` shows it. `made` is in seconds since the epoch; `size` in bytes."""

    sha256: str
    chars: int
    distinct: int
    size: int
    made: float
    names: tuple[str, ...]

    @property
    def was_piped(self) -> bool:
        """Whether it came from standard input, so that nothing but the pipe can give it again."""
        return "-" in self.names

    @property
    def was_collected(self) -> bool:
        """Whether it was given to the library as texts, which nothing outside of the cache holds."""
        collected = cache_folder() / COLLECTED
        return any(Path(name).is_relative_to(collected) for name in self.names)


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/charnn, by default ~/.cache/charnn; a relative one is ignored, as the standard says."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "charnn"
    try:
        return Path.home() / ".cache" / "charnn"
    except RuntimeError as error:
        raise CharnnError("there is no home folder for the cache; set XDG_CACHE_HOME to a folder") from error


def open_encoded(sha256: str) -> EncodedText | None:
    """The cached text with this hash, checked; None when there is none or it is damaged.

    Raises CharnnError when it can't be read.
    """
    folder = entry_folder(sha256)
    try:
        meta = json.loads(read_own_file(folder / META_FILE, _MAX_META))
        return _checked(folder / IDS_FILE, meta, sha256)
    except (*_MISSING, *_DAMAGE):
        return None
    except OSError as error:
        raise CharnnError(
            f"cannot read the cached text {folder}: {error.strerror or error}; "
            "try again, or set XDG_CACHE_HOME to another folder"
        ) from error


@contextmanager
def temporary_entry() -> Iterator[Path]:
    """A folder to encode into, gone afterwards unless `store` renamed it.

    Raises CharnnError when the cache can't be written.
    """
    name = f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    folder = _texts() / name
    with ExitStack() as stack:
        with cache_writable():
            _make_private_folders()
            _remove_abandoned()
            stack.enter_context(held_while_encoding(_locks(), name))
            folder.mkdir(mode=_PRIVATE)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def store(folder: Path, meta: dict[str, Any], names: tuple[str, ...]) -> EncodedText:
    """Make a temporary entry, whose ids are written and synced, the cached text `meta["sha256"]`.

    Where that text is cached already, by another process say, it stays.
    """
    sha256 = meta["sha256"]
    with cache_writable(), text_locked(_locks(), sha256):
        meta = {"version": VERSION, **meta, "crc32": _checksum(folder / IDS_FILE), "names": names}
        if whole := open_encoded(sha256):
            return whole
        write_synced(folder / META_FILE, [json.dumps(meta).encode()], mode=0o600)
        sync_folder(folder)
        place = entry_folder(sha256)
        if place.exists():  # what is damaged would stand in the way
            shutil.rmtree(place)
        folder.rename(place)
        sync_folder(_texts())
        encoded = open_encoded(sha256)
    if encoded is None:
        raise CharnnError(
            f"what was written to the cache in {cache_folder()} isn't what is read; check that disk"
        )
    return encoded


def recall(key: str) -> Recalled | None:
    """What the sources behind `key` held, when they were read before."""
    try:
        known = json.loads((_sources() / f"{key}.json").read_bytes())
        return Recalled(
            str(known["sha256"]),
            int(known["replaced"]),
            str(known["reason"]),
            int(known["newlines"]),
            int(known["nuls"]),
        )
    except (OSError, *_DAMAGE):  # then it is read anew
        return None


def remember(key: str, found: Recalled) -> None:
    """Note what the sources behind `key` hold. Where that fails, they are read again next time."""
    record = json.dumps(found._asdict())
    with suppress(CharnnError):
        write_atomically(_sources() / f"{key}.json", [record.encode()], mode=0o600)


def cached_texts() -> list[CacheEntry]:
    """Every whole entry, the newest first."""
    found = []
    for path in _texts().glob(f"[!.]*/{META_FILE}"):
        with suppress(OSError, *_DAMAGE):
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
    """Remove every encoded text but those that are being made. Runs that have one open keep it until they end.

    Raises CharnnError for what can't be removed.
    """
    if not cache_folder().exists():
        return
    with cache_writable("clear"):
        _make_private_folders()
        shutil.rmtree(cache_folder() / COLLECTED, ignore_errors=True)
        for note in list(_sources().iterdir()):
            note.unlink(missing_ok=True)
        _remove_abandoned()
        for folder in list(_texts().iterdir()):
            is_text = not folder.name.startswith(TEMPORARY_PREFIX)
            if is_text or not (_locks() / f"{folder.name}.lock").exists():
                with text_locked(_locks(), folder.name), suppress(FileNotFoundError):
                    shutil.rmtree(folder)


@contextmanager
def cache_writable(action: str = "write") -> Iterator[None]:
    """Turn an OSError into a CharnnError that names the cache, the cause and XDG_CACHE_HOME."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error)
        if error.errno == errno.EFBIG:
            cause += " (see ulimit -f)"
        raise CharnnError(
            f"cannot {action} the cache in {cache_folder()}: {cause}; "
            "free some space there or set XDG_CACHE_HOME to another folder"
        ) from error


def write_all(file: BinaryIO, data: memoryview) -> None:
    """Write all of `data` to an unbuffered file, which may take less at a time. Raises OSError."""
    data = data.cast("B")
    while data:
        data = data[file.write(data) :]


def _make_private_folders() -> None:
    """The cache's folders, for this user alone."""
    for folder in (cache_folder(), _texts(), _sources(), _locks()):
        folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    status = cache_folder().stat()
    if status.st_mode & 0o077 and hasattr(os, "getuid") and status.st_uid == os.getuid():
        cache_folder().chmod(_PRIVATE)  # of an older version


def entry_folder(sha256: str) -> Path:
    """Where the text with this hash lies, if it is there."""
    return _texts() / sha256


def corpus_hash(texts: Iterable[EncodedText]) -> str:
    """The hash of a corpus: its text's, and that of a validation text of its own."""
    return "+".join(text.sha256 for text in texts)


def text_hashes(sha256: str) -> list[str]:
    """The texts that a corpus with this hash is made of."""
    return sha256.split("+")


def _texts() -> Path:
    return cache_folder() / "texts"


def _sources() -> Path:
    return cache_folder() / "sources"


def _locks() -> Path:
    return cache_folder() / "locks"


def _checked(path: Path, meta: dict[str, Any], sha256: str) -> EncodedText:
    """Raises OSError or one of _DAMAGE unless file and meta agree."""
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
    ids = open_array(path, kind, total)
    table = open_table(path.parent, meta["documents"]) if "documents" in meta else None
    symbols = tuple(map(str, meta.get("symbols", ())))
    return EncodedText(ids, characters, counts, sha256, int(meta["replaced"]), table, symbols=symbols)


def _checksum(path: Path) -> int | None:
    """CRC-32 of a file, read rather than mapped so that it doesn't stay resident; None for a large one."""
    if path.stat().st_size >= _CHECKED_BYTES:
        return None
    checksum = 0
    with open_own_file(path) as file:
        while data := file.read(1 << 20):
            checksum = zlib.crc32(data, checksum)
    return checksum


def _remove_abandoned() -> None:
    """Remove the folders of processes that were killed while encoding."""
    for folder in _texts().glob(f"{TEMPORARY_PREFIX}*"):
        with abandoned(_locks(), folder.name) as is_left:
            if is_left:
                shutil.rmtree(folder, ignore_errors=True)
