"""The corpus of a resumed run, wherever it lies now: the hash that the run began with decides, not the name.

Tried in order: what is named now, or else what was named then; the same below the folders that the run lies in now,
for a project that was moved as a whole; the cached copy. What a stranger's run names is fetched from nowhere.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from glob import glob
from pathlib import Path

from charnn.config import DataConfig
from charnn.data.addresses import scheme_of, without_secrets
from charnn.data.cache import open_encoded, text_hashes
from charnn.data.corpus import Corpus, PairBase, open_cached_corpus, open_corpus
from charnn.data.encode import Progress
from charnn.data.vocab import Vocabulary
from charnn.errors import CharnnError, CorpusError
from charnn.storage.begun_here import is_begun_here
from charnn.training.context import TrainRequest

_FOLDERS_ABOVE = 3  # of the run's: checkpoints/, the project, and what that lies in


def resumed_corpus(
    data: DataConfig,
    stored: DataConfig,
    run: Path,
    base: Vocabulary | PairBase,
    sha256: str,
    progress: Progress | None = None,
) -> tuple[Corpus, DataConfig, list[str]]:
    """The text with this hash, where it was found, and what the user should know about that.

    `data` names the sources of now, `stored` those of the run: another text that is named is never passed over.
    Raises CorpusError where the text is nowhere.
    """
    try:
        return open_corpus(data, base=base, sha256=sha256, progress=progress), data, []
    except CharnnError as error:
        reason = error
    for moved in _moved(data, run):
        try:
            corpus = open_corpus(moved, base=base, sha256=sha256, progress=progress)
        except CharnnError:
            continue
        return corpus, moved, [f"the corpus was moved with the run: it is read from {moved.sources[0]}"]
    if data != stored:
        raise reason
    if cached := open_cached_corpus(data, base=base, sha256=sha256):
        return cached, data, [f"{_cause(reason)}: the run goes on with the cached copy of its text"]
    raise CorpusError(
        f"{_cause(reason)}; where the text lies elsewhere now, name it: charnn train CORPUS --resume --out {run}"
    ) from None


def _cause(error: CharnnError) -> str:
    """What an error says without its remedy."""
    return str(error).partition("; ")[0]


def _moved(data: DataConfig, run: Path) -> Iterator[DataConfig]:
    """The same files, those that are gone below a folder that the run lies in."""
    for folder in Path(os.path.realpath(run)).parents[:_FOLDERS_ABOVE]:
        sources = tuple(_found(folder, source) for source in data.sources)
        moved = replace(data, sources=sources, val=data.val and _found(folder, data.val))
        if moved != data:
            yield moved


def _found(folder: Path, source: str) -> str:
    """A path that is there, or the longest end of it that is there below `folder`; anything else as it is."""
    if source == "-" or "://" in source or _is_there(source):
        return source
    parts = Path(source).parts[1:]
    ends = (str(folder.joinpath(*parts[start:])) for start in range(len(parts)))
    return next(filter(_is_there, ends), source)


def _is_there(source: str) -> bool:
    return os.path.exists(source) or bool(glob(source))  # noqa: PTH110, PTH207  a pattern, or no name at all


def without_secrets_in(data: DataConfig) -> DataConfig:
    """The same, addresses as they may be written to files."""
    val = data.val if data.val is None else without_secrets(data.val)
    return replace(data, sources=tuple(map(without_secrets, data.sources)), val=val)


def addresses_in(data: DataConfig) -> tuple[str, ...]:
    """The addresses that a configuration names."""
    return tuple(name for name in (*data.sources, data.val or "") if scheme_of(name))


def require_fetchable(data: DataConfig, request: TrainRequest, run: Path, sha256: str | None = None) -> None:
    """Raise CorpusError where resuming would fetch an address that neither was named now nor by this user before.

    `data` names what will be read; what is in the cache isn't fetched.
    """
    given = (*request.sources, request.options.get("val"))
    unnamed = [address for address in addresses_in(data) if address not in given]
    if unnamed and not (is_begun_here(run, unnamed) or _is_cached(sha256)):
        raise CorpusError(
            f"this run's text lies at {unnamed[0]}, which isn't fetched because a file says so; "
            f"name it if you trust it: charnn train {unnamed[0]} --resume --out {run}"
        )


def _is_cached(sha256: str | None) -> bool:
    return sha256 is not None and all(open_encoded(part) for part in text_hashes(sha256))
