"""The part of a corpus that a model trained on it hasn't seen."""

from collections.abc import Sequence
from pathlib import Path

from charnn.bundled import bundled_corpus
from charnn.config import DataConfig
from charnn.data.collection import DocumentView
from charnn.data.corpus import open_corpus
from charnn.data.sources import listed_paths
from charnn.data.tokens import TokenView


def held_out(corpus: str | Path | Sequence[str | Path] = ()) -> str:
    """What `charnn train` keeps of `corpus` (a path or several; none: the bundled one) for validation by default.

    That is its last tenth, of a collection the documents chosen by their content, at most MAX_VALIDATION characters.
    Raises CharnnError as `charnn train` does.
    """
    sources = tuple(listed_paths(corpus)) or (str(bundled_corpus()),)
    opened = open_corpus(DataConfig(sources))
    assert opened.val is not None  # unless a fraction of 0 were asked for
    if isinstance(opened.val, DocumentView):
        return opened.documents.separator.join(opened.val.texts(opened.vocabulary))
    assert isinstance(opened.val, TokenView)
    return opened.vocabulary.decode(opened.val.read(0, len(opened.val)))
