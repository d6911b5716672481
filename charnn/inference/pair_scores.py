"""How well a model translates pairs whose targets are known: accuracy, symbol error rate, nats per symbol."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from charnn.config import Unknown
from charnn.data.pair_files import Pair
from charnn.data.symbols import split_symbols
from charnn.errors import InputError
from charnn.inference.pair_input import target_form
from charnn.inference.translator import Translator


@dataclass(frozen=True)
class PairScores:
    """`accuracy` is the share of sources, with their features, of which the best target found is one of the known ones.

    `symbol_error_rate`: edits (Levenshtein 1966) to the nearest known target, over its symbols, of all sources
    together. `nats_per_symbol`: −log p of all known targets, over their symbols, each end counted as one.
    """

    pairs: int
    sources: int
    accuracy: float
    symbol_error_rate: float
    nats_per_symbol: float

    @property
    def wer(self) -> float:
        """The word error rate of those who read words: the share of sources that are wrong."""
        return 1 - self.accuracy


def score_pairs(
    model: Translator,
    pairs: Iterable[Pair],
    *,
    unknown: Unknown = "error",
    called: str = "source",
    **options: Any,
) -> PairScores:
    """Translate every source once, and hold it against all its targets. Options as TranslateConfig's.

    Raises InputError where there are no pairs, UnknownCharacterError as `translate_many` does.
    """
    listed = list(pairs)
    if not listed:
        raise InputError("there are no pairs to score")
    known: dict[tuple[str, str], list[str]] = {}
    for pair in listed:
        known.setdefault((pair.source, pair.features), []).append(pair.target)
    found = model.translate_many(known, unknown=unknown, called=called, **options)
    right = edits = symbols = 0
    separator = model.pairs.separators.target
    for translation, targets in zip(found, known.values(), strict=True):
        written = split_symbols(translation, separator)
        read = (target_form(model.vocabulary, model.pairs, target) for target in targets)
        nearest = min((edit_distance(written, one), len(one)) for one in _split(read, separator))
        right += nearest[0] == 0
        edits, symbols = edits + nearest[0], symbols + nearest[1]
    log_probs = model.log_probs([(p.source, p.target, p.features) for p in listed], unknown=unknown)
    nats = -sum(one for one, _ in log_probs) / sum(count for _, count in log_probs)
    return PairScores(len(listed), len(known), right / len(known), edits / max(symbols, 1), nats)


def _split(targets: Iterable[str], separator: str) -> Iterable[Sequence[str]]:
    return (split_symbols(target, separator) for target in targets)


def edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """How many symbols are put in, left out or changed to make one of the other."""
    if [*one] == [*other]:
        return 0
    row = list(range(len(other) + 1))
    for i, symbol in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, its in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (symbol != its))
    return row[-1]
