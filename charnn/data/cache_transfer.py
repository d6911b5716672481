"""Cached texts sent to another machine's cache, for processes that train together on a text that one machine has."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from charnn.data.cache import (
    IDS_FILE,
    META_FILE,
    entry_folder,
    open_encoded,
    store,
    temporary_entry,
    text_hashes,
)
from charnn.data.document_table import TABLE_FILES
from charnn.errors import CharnnError
from charnn.files import open_own_file, write_synced

PIECE = 64 << 20  # bytes sent at a time
_FILES = (IDS_FILE, *TABLE_FILES)

Told = Callable[[Any], Any]
"""The sender's JSON value → the same everywhere."""
ToldBytes = Callable[[bytes], bytes]
"""The sender's bytes → the same everywhere."""


def send_texts(sha256: str, told: Told, told_bytes: ToldBytes) -> None:
    """Send the cached texts that a corpus of this hash is made of; `receive_texts` runs in the other processes."""
    told(sha256)
    for part in text_hashes(sha256):
        folder, sent = entry_folder(part), hashlib.sha256()
        told_bytes((folder / META_FILE).read_bytes())
        for name in _FILES:
            size = (folder / name).stat().st_size if (folder / name).exists() else None
            told(size)
            for piece in _pieces(folder / name, size or 0):
                sent.update(piece)
                told_bytes(piece)
        told(sent.hexdigest())


def receive_texts(told: Told, told_bytes: ToldBytes, *, wanted: bool) -> None:
    """Store what is sent, if it is `wanted` here. Raises CharnnError where something else came than was sent."""
    for part in text_hashes(told(None)):
        meta, came = json.loads(told_bytes(b"")), hashlib.sha256()
        with temporary_entry() if wanted else nullcontext() as folder:
            for name in _FILES:
                if (size := told(None)) is not None:
                    pieces = _received(size, told_bytes, came.update)
                    if folder is None:
                        deque(pieces, maxlen=0)
                    else:
                        write_synced(folder / name, pieces, mode=0o600)
            is_whole = told(None) == came.hexdigest()
            if folder is not None and is_whole and open_encoded(part) is None:
                store(folder, {k: v for k, v in meta.items() if k != "names"}, tuple(meta["names"]))
        if wanted and open_encoded(part) is None:
            raise CharnnError(f"the text {part[:12]}… came damaged from rank 0; start again")


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    if size:
        with open_own_file(path) as file:
            while piece := file.read(PIECE):
                yield piece


def _received(size: int, told_bytes: ToldBytes, seen: Callable[[bytes], None]) -> Iterator[bytes]:
    while size > 0:
        piece = told_bytes(b"")
        seen(piece)
        size -= len(piece)
        yield piece
