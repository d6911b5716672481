"""What a run on pairs trains on: encoded pairs, their vocabularies, and the split by what the sources say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from charnn.config import ColumnConfig, DataConfig, Layout
from charnn.data.cache import EncodedText
from charnn.data.collection import DEFAULT_FRACTION
from charnn.data.document_hash import document_hash
from charnn.data.document_table import MARK_ID
from charnn.data.encode import Progress
from charnn.data.pair_encoding import DIVIDER, encode_pairs
from charnn.data.pair_files import PairOptions
from charnn.data.pair_view import PairView
from charnn.data.permutation import mix64
from charnn.data.symbols import FIRST_GLYPH, PairVocabulary, Separators
from charnn.data.vocab import Vocabulary
from charnn.errors import CorpusError
from charnn.settings import configured

MAX_VALIDATION_PAIRS = 20_000  # of the default fraction
COPIED_SHARE = 0.5  # of the targets' symbols that sources have too: from it on they may be copied
_CHUNK = 1 << 18  # pairs looked at together
_STEP = np.uint64(0xD1342543DE82EF95)  # odd: a symbol's number in its source is multiplied by it
_SPLIT = np.uint64(0x5A17)
_SIDES = 3


@dataclass(frozen=True, eq=False)
class PairParts:
    """Pairs to train on and to validate on, and what their symbols are."""

    train: PairView
    val: PairView | None
    vocabulary: Vocabulary  # of the targets, with their end and an unknown symbol
    pairs: PairVocabulary
    copied_share: float  # of the targets' symbols, which the sources have too


def encoded_pairs(data: DataConfig, progress: Progress | None = None) -> EncodedText:
    """The pairs that are the run's sources."""
    return _encoded(data, data.sources, data.layout == "parallel", progress)


def encoded_validation(data: DataConfig, progress: Progress | None = None) -> EncodedText:
    """Those of its validation file."""
    assert data.val is not None
    return _encoded(data, (data.val,), False, progress)


def _encoded(
    data: DataConfig, names: tuple[str, ...], is_parallel: bool, progress: Progress | None
) -> EncodedText:
    columns = configured(ColumnConfig, vars(data))
    layout: Layout = "parallel" if is_parallel else "pairs"
    options = PairOptions.of(layout, columns, data, _separators_in_file(data))
    return encode_pairs(names, options, progress=progress)


def _separators_in_file(data: DataConfig) -> Separators:
    return Separators(data.source_separator, data.target_separator, data.features_separator)


def split_pairs(
    texts: Sequence[EncodedText], data: DataConfig, base: tuple[Vocabulary, PairVocabulary] | None
) -> PairParts:
    """The parts of a corpus of pairs; `base` are the vocabularies to extend.

    Raises CorpusError where there are too few pairs.
    """
    for text in texts:
        if not (text.documents and text.documents.count):
            raise CorpusError("there are no pairs; write a source, a tab and its target on each line")
    surveys = [_Survey(text) for text in texts]
    separators = _separators_in_file(data)
    used = separators.swapped() if data.reverse else separators
    symbols = tuple(
        dict.fromkeys([*(base[1].symbols if base else ()), *(s for text in texts for s in text.symbols)])
    )
    texts = [_with_glyphs_of(text, symbols) for text in texts]
    sides = [_extended(side, texts, surveys) for side in range(_SIDES)]
    known = [base[1].source, base[1].features, base[0].characters] if base else ["", "", ""]
    source, features, target = (k + "".join(sorted(s - set(k))) for k, s in zip(known, sides, strict=True))
    vocabulary = Vocabulary(target, has_unknown=True, has_end=True)
    pairs = PairVocabulary(source, features, symbols, used)
    rows = _split_rows(texts, surveys, data)
    views = [PairView(text, chosen, vocabulary, pairs) for text, chosen in rows]
    return PairParts(
        views[0],
        views[1] if len(views) > 1 else None,
        vocabulary,
        pairs,
        _copied_share(texts, surveys, source),
    )


class _Survey:
    """A pass over a text of pairs: how often each provisional id stands in each part, and the sources' hashes."""

    def __init__(self, text: EncodedText) -> None:
        assert text.documents is not None
        self._text, self._table = text, text.documents
        self._divider = text.characters.find(DIVIDER)
        self._symbol_hashes = np.array(
            [document_hash(_symbol(text, character)) for character in text.characters], dtype=np.uint64
        )
        self.counts = np.zeros((_SIDES, len(text.characters)), dtype=np.int64)  # source, features, target
        self.keys = np.empty(len(self._table), dtype=np.uint32)  # upper halves: enough to split by
        for start in range(0, len(self._table), _CHUNK):
            self._read(start, min(start + _CHUNK, len(self._table)))

    def _read(self, start: int, stop: int) -> None:
        ends = np.asarray(self._table.ends[start : stop + 1], dtype=np.int64)
        ids = np.asarray(self._text.ids[ends[0] : ends[-1]])
        borders = (ids == MARK_ID) | (ids == self._divider)
        side = (np.cumsum(borders) - 1) % _SIDES
        for number in range(_SIDES):
            inside = ids[(side == number) & ~borders]
            self.counts[number] += np.bincount(inside, minlength=self.counts.shape[1])
        begins = ends[:-1] - ends[0] + 1
        first_dividers = np.flatnonzero(borders)[1::_SIDES]
        self.keys[start:stop] = self._hashes(ids, begins, first_dividers) >> np.uint64(32)

    def _hashes(
        self, ids: NDArray[np.integer], begins: NDArray[np.int64], stops: NDArray[np.int64]
    ) -> NDArray[np.uint64]:
        """Of the symbols [begin, stop) of each row: they depend on the symbols and their order alone."""
        lengths = stops - begins
        firsts = np.cumsum(lengths) - lengths
        within = np.arange(int(lengths.sum())) - np.repeat(firsts, lengths)
        values = self._symbol_hashes[ids[np.repeat(begins, lengths) + within]]
        mixed = mix64(values + (within + 1).astype(np.uint64) * _STEP)
        upto = np.append(np.uint64(0), np.cumsum(mixed, dtype=np.uint64))
        return mix64((upto[firsts + lengths] - upto[firsts]) ^ _SPLIT ^ lengths.astype(np.uint64))


def _symbol(text: EncodedText, character: str) -> str:
    number = ord(character) - FIRST_GLYPH
    return text.symbols[number] if 0 <= number < len(text.symbols) else character


def _with_glyphs_of(text: EncodedText, symbols: tuple[str, ...]) -> EncodedText:
    """The text, its glyphs those that `symbols` gives: another file's, or another model's."""
    if text.symbols == symbols[: len(text.symbols)]:
        return text
    glyph_of = {symbol: chr(FIRST_GLYPH + number) for number, symbol in enumerate(symbols)}
    characters = "".join(
        glyph_of[_symbol(text, character)] if ord(character) >= FIRST_GLYPH else character
        for character in text.characters
    )
    return replace(text, characters=characters)


def _extended(side: int, texts: Sequence[EncodedText], surveys: Sequence[_Survey]) -> set[str]:
    """The glyphs that stand in a part of any pair."""
    return {
        text.characters[i]
        for text, survey in zip(texts, surveys, strict=True)
        for i in np.flatnonzero(survey.counts[side])
    }


def _copied_share(texts: Sequence[EncodedText], surveys: Sequence[_Survey], source: str) -> float:
    in_source = set(source)
    known = total = 0
    for text, survey in zip(texts, surveys, strict=True):
        total += int(survey.counts[2].sum())
        known += sum(
            int(n) for glyph, n in zip(text.characters, survey.counts[2], strict=True) if glyph in in_source
        )
    return known / max(total, 1)


def _split_rows(
    texts: Sequence[EncodedText], surveys: Sequence[_Survey], data: DataConfig
) -> Iterator[tuple[EncodedText, NDArray[np.uint32]]]:
    """The rows that train and, unless the fraction is 0, those that validate."""
    first, keys = texts[0], surveys[0].keys
    everything = np.arange(len(keys), dtype=np.uint32)
    if len(texts) == 2 or data.val_fraction == 0:
        yield first, everything
        if len(texts) == 2:
            yield texts[1], np.arange(len(surveys[1].keys), dtype=np.uint32)
        return
    validates = _validates(keys, data.val_fraction)
    if validates.all() or not validates.any():
        raise CorpusError(
            "the corpus needs two different sources, one to train on and one to validate on; or give --val-fraction 0"
        )
    yield first, everything[~validates]
    yield first, everything[validates]


def _validates(keys: NDArray[np.uint32], fraction: float | None) -> NDArray[np.bool_]:
    """A pair validates when its source's hash falls into the fraction; at least the lowest does, not the highest."""
    if fraction is None:
        fraction = min(DEFAULT_FRACTION, MAX_VALIDATION_PAIRS / len(keys))
    validates: NDArray[np.bool_] = keys < np.uint32(fraction * 2.0**32)
    if not validates.any():
        return np.asarray(keys == keys.min())
    return np.asarray(keys != keys.max()) if validates.all() else validates
