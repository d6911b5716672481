"""Scores as they are asked for: texts, files, several models side by side; streamed, in order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat, tee
from math import ceil, exp, inf, log
from typing import TYPE_CHECKING, Literal, Protocol

from charnn.cli.inputs import STDIN, read_bursts, read_pieces

if TYPE_CHECKING:
    from charnn.inference.model import Model
    from charnn.inference.scorer import Score, Unknown

_MAX_EXPONENT = 709.0  # e to the power of this is still finite

Likeliest = list[tuple[str, float]]  # characters with their probabilities, likeliest first
Place = tuple[str, float, Likeliest]  # a character, its surprisal in bits, what was likeliest there


class Measured(Protocol):
    """What a score and a sum of scores have in common; `log_prob` is a natural logarithm."""

    @property
    def chars(self) -> int: ...
    @property
    def unknown(self) -> int: ...
    @property
    def log_prob(self) -> float: ...
    @property
    def bits_per_char(self) -> float | None: ...
    @property
    def perplexity(self) -> float | None: ...


@dataclass(frozen=True)
class Total:
    """The sum of scores."""

    chars: int = 0
    unknown: int = 0
    log_prob: float = 0.0

    def plus(self, other: Measured) -> "Total":
        return Total(self.chars + other.chars, self.unknown + other.unknown, self.log_prob + other.log_prob)

    @property
    def bits(self) -> float:
        return -self.log_prob / log(2)

    @property
    def bits_per_char(self) -> float | None:
        return self.bits / self.chars if self.chars else None

    @property
    def perplexity(self) -> float | None:
        return exp(min(-self.log_prob / self.chars, _MAX_EXPONENT)) if self.chars else None

    @property
    def coded_bytes(self) -> int:
        """What an ideal coder would need."""
        return ceil(self.bits / 8)

    def __str__(self) -> str:
        figures = f"{self.chars:,} characters, {self.unknown:,} unknown"
        if self.chars:
            figures += f", {self.bits_per_char:.4f} bits per character, perplexity {self.perplexity:.4f}"
        return f"{figures}; an ideal coder would need {self.coded_bytes:,} bytes"


@dataclass(frozen=True)
class Result:
    """One text, one file, or a stretch of a file, as each model scores it.

    `name` is the text itself or the file's path; `score` the first model's, character by character (None for a
    whole file); `likeliest` that model's choice at each scored character, where it was asked for.
    """

    kind: Literal["text", "stretch", "file"]
    name: str
    measures: tuple[Measured, ...]
    score: "Score | None" = None
    likeliest: Sequence[Likeliest] = ()

    @property
    def log_likelihood_ratio(self) -> float:
        """How much likelier, in nats, the first model finds it than the best of the others does."""
        first, *others = (measure.log_prob for measure in self.measures)
        return first - max(others)

    def places(self) -> Iterator[Place]:
        """The scored characters."""
        if self.score is None:
            return iter(())
        bits = self.score.surprisal_bits.tolist()
        return zip(self.score.scored, bits, self.likeliest or repeat([]), strict=False)

    @property
    def rank(self) -> float:
        """By bits per character of the first model; an empty text comes last."""
        bits = self.measures[0].bits_per_char
        return inf if bits is None else bits


@dataclass(frozen=True)
class Query:
    """How every text is scored; with `top` the likeliest `top` characters are wanted at each place.

    With `adapt` the models go on learning from each text as they score it.
    """

    models: tuple["Model", ...]
    context: str
    unknown: "Unknown"
    top: int = 0
    adapt: bool = False

    def results(self, texts: list[str], files: list[str], *, whole: bool) -> Iterator[Result]:
        """Results for the texts, then for the files, each line or, with `whole`, each file one text.

        Standard input is a file called "-" among either; it is read where both are empty.
        """
        plain = [text for text in texts if text != STDIN]
        names = files + [STDIN] * (len(texts) > len(plain) or (not texts and not files))
        if whole:
            yield from self.texts(plain)
            yield from chain.from_iterable(map(self.file, names))
        else:
            yield from self.texts(plain)
            before = len(plain)
            for lines in chain.from_iterable(map(read_bursts, names)):
                yield from self.texts(lines, before)
                before += len(lines)

    def texts(self, texts: Iterable[str], before: int = 0) -> Iterator[Result]:
        """A result for each text; `before` them there were so many."""
        columns = [
            model.score_many(
                copy, context=self.context, unknown=self.unknown, adapt=self.adapt, first=before + 1
            )
            for model, copy in self._shared(texts)
        ]
        for scores in zip(*columns, strict=True):
            yield Result("text", scores[0].text, scores, scores[0], self._likeliest(scores[0].text))

    def file(self, name: str) -> Iterator[Result]:
        """A file as one text: a result for each stretch, then one for the whole."""
        columns = [
            model.score_whole(copy, context=self.context, unknown=self.unknown, adapt=self.adapt)
            for model, copy in self._shared(read_pieces(name))
        ]
        totals = [Total()] * len(self.models)
        for scores in zip(*columns, strict=True):
            totals = [total.plus(score) for total, score in zip(totals, scores, strict=True)]
            yield Result("stretch", name, scores, scores[0])
        yield Result("file", name, tuple(totals))

    def _shared(self, texts: Iterable[str]) -> Iterable[tuple["Model", Iterator[str]]]:
        """The texts for each model; they are read once and held only until all models had them."""
        return zip(self.models, tee(texts, len(self.models)), strict=True)

    def _likeliest(self, text: str) -> Sequence[Likeliest]:
        if not self.top:
            return ()
        places = self.models[0].predictions(text, context=self.context, unknown=self.unknown)
        return [place.top(self.top) for place in places]
