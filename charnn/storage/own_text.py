"""The text that a run validated on, as this user's cache still has it: no file or address that a run names is read."""

from collections.abc import Mapping
from pathlib import Path
from re import fullmatch
from typing import Any

from charnn.data.corpus import open_cached_corpus
from charnn.data.held_out import validation_text
from charnn.errors import CharnnError
from charnn.storage.run_folder import RunFolder, started_config

_HASHES = r"[0-9a-f]{64}(\+[0-9a-f]{64})?"


def own_validation_text(model: Path | None, provenance: Mapping[str, Any]) -> str | None:
    """Of the run that a model file lies in; None where that isn't known, it kept none, or the text isn't in the cache.

    `provenance` is the model file's, which tells the text by its hash.
    """
    corpus = provenance.get("corpus")
    sha256 = corpus.get("sha256") if isinstance(corpus, dict) else None
    if model is None or not isinstance(sha256, str) or not fullmatch(_HASHES, sha256):
        return None
    try:
        data = started_config(RunFolder(model.parent)).data
        opened = open_cached_corpus(data, base=None, sha256=sha256) if data.layout == "text" else None
    except (CharnnError, ValueError):
        return None
    return validation_text(opened) if opened else None
