"""A run's corpus: encoded text, its vocabulary, and the split into training and validation."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from charnn.config import MAX_VALIDATION, DataConfig
from charnn.data.addresses import scheme_of
from charnn.data.cache import EncodedText, corpus_hash, open_encoded, text_hashes
from charnn.data.collection import DEFAULT_FRACTION, DocumentView, split_documents
from charnn.data.document_table import MARK_ID
from charnn.data.encode import Progress, encode_text
from charnn.data.pair_corpus import encoded_pairs, encoded_validation, split_pairs
from charnn.data.pair_view import PairView
from charnn.data.stored_array import in_memory
from charnn.data.symbols import PairVocabulary
from charnn.data.tokens import TokenView
from charnn.data.vocab import UNKNOWN_ID, Vocabulary, choose_vocabulary
from charnn.errors import CorpusError, InputError
from charnn.settings import settings_of

_MIN_CHARS = 2  # of each part: one character to predict another
_MIN_DISTINCT = 2
_MIN_DOCUMENTS = 2
_PIECES, _PIECE_CHARS = 8, 512  # of a preview

_Stretch = tuple[EncodedText, int, int]  # its characters [start, stop)


@dataclass(frozen=True)
class Documents:
    """What a corpus is taken for. `kind` "none" is one continuous text; `reason` why, where the text decided."""

    kind: str = "none"
    separator: str = ""  # between documents that are written out
    count: int = 0  # of both parts, duplicates included
    duplicates: int = 0  # that are the same as one before
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Corpus:
    """What a run trains on. `sha256` is the text's; with a validation file of its own, both joined by "+"."""

    vocabulary: Vocabulary
    train: TokenView | DocumentView | PairView
    val: TokenView | DocumentView | PairView | None
    chars: int  # of both parts
    sha256: str
    replaced: int  # U+FFFD put in place of bytes that weren't UTF-8
    unknown: int  # characters of both parts that became the unknown id
    documents: Documents
    newlines: int = 0  # CR LF and CR that became LF
    nuls: int = 0
    files: int = 1  # that the corpus was read from, the validation file not counted
    left_out: str = ""  # of the folders that were named
    pairs: PairVocabulary | None = None  # of pairs: what sources hold; `vocabulary` is that of the targets
    copied_share: float = 0.0  # of the targets' symbols, which the sources have too


@dataclass(frozen=True)
class Preview:
    """A text before its vocabulary is chosen: how often each character occurs, and some pieces of it."""

    counts: Mapping[str, int]
    pieces: Sequence[str]

    @property
    def chars(self) -> int:
        return sum(self.counts.values())

    def known_share(self, vocabulary: Vocabulary) -> float:
        """The share of the text's characters that a vocabulary has."""
        known = sum(count for character, count in self.counts.items() if character in vocabulary)
        return known / max(self.chars, 1)


PairBase = tuple[Vocabulary, PairVocabulary]
Base = Vocabulary | PairBase | Callable[[Preview], Vocabulary | None] | None
"""The vocabulary to extend (of pairs both), or what chooses it once the text is there."""


def open_corpus(
    data: DataConfig,
    *,
    base: Base = None,
    sha256: str | None = None,
    progress: Progress | None = None,
) -> Corpus:
    """Read, encode (or find in the cache) and split a corpus.

    `base` is the vocabulary to extend, for --init-from. `sha256` is that of the corpus a resumed run began
    with. Raises CorpusError when the text can't be read, is too short or isn't the one the run began with;
    InputError for impossible options.
    """
    _check_options(data)
    texts = _texts(data, sha256, progress)
    found = corpus_hash(texts)
    if sha256 and found != sha256:
        raise CorpusError(
            f"the corpus has changed since the run began (SHA-256 {sha256[:12]}… then, {found[:12]}… now); "
            "bring the old text back, or start a new run"
        )
    return _assembled(texts, data, base)


def open_cached_corpus(data: DataConfig, *, base: Vocabulary | PairBase | None, sha256: str) -> Corpus | None:
    """The corpus with this hash from the cache, whatever its sources hold now; None where it isn't there whole.

    Raises CorpusError when it is too short, as `open_corpus` does.
    """
    texts = [open_encoded(part) for part in text_hashes(sha256)]
    whole = [text for text in texts if text is not None]
    if len(whole) != len(texts) or len(texts) != (1 if data.val is None else 2):
        return None
    return _assembled(whole, data, base)


def _assembled(texts: Sequence[EncodedText], data: DataConfig, base: Base) -> Corpus:
    """The corpus that these texts are."""
    if data.layout != "text":
        return _assembled_pairs(texts, data, base if isinstance(base, tuple) else None)
    assert not isinstance(base, tuple)
    texts = [replace(text, ids=in_memory(text.ids)) for text in texts]
    counts = _counts(texts)
    documents = _documents(texts)
    is_collection = documents.kind != "none"
    if is_collection:
        _check_documents(documents)
    else:
        _check_size(_split(texts, data), len(counts))
    if callable(base):
        base = base(Preview(counts, _pieces(texts[0])))
    vocabulary = choose_vocabulary(counts, data.max_vocab, base, has_end=is_collection)
    parts = (
        _document_views(texts, data, vocabulary) if is_collection else _token_views(texts, data, vocabulary)
    )
    train, *val = parts
    return Corpus(
        vocabulary,
        train,
        val[0] if val else None,
        chars=sum(counts.values()),
        sha256=corpus_hash(texts),
        replaced=sum(text.replaced for text in texts),
        unknown=sum(count for character, count in counts.items() if character not in vocabulary),
        documents=documents,
        newlines=sum(text.newlines for text in texts),
        nuls=sum(text.nuls for text in texts),
        files=texts[0].files,
        left_out=texts[0].left_out,
    )


def _assembled_pairs(texts: Sequence[EncodedText], data: DataConfig, base: PairBase | None) -> Corpus:
    parts = split_pairs(texts, data, base)
    tables = [text.documents for text in texts if text.documents]
    return Corpus(
        parts.vocabulary,
        parts.train,
        parts.val,
        chars=sum(int(text.counts.sum()) for text in texts),
        sha256=corpus_hash(texts),
        replaced=sum(text.replaced for text in texts),
        unknown=0,
        documents=Documents(
            "pairs", "\n", sum(table.count for table in tables), sum(table.duplicates for table in tables)
        ),
        newlines=sum(text.newlines for text in texts),
        nuls=sum(text.nuls for text in texts),
        files=texts[0].files,
        left_out=texts[0].left_out,
        pairs=parts.pairs,
        copied_share=parts.copied_share,
    )


def _check_options(data: DataConfig) -> None:
    for name, one in settings_of(DataConfig).items():
        if (value := getattr(data, name)) is not None:
            one.require(value)
    if data.val == "-" and "-" in data.sources:
        raise InputError("standard input can't be both the corpus and --val; give one of them as a file")


def _texts(data: DataConfig, sha256: str | None, progress: Progress | None) -> list[EncodedText]:
    """The corpus, and after it the validation file when there is one."""
    expected = [*(text_hashes(sha256) if sha256 else []), None, None]
    first = _text(data.sources, expected[0], data, progress)
    if data.val is None:
        return [first]
    if data.layout != "text":
        return [first, encoded_validation(data, progress)]
    kind = first.documents.kind if first.documents else "none"
    return [first, _text((data.val,), expected[1], replace(data, documents=kind), progress)]


def _text(
    sources: Sequence[str], expected: str | None, data: DataConfig, progress: Progress | None
) -> EncodedText:
    """One text; for a resumed run whose corpus was piped in or fetched, the cached copy."""
    if expected and any(source == "-" or scheme_of(source) for source in sources):
        if cached := open_encoded(expected):
            return cached
        if "-" in sources and sys.stdin and sys.stdin.isatty():
            raise CorpusError("the corpus was piped in and its cached copy is gone; pipe it in again")
    if data.layout != "text":
        return encoded_pairs(data, progress)
    return encode_text(
        sources,
        separator=data.separator,
        errors=data.errors,
        documents=data.documents,
        columns=data.column,
        newlines=data.newlines,
        encoding=data.encoding,
        progress=progress,
    )


def _counts(texts: Sequence[EncodedText]) -> dict[str, int]:
    """How often each character occurs in all the texts; a document's end is none."""
    counts: Counter[str] = Counter()
    for text in texts:
        of_text = dict(zip(text.characters, text.counts.tolist(), strict=True))
        if text.documents:
            del of_text[text.characters[MARK_ID]]
        counts.update(of_text)
    return counts


def _pieces(text: EncodedText) -> list[str]:
    """Pieces from the part of a text that trains, evenly spread; a document's end reads as a newline."""
    glyphs = np.array([*text.characters])
    if text.documents:
        glyphs[MARK_ID] = "\n"
    last = max(int((1 - DEFAULT_FRACTION) * len(text.ids)) - _PIECE_CHARS, 0)
    starts = sorted({round(last * k / (_PIECES - 1)) for k in range(_PIECES)})
    return ["".join(glyphs[np.asarray(text.ids[start : start + _PIECE_CHARS])]) for start in starts]


def _documents(texts: Sequence[EncodedText]) -> Documents:
    tables = [text.documents for text in texts if text.documents]
    if not tables:
        return Documents(reason=texts[0].reason)
    return Documents(
        tables[0].kind,
        tables[0].separator,
        sum(table.count for table in tables),
        sum(table.duplicates for table in tables),
        texts[0].reason,
    )


def _check_documents(documents: Documents) -> None:
    if documents.count < _MIN_DOCUMENTS:
        found = "one" if documents.count else "none that isn't empty"
        raise CorpusError(
            f"the corpus needs {_MIN_DOCUMENTS} documents or more ({documents.kind}); found {found}; "
            "--documents says what a document is, none reads one continuous text"
        )


def _document_views(
    texts: Sequence[EncodedText], data: DataConfig, vocabulary: Vocabulary
) -> list[DocumentView]:
    """The documents that train and, unless the fraction is 0, those that validate."""
    first = texts[0]
    own_val = len(texts) == 2
    split = split_documents(first, 0.0 if own_val else data.val_fraction, data.unique)
    chosen = [(first, split.trains)]
    if own_val:
        chosen.append((texts[1], split_documents(texts[1], 0.0, data.unique).trains))
    elif split.validates is not None:
        chosen.append((first, split.validates))
    views = [_document_view(text, documents, vocabulary) for text, documents in chosen]
    if not all(view.count for view in views):
        raise CorpusError(
            "the corpus needs two different documents, one to train on and one to validate on; "
            "or give --val-fraction 0"
        )
    return views


def _document_view(text: EncodedText, chosen: NDArray[np.bool_], vocabulary: Vocabulary) -> DocumentView:
    assert text.documents is not None and vocabulary.end_id is not None
    table = _table(text, vocabulary)
    table[MARK_ID] = vocabulary.end_id
    return DocumentView(TokenView(text.ids, table), text.documents, chosen, vocabulary.end_id)


def _token_views(texts: Sequence[EncodedText], data: DataConfig, vocabulary: Vocabulary) -> list[TokenView]:
    """The stretch that trains and, unless the fraction is 0, the one that validates."""
    return [
        TokenView(text.ids, _table(text, vocabulary), start, stop)
        for text, start, stop in _split(texts, data)
    ]


def _split(texts: Sequence[EncodedText], data: DataConfig) -> list[_Stretch]:
    """The stretch that trains and, unless the fraction is 0, the one that validates."""
    if len(texts) == 2:
        return [(text, 0, len(text.ids)) for text in texts]
    text, n = texts[0], len(texts[0].ids)
    if data.val_fraction == 0:
        return [(text, 0, n)]
    if data.val_fraction is None:
        cut = max(int((1 - DEFAULT_FRACTION) * n), n - MAX_VALIDATION)
    else:
        cut = int((1 - data.val_fraction) * n)
    return [(text, 0, cut), (text, cut, n)]


def _check_size(stretches: Sequence[_Stretch], distinct: int) -> None:
    sizes = [stop - start for _, start, stop in stretches]
    if min(sizes) < _MIN_CHARS or distinct < _MIN_DISTINCT:
        found = f"{sizes[0]:,} to train on" + (f", {sizes[1]:,} to validate on" if len(sizes) == 2 else "")
        raise CorpusError(
            f"the corpus is too short: it needs {_MIN_CHARS} characters or more to train on, {_MIN_CHARS} to "
            f"validate on (or --val-fraction 0) and {_MIN_DISTINCT} distinct ones; "
            f"found {found}, {distinct} distinct"
        )


def _table(text: EncodedText, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Provisional id → the run's own."""
    ids = vocabulary.encode(text.characters).astype(np.int64)
    return np.where(ids == UNKNOWN_ID, vocabulary.unknown_id, ids)
