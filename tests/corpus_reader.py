"""A corpus as one text, read as training reads it."""

from charnn.data.reading import Findings, ReadOptions, read_corpus
from charnn.data.sources import list_sources
from charnn.data.streams import Tally


def corpus_text(*names: object, tally: Tally | None = None, chunk_size: int = 1000, **options: object) -> str:
    """The text of files, folders, addresses; `options` are those of ReadOptions."""
    sources = list_sources([str(name) for name in names])
    reading = ReadOptions(**{"newlines": "keep", **options})
    return "".join(read_corpus(sources, reading, tally or Tally(), Findings(), chunk_size))
