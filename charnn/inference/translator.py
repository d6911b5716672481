"""The public model of pairs: load once, then translate. Immutable, so that many threads may share one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from charnn.config import ModelConfig, TranslateConfig, Unknown
from charnn.data.symbols import PairVocabulary
from charnn.data.vocab import Vocabulary
from charnn.errors import InputError
from charnn.inference.cells import Array
from charnn.inference.generators import generators
from charnn.inference.pair_input import Query, encoded_target, padded, query
from charnn.inference.pair_search import NOTHING, Ensemble, Targets, beam_search, draw, forced
from charnn.inference.sampler import checked_seed
from charnn.inference.thread_pool import in_order
from charnn.inference.transducer import Ids, Transducer
from charnn.settings import checked, settings_of
from charnn.storage.model_file import ModelFile, model_path, read_model, require_capability
from charnn.storage.provenance import is_reversed

AHEAD = 4096  # sources read together, so that those of like lengths are translated together
ROWS = 512  # of a step at most: sources times beams
CELLS = 1 << 22  # of a batch's copies at most: sources times symbols times vocabulary
LONGEST_FACTOR, LONGEST_MORE = (
    5,
    50,
)  # a target has at most so many times its source's symbols, and so many more


@dataclass(frozen=True)
class Candidate:
    """A target with its log-probability (natural log, its end included where it has `ended` by itself)."""

    target: str
    log_prob: float
    ended: bool


class Translation(str):
    """The best target of a source, a text, with what is known of it.

    `log_prob` is its natural log, the end included where it has `ended` by itself; `candidates` are the likeliest
    targets found, the best first, or those drawn.
    """

    source: str
    features: str
    log_prob: float
    ended: bool
    candidates: tuple[Candidate, ...]

    def __new__(cls, source: str, features: str, candidates: Sequence[Candidate]) -> "Translation":
        best = candidates[0]
        self = super().__new__(cls, best.target)
        self.source, self.features, self.candidates = source, features, tuple(candidates)
        self.log_prob, self.ended = best.log_prob, best.ended
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Translation, (self.source, self.features, self.candidates)

    @property
    def target(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Alignment:
    """Where each symbol of a target was looked for: `weights` (symbols of the target and its end, of the source).

    The features stand among the source's symbols, after them. Each row's sum is 1; a network without attention has
    weights of no columns.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: Array


@dataclass(frozen=True)
class Translator:
    """A trained encoder–decoder, or an ensemble of several. Immutable: many threads may share one.

    A symbol that the model never saw raises UnknownCharacterError, an option out of its range InputError.
    """

    config: ModelConfig
    vocabulary: Vocabulary  # of targets, as glyphs: see `charnn.data.symbols`
    pairs: PairVocabulary
    provenance: Mapping[str, Any]
    path: Path | None = field(compare=False)
    _ensemble: Ensemble = field(repr=False, compare=False)

    @classmethod
    def of(cls, stored: ModelFile, path: Path | None = None) -> "Translator":
        """The model that a file holds; `path` None where there is none yet."""
        assert stored.pairs is not None
        provenance = MappingProxyType(stored.provenance)
        ensemble = Ensemble([Transducer(stored)])
        return cls(stored.config, stored.vocabulary, stored.pairs, provenance, path, ensemble)

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.config, self.vocabulary, self.pairs, dict(self.provenance), self.path, self._ensemble)
        return _rebuilt, parts

    def __hash__(self) -> int:
        return hash((self.config, self.vocabulary))

    def joined(self, others: Iterable["Translator"]) -> "Translator":
        """An ensemble with others: a symbol's probability is the mean of theirs.

        Raises InputError for one whose symbols, or whose direction, differ.
        """
        networks = list(self._ensemble.networks)
        for other in others:
            if (other.vocabulary, other.pairs) != (self.vocabulary, self.pairs):
                raise InputError(
                    f"{other.path} reads or writes other symbols than {self.path}: an ensemble's models are trained "
                    "on the same pairs"
                )
            if other.is_reversed is not self.is_reversed:
                raise InputError(
                    f"one of {self.path} and {other.path} was trained with --reverse and the other without: "
                    "an ensemble's models translate in one direction"
                )
            networks += other._ensemble.networks
        about = (self.config, self.vocabulary, self.pairs, self.provenance, self.path)
        return Translator(*about, Ensemble(networks))

    @property
    def is_reversed(self) -> bool:
        """Whether it was trained with --reverse: its sources are the targets of its files, and the other way round."""
        return is_reversed(self.provenance)

    @property
    def has_attention(self) -> bool:
        return all(network.config.attention == "dot" for network in self._ensemble.networks)

    def translate(
        self,
        source: str,
        *,
        features: str = "",
        seed: int | None = None,
        unknown: Unknown = "error",
        called: str = "the source",
        **options: Any,
    ) -> Translation:
        """The best target of `source`, a text with attributes. Options as TranslateConfig's.

        `unknown` is what becomes of symbols that the model never saw: "error" raises UnknownCharacterError, "skip"
        leaves them out, "replace" reads them as the unknown symbol, which may be copied.
        """
        asked = query(self.pairs, source, features, unknown, called)
        return self._translated([asked], self._settings(options), checked_seed(seed), 0)[0]

    def translate_many(
        self,
        sources: Iterable[str | tuple[str, str]],
        *,
        features: str = "",
        seed: int | None = None,
        unknown: Unknown = "error",
        first: int = 1,
        called: str = "source",
        before: int = 0,
        **options: Any,
    ) -> Iterator[Translation]:
        """A translation for each source (a string is one), or pair of source and features, in order, on all cores.

        Sources are read some thousands ahead. Errors number them from `first`, after what they are `called`. Draws go
        on from those of the `before` sources that were translated before them with the same seed.
        """
        config, seed = self._settings(options), checked_seed(seed)
        listed = [sources] if isinstance(sources, str) else sources
        pairs = ((one, features) if isinstance(one, str) else one for one in listed)
        queries = (
            query(self.pairs, source, given, unknown, f"{called} {number}")
            for number, (source, given) in enumerate(pairs, first)
        )
        begun = before
        while ahead := list(islice(queries, AHEAD)):
            yield from self._in_order(ahead, config, seed, begun)
            begun += len(ahead)

    def log_probs(
        self, pairs: Sequence[tuple[str, str, str]], *, unknown: Unknown = "error", called: str = "pair"
    ) -> list[tuple[float, int]]:
        """For each (source, target, features) the target's log-probability, its end included, and its symbols.

        The end counts as one; a symbol that no target had counts as the unknown one.
        """
        queries = [
            query(self.pairs, source, features, unknown, f"{called} {number}")
            for number, (source, _, features) in enumerate(pairs, 1)
        ]
        targets = [encoded_target(self.vocabulary, self.pairs, target) for _, target, _ in pairs]
        order = sorted(range(len(pairs)), key=lambda i: (len(queries[i].ids), len(targets[i])))
        order = [i for i in order if len(queries[i].ids)]
        batches = _batches(order, queries, ROWS // 4, self.config.vocab_size)

        def work(numbers: Sequence[int]) -> Iterable[float]:
            source, lengths = padded([queries[i].ids for i in numbers])
            target, _ = padded([targets[i] for i in numbers])
            found, _ = forced(self._ensemble, source, lengths, target)
            totals: list[float] = found.sum(axis=0).tolist()
            return totals

        totals = dict(zip(chain(*batches), chain.from_iterable(in_order(work, batches)), strict=True))
        return [(totals.get(i, 0.0), len(targets[i])) for i in range(len(pairs))]

    def align(
        self, source: str, target: str | None = None, *, features: str = "", unknown: Unknown = "error"
    ) -> Alignment:
        """Where the symbols of `target`, by default the best, were looked for in `source`.

        A source of no symbols has weights of no columns.
        """
        asked = query(self.pairs, source, features, unknown, "the source")
        if target is None:
            target = str(self.translate(source, features=features, unknown=unknown))
        ids = encoded_target(self.vocabulary, self.pairs, target)
        nowhere = np.zeros((len(ids), 0), np.float32)
        attention = self._forced(asked, ids)[1] if len(asked.ids) else nowhere
        written = tuple(self.pairs.symbols_of(self.vocabulary.decode(ids[:-1])))
        return Alignment(asked.symbols, written, attention)

    def _settings(self, options: Mapping[str, Any]) -> TranslateConfig:
        settings = settings_of(TranslateConfig)
        return TranslateConfig(**checked(settings, options, "translate"))

    def _in_order(
        self, queries: Sequence[Query], config: TranslateConfig, seed: int, begun: int
    ) -> Iterator[Translation]:
        """The translations of some queries, those of like lengths found together."""
        order = sorted(range(len(queries)), key=lambda i: len(queries[i].ids))
        batches = _batches(order, queries, self._rows_at_once(config), self.config.vocab_size)

        def work(numbers: Sequence[int]) -> list[Translation]:
            return self._translated([queries[i] for i in numbers], config, seed, begun, numbers)

        found: dict[int, Translation] = {}
        for numbers, translated in zip(batches, in_order(work, batches), strict=True):
            found.update(zip(numbers, translated, strict=True))
        return (found[i] for i in range(len(queries)))

    def _rows_at_once(self, config: TranslateConfig) -> int:
        return max(ROWS // (config.count if config.temperature else max(config.beam, config.count)), 1)

    def _translated(
        self,
        queries: Sequence[Query],
        config: TranslateConfig,
        seed: int,
        begun: int,
        numbers: Sequence[int] = (0,),
    ) -> list[Translation]:
        """Of a batch; `begun` and `numbers` say which random numbers each query draws."""
        there = [i for i, one in enumerate(queries) if len(one.ids)]
        nothing = [Candidate("", 0.0, True)]
        found = [nothing] * len(queries)
        if there:
            source, lengths = padded([queries[i].ids for i in there])
            longest = LONGEST_FACTOR * lengths + LONGEST_MORE
            if config.temperature:
                seeds = [begun + numbers[i] for i in there]
                draws = [at * config.count + k for at in seeds for k in range(config.count)]
                targets = draw(
                    self._ensemble,
                    source,
                    lengths,
                    longest,
                    temperature=config.temperature,
                    generators=generators(seed, draws),
                )
            else:
                beam = max(config.beam, config.count)
                targets = beam_search(
                    self._ensemble, source, lengths, longest, beam=beam, wanted=config.count
                )
            for place, i in enumerate(there):
                found[i] = self._candidates(queries[i], targets, place)
        return [Translation(one.source, one.features, cs) for one, cs in zip(queries, found, strict=True)]

    def _candidates(self, asked: Query, targets: Targets, place: int) -> list[Candidate]:
        rows = zip(targets.ids[place], targets.log_probs[place], targets.ended[place], strict=True)
        return [
            Candidate(self._text(asked, ids[ids != NOTHING]), float(log_prob), bool(ended))
            for ids, log_prob, ended in rows
            if log_prob > -np.inf
        ]

    def _text(self, asked: Query, ids: Ids) -> str:
        """A target in symbols; an unknown one is the unknown symbol of the source that was looked at."""
        unknown = np.flatnonzero(ids == self._ensemble.unknown_id)
        symbols = list(self.pairs.symbols_of(self.vocabulary.decode(ids)))
        strange = np.flatnonzero(asked.ids == self.pairs.unknown_id)
        if len(unknown) and len(strange) and self.has_attention:
            _, attention = self._forced(asked, np.append(ids, self._ensemble.end_id))
            for at in unknown:
                symbols[at] = asked.symbols[strange[attention[at, strange].argmax()]]
        return self.pairs.separators.target.join(symbols)

    def _forced(self, asked: Query, target: Ids) -> tuple[np.ndarray[Any, Any], Array]:
        """A target's log-probabilities (T,), its end's the last, and its attention (T, S)."""
        source, lengths = padded([asked.ids])
        log_probs, attentions = forced(self._ensemble, source, lengths, target[:, None])
        return log_probs[:, 0], np.concatenate(attentions)


def _batches(
    order: Sequence[int], queries: Sequence[Query], rows: int, vocab_size: int
) -> list[Sequence[int]]:
    """The order cut into batches whose arrays stay small."""
    batches: list[Sequence[int]] = []
    start = 0
    while start < len(order):
        longest = max(len(queries[order[min(start + rows, len(order)) - 1]].ids), 1)
        size = max(min(rows, CELLS // (longest * vocab_size)), 1)
        batches.append(order[start : start + size])
        start += size
    return batches


def load_translator(path: str | Path) -> Translator:
    """The encoder–decoder in a .safetensors file or a run's folder. Raises ModelFileError for what is none."""
    file = model_path(Path(path))
    stored = read_model(file)
    require_capability(file, stored.config, "translate")
    return Translator.of(stored, file)


def _rebuilt(
    config: ModelConfig,
    vocabulary: Vocabulary,
    pairs: PairVocabulary,
    provenance: dict[str, Any],
    path: Path | None,
    ensemble: Ensemble,
) -> Translator:
    return Translator(config, vocabulary, pairs, MappingProxyType(provenance), path, ensemble)
