"""The part of a corpus that a model trained on it hasn't seen."""

from collections.abc import Sequence
from pathlib import Path

from charnn.bundled import bundled_corpus
from charnn.config import DataConfig
from charnn.data.collection import DocumentView
from charnn.data.corpus import Corpus, open_corpus
from charnn.data.sources import listed_paths
from charnn.data.tokens import TokenView


def held_out(corpus: str | Path | Sequence[str | Path] = ()) -> str:
    """What `charnn train` keeps of `corpus` (a path or several; none: the bundled one) for validation by default.

    That is its last tenth, of a collection the documents chosen by their content, at most MAX_VALIDATION characters.
    Raises CharnnError as `charnn train` does.
    """
    sources = tuple(listed_paths(corpus)) or (str(bundled_corpus()),)
    text = validation_text(open_corpus(DataConfig(sources)))
    assert text is not None  # unless a fraction of 0 were asked for
    return text


def validation_text(corpus: Corpus) -> str | None:
    """The part of a corpus that validates, documents with what separates them; None of pairs, and where it has none."""
    if isinstance(corpus.val, DocumentView):
        return corpus.documents.separator.join(corpus.val.texts(corpus.vocabulary))
    if isinstance(corpus.val, TokenView):
        return corpus.vocabulary.decode(corpus.val.read(0, len(corpus.val)))
    return None
