"""Texts as one or several models score them, side by side and in order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat, tee
from math import inf
from typing import Any, Literal

from charnn.config import Unknown
from charnn.errors import UnknownCharacterError
from charnn.inference.model import Model
from charnn.inference.scores import Measured, Score, Total

Likeliest = list[tuple[str, float]]  # characters with their probabilities, likeliest first
Place = tuple[str, float | None, Likeliest]
"""A character, its surprisal in bits (None where it was skipped as unknown), what was likeliest there."""


@dataclass(frozen=True)
class ScoredText:
    """One text, one file, or a stretch of a file, as each model scores it.

    `index` counts texts and files from 0; `name` is the text itself or the file's path; `score` the first model's,
    character by character (None for a whole file); `likeliest` that model's choice at each scored
    character, where it was asked for; `end_log_prob` what it says of a document's end, where that was scored.
    """

    kind: Literal["text", "stretch", "file"]
    index: int
    name: str
    measures: tuple[Measured, ...]
    score: Score | None = None
    likeliest: Sequence[Likeliest] = ()
    end_log_prob: float | None = None

    @property
    def log_likelihood_ratio(self) -> float:
        """How much likelier, in nats, the first model finds it than the best of the others does."""
        first, *others = (measure.log_prob for measure in self.measures)
        return first - max(others)

    def places(self) -> Iterator[Place]:
        """The characters, those that were skipped too."""
        if self.score is None:
            return
        likeliest = iter(self.likeliest or repeat([]))
        for character, bits in self.score.places():
            yield character, bits, [] if bits is None else next(likeliest)

    def added_to(self, totals: Sequence[Total]) -> list[Total]:
        """Each model's sum, with this text's score added."""
        return [total.plus(measure) for total, measure in zip(totals, self.measures, strict=True)]

    @property
    def sort_key(self) -> float:
        """Bits per character of the first model; an empty text comes last."""
        bits = self.measures[0].bits_per_char
        return inf if bits is None else bits


@dataclass(frozen=True)
class Comparison:
    """How every text is scored; with `top` the likeliest `top` characters are wanted at each place.

    With `adapt` the models go on learning from each text as they score it. `end`: see `Model.score_many`.
    """

    models: tuple[Model, ...]
    context: str = ""
    unknown: Unknown = "error"
    top: int = 0
    adapt: bool = False
    end: bool = True

    def texts(
        self, texts: Iterable[str], index: int = 0, *, first: int = 1, called: str = "text"
    ) -> Iterator[ScoredText]:
        """A result for each text, the first of which has `index`.

        Errors number them from `first`, after what they are `called`.
        """
        columns = [
            self._scored(model, model.score_many, copy, first=first, called=called)
            for model, copy in self._shared(texts)
        ]
        for number, scores in enumerate(zip(*columns, strict=True), index):
            text = scores[0].text
            likeliest, end = self._likeliest(text), scores[0].end_log_prob
            yield ScoredText("text", number, text, scores, scores[0], likeliest, end)

    def file(
        self, name: str, pieces: Iterable[str], index: int = 0, *, called: str = "the text"
    ) -> Iterator[ScoredText]:
        """A file, given in pieces, as one text: a result for each stretch, then one for the whole."""
        columns = [
            self._scored(model, model.score_whole, copy, called=called)
            for model, copy in self._shared(pieces)
        ]
        totals, end = [Total()] * len(self.models), None
        for scores in zip(*columns, strict=True):
            totals = [total.extended(score) for total, score in zip(totals, scores, strict=True)]
            end = scores[0].end_log_prob  # the last stretch's
            yield ScoredText("stretch", index, name, scores, scores[0], end_log_prob=end)
        yield ScoredText("file", index, name, tuple(totals), end_log_prob=end)

    @property
    def _options(self) -> dict[str, Any]:
        """How each model scores: where unknown characters are no error for one, what it doesn't know counts for none.

        For one that learnt an unknown character they never are.
        """
        is_error = self.unknown == "error" and not any(model.vocabulary.has_unknown for model in self.models)
        known = self._known if len(self.models) > 1 and not is_error else None
        return {
            "context": self.context,
            "unknown": self.unknown,
            "adapt": self.adapt,
            "end": self.end,
            "known": known,
        }

    @cached_property
    def _known(self) -> frozenset[str]:
        """The characters that all models know."""
        return frozenset.intersection(*(frozenset(model.vocabulary.characters) for model in self.models))

    def _shared(self, texts: Iterable[str]) -> Iterable[tuple[Model, Iterator[str]]]:
        """The texts for each model; they are read once and held only until all models had them."""
        return zip(self.models, tee(texts, len(self.models)), strict=True)

    def _scored(
        self, model: Model, score: Callable[..., Iterator[Score]], texts: Iterable[str], **named: Any
    ) -> Iterator[Score]:
        """A model's scores. Where there are several, an error about a character says whose vocabulary lacks it."""
        try:
            yield from score(texts, **self._options, **named)
        except UnknownCharacterError as error:
            if len(self.models) == 1:
                raise
            lacking = (one for one in (model, *self.models) if error.character not in one.vocabulary)
            raise UnknownCharacterError(f"{next(lacking).path}: {error}", error.character) from None

    def _likeliest(self, text: str) -> Sequence[Likeliest]:
        if not self.top:
            return ()
        options = {name: value for name, value in self._options.items() if name not in ("adapt", "end")}
        places = self.models[0].predictions(text, **options)
        return [place.top(self.top) for place in places]
