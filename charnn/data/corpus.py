"""A run's corpus: encoded text, its vocabulary, and the split into training and validation."""

import mmap
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charnn.config import MAX_VALIDATION, DataConfig
from charnn.data.cache import EncodedText, open_encoded
from charnn.data.encode import Progress, encode_text
from charnn.data.vocab import UNKNOWN_ID, Vocabulary, choose_vocabulary
from charnn.errors import CorpusError, InputError
from charnn.settings import settings_of

_RESIDENT_BYTES = 64 << 20  # a larger map's pages are given back after each reading
_DEFAULT_FRACTION = 0.1
_MIN_CHARS = 2  # of each part: one character to predict another
_MIN_DISTINCT = 2

_Stretch = tuple[EncodedText, NDArray[Any]]  # and a slice of its ids


class TokenView:
    """A stretch of text in a run's own ids: provisional ids, (n,), seen through a table provisional → own."""

    def __init__(self, ids: NDArray[Any], table: NDArray[np.int64]) -> None:
        self._ids, self._table = ids, table

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, start: int, stop: int) -> NDArray[np.int64]:
        """Ids of the characters [start, stop), shape (stop − start,)."""
        return self._own(self._ids[start:stop])

    def gather(self, places: NDArray[np.integer]) -> NDArray[np.int64]:
        """Ids of the characters at `places`, same shape."""
        return self._own(self._ids[places])

    def _own(self, provisional: NDArray[Any]) -> NDArray[np.int64]:
        ids: NDArray[np.int64] = self._table[provisional]
        self._release()
        return ids

    def _release(self) -> None:
        """Let go of the pages just read, so that an epoch over a huge map leaves the resident size flat."""
        mapping = getattr(self._ids, "_mmap", None)
        if mapping is not None and len(mapping) > _RESIDENT_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True, eq=False)
class Corpus:
    """What a run trains on. `sha256` is the text's; with a validation file of its own, both joined by "+"."""

    vocabulary: Vocabulary
    train: TokenView
    val: TokenView | None
    chars: int  # of both parts
    sha256: str
    replaced: int  # U+FFFD put in place of bytes that weren't UTF-8
    unknown: int  # characters of both parts that became the unknown id


def open_corpus(
    data: DataConfig,
    *,
    base: Vocabulary | None = None,
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
    found = "+".join(text.sha256 for text in texts)
    if sha256 and found != sha256:
        raise CorpusError(
            f"the corpus has changed since the run began (SHA-256 {sha256[:12]}… then, {found[:12]}… now); "
            "bring the old text back, or start a new run"
        )
    counts = _counts(texts)
    stretches = _split(texts, data)
    _check_size(stretches, len(counts))
    vocabulary = choose_vocabulary(counts, data.max_vocab, base)
    train, *val = [TokenView(ids, _table(text, vocabulary)) for text, ids in stretches]
    return Corpus(
        vocabulary,
        train,
        val[0] if val else None,
        chars=sum(counts.values()),
        sha256=found,
        replaced=sum(text.replaced for text in texts),
        unknown=sum(count for character, count in counts.items() if character not in vocabulary),
    )


def _check_options(data: DataConfig) -> None:
    for name, one in settings_of(DataConfig).items():
        if (value := getattr(data, name)) is not None:
            one.require(value)
    if data.val == "-" and "-" in data.sources:
        raise InputError("standard input can't be both the corpus and --val; give one of them as a file")


def _texts(data: DataConfig, sha256: str | None, progress: Progress | None) -> list[EncodedText]:
    """The corpus, and after it the validation file when there is one."""
    groups = [data.sources, *([(data.val,)] if data.val is not None else [])]
    expected = sha256.split("+") if sha256 else []
    return [_text(*pair, data, progress) for pair in zip_longest(groups, expected[: len(groups)])]


def _text(
    sources: Sequence[str], expected: str | None, data: DataConfig, progress: Progress | None
) -> EncodedText:
    """One text; for a resumed run whose corpus was piped in, the cached copy."""
    if expected and "-" in sources:
        if cached := open_encoded(expected):
            return cached
        if sys.stdin and sys.stdin.isatty():
            raise CorpusError("the corpus was piped in and its cached copy is gone; pipe it in again")
    return encode_text(sources, separator=data.separator, errors=data.errors, progress=progress)


def _counts(texts: Sequence[EncodedText]) -> dict[str, int]:
    """How often each character occurs in all the texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(dict(zip(text.characters, text.counts.tolist(), strict=True)))
    return counts


def _split(texts: Sequence[EncodedText], data: DataConfig) -> list[_Stretch]:
    """The stretch that trains and, unless the fraction is 0, the one that validates."""
    if len(texts) == 2:
        return [(text, text.ids) for text in texts]
    text = texts[0]
    if data.val_fraction == 0:
        return [(text, text.ids)]
    n = len(text.ids)
    if data.val_fraction is None:
        cut = max(int((1 - _DEFAULT_FRACTION) * n), n - MAX_VALIDATION)
    else:
        cut = int((1 - data.val_fraction) * n)
    return [(text, text.ids[:cut]), (text, text.ids[cut:])]


def _check_size(stretches: Sequence[_Stretch], distinct: int) -> None:
    sizes = [len(ids) for _, ids in stretches]
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
