"""A source and its features as a model of pairs reads them, and a target as it would have written it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import get_args

import numpy as np

from charnn.config import Unknown
from charnn.data.symbols import PairVocabulary, split_symbols
from charnn.data.vocab import IGNORED, UNKNOWN_ID, Vocabulary
from charnn.errors import InputError, UnknownCharacterError
from charnn.inference.encoding import known_form
from charnn.inference.transducer import Ids

_SHOWN = 40  # characters of a symbol in an error


@dataclass(frozen=True)
class Query:
    """What is asked: the texts that were given, and the symbols and ids (S,) that are read, the features last."""

    source: str
    features: str
    symbols: tuple[str, ...]
    ids: Ids


def query(pairs: PairVocabulary, source: str, features: str, unknown: Unknown, called: str) -> Query:
    """A source that is `called` so in errors, with its features.

    Raises UnknownCharacterError that names an unknown symbol, InputError where features are missing or aren't read.
    """
    if unknown not in get_args(Unknown):
        raise InputError(f"--unknown must be one of {', '.join(get_args(Unknown))}, not {unknown!r}")
    if pairs.features and not features.strip():
        example = next(pairs.symbols_of(pairs.features))
        raise InputError(
            f"{called} has no features, which the model was trained with ({example!a}, …); give --features, or write "
            "them after a tab"
        )
    if features and not pairs.features:
        raise InputError(f"{called} has features, but the model was trained without; leave them out")
    separators = pairs.separators
    source_read = source if separators.source else known_form(pairs.source_vocabulary, source)
    symbols = [*split_symbols(source_read, separators.source)]
    ids = _ids(pairs, pairs.source_vocabulary, source_read, separators.source, 0)
    if features and pairs.features_vocabulary:
        symbols += split_symbols(features, separators.features)
        of_features = _ids(pairs, pairs.features_vocabulary, features, separators.features, len(pairs.source))
        ids = np.concatenate([ids, of_features])
    strange = np.flatnonzero(ids == pairs.unknown_id)
    if len(strange) and unknown == "error":
        raise _unknown_symbol(symbols[strange[0]], int(strange[0]) + 1, called)
    if len(strange) and unknown == "skip":
        kept = np.flatnonzero(ids != pairs.unknown_id)
        symbols, ids = [symbols[i] for i in kept], ids[kept]
    return Query(source, features, tuple(symbols), ids)


def encoded_target(vocabulary: Vocabulary, pairs: PairVocabulary, target: str) -> Ids:
    """The ids of a target, its end the last; a symbol that no target had is the unknown one."""
    read = target_form(vocabulary, pairs, target)
    ids = vocabulary.encode(pairs.glyphs(read, pairs.separators.target)).astype(np.int64)
    ids[ids == UNKNOWN_ID] = vocabulary.unknown_id
    assert vocabulary.end_id is not None
    return np.append(ids, vocabulary.end_id)


def target_form(vocabulary: Vocabulary, pairs: PairVocabulary, target: str) -> str:
    """A target in the Unicode normal form that the model writes; symbols between separators are taken as they are."""
    return target if pairs.separators.target else known_form(vocabulary, target)


def padded(rows: Sequence[Ids]) -> tuple[Ids, Ids]:
    """Rows of ids side by side, (S, N), IGNORED beyond their lengths, (N,)."""
    lengths = np.array([len(row) for row in rows])
    source = np.full((len(rows), int(lengths.max())), IGNORED)
    source[np.arange(source.shape[1]) < lengths[:, None]] = np.concatenate([*chain(rows)])
    return np.ascontiguousarray(source.T), lengths


def _ids(pairs: PairVocabulary, vocabulary: Vocabulary, text: str, separator: str, offset: int) -> Ids:
    ids = vocabulary.encode(pairs.glyphs(text, separator)).astype(np.int64)
    return np.where(ids == UNKNOWN_ID, pairs.unknown_id, ids + offset)


def _unknown_symbol(symbol: str, place: int, called: str) -> UnknownCharacterError:
    named = f"U+{ord(symbol):04X} ({symbol!r})" if len(symbol) == 1 else repr(symbol[:_SHOWN])
    return UnknownCharacterError(
        f"{named}, symbol {place} of {called}, is none that the model was trained on; take it out, or give --unknown "
        "skip or replace",
        symbol,
    )
