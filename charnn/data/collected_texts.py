"""Texts that are given to the library, kept as a file in the cache, so that their run can be gone on with."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from charnn.data.cache import COLLECTED, cache_folder, cache_writable
from charnn.errors import InputError
from charnn.files import TEMPORARY_PREFIX, write_atomically


def store_texts(texts: Iterable[str]) -> Path:
    """A file of JSON Lines that holds `texts`, in a folder named by their hash; it stays until the cache is cleared.

    Raises CharnnError when the cache can't be written, InputError for an item that isn't a text.
    """
    sha256 = hashlib.sha256()

    def lines() -> Iterator[bytes]:
        for number, text in enumerate(texts, 1):
            if not isinstance(text, str):
                raise InputError(f"item {number} of the texts is a {type(text).__name__}: give texts")
            line = json.dumps({"text": text}).encode() + b"\n"
            sha256.update(line)
            yield line

    folder = cache_folder() / COLLECTED
    with cache_writable():
        for private in (cache_folder(), folder):
            private.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        write_atomically(temporary, lines(), mode=0o600)
        path = folder / sha256.hexdigest() / "texts.jsonl"
        path.parent.mkdir(exist_ok=True, mode=0o700)
        temporary.replace(path)
    return path
