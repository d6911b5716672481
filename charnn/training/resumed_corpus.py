"""The corpus of a resumed run, wherever it lies now: the hash that the run began with decides, not the name.

Tried in order: what is named now, or else what was named then; the same below the folders that the run lies in now,
for a project that was moved as a whole; the cached copy.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from glob import glob
from pathlib import Path

from charnn.config import DataConfig
from charnn.data.corpus import Corpus, open_cached_corpus, open_corpus
from charnn.data.encode import Progress
from charnn.data.vocab import Vocabulary
from charnn.errors import CharnnError, CorpusError

_FOLDERS_ABOVE = 3  # of the run's: checkpoints/, the project, and what that lies in


def resumed_corpus(
    data: DataConfig,
    stored: DataConfig,
    run: Path,
    vocabulary: Vocabulary,
    sha256: str,
    progress: Progress | None = None,
) -> tuple[Corpus, DataConfig, list[str]]:
    """The text with this hash, where it was found, and what the user should know about that.

    `data` names the sources of now, `stored` those of the run: another text that is named is never passed over.
    Raises CorpusError where the text is nowhere.
    """
    try:
        return open_corpus(data, base=vocabulary, sha256=sha256, progress=progress), data, []
    except CharnnError as error:
        reason = error
    for moved in _moved(data, run):
        try:
            corpus = open_corpus(moved, base=vocabulary, sha256=sha256, progress=progress)
        except CharnnError:
            continue
        return corpus, moved, [f"the corpus was moved with the run: it is read from {moved.sources[0]}"]
    if data != stored:
        raise reason
    if cached := open_cached_corpus(data, base=vocabulary, sha256=sha256):
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
