"""How likely texts are: one, and several together."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from charnn.inference.cells import Array
from charnn.inference.values import ArrayValue

_WORD = re.compile(r"\s*\S+")
_MAX_EXPONENT = 709.0  # e to the power of this is still finite


class Counts(Protocol):
    """What was scored; `log_prob` is a natural logarithm. An end of a document counts as one more of each unit."""

    @property
    def chars(self) -> int: ...
    @property
    def byte_count(self) -> int: ...
    @property
    def word_count(self) -> int: ...
    @property
    def ends(self) -> int: ...
    @property
    def log_prob(self) -> float: ...


class Averages:
    """What follows from counts; None for an average over none."""

    @property
    def bits_per_char(self: Counts) -> float | None:
        """None where there was no character."""
        return _bits_per(self.chars, self)

    @property
    def bits_per_byte(self: Counts) -> float | None:
        """Of the text as UTF-8; None where there was no character."""
        return _bits_per(self.byte_count, self)

    @property
    def perplexity(self: Counts) -> float | None:
        """Per character; None where there was none."""
        return _perplexity(self.chars, self)

    @property
    def perplexity_per_word(self: Counts) -> float | None:
        """With all characters, white space too; None where there was no word."""
        return _perplexity(self.word_count, self)


def _bits_per(count: int, counts: Counts) -> float | None:
    return -counts.log_prob / math.log(2) / (count + counts.ends) if count else None


def _perplexity(count: int, counts: Counts) -> float | None:
    return math.exp(min(-counts.log_prob / (count + counts.ends), _MAX_EXPONENT)) if count else None


@dataclass(frozen=True, eq=False)
class Score(ArrayValue, Averages):
    """How likely a text is, in its context.

    `scored` is the text without the characters that were skipped as unknown; `unknown` counts those skipped
    or replaced; `log_prob` is the natural log of the probability; `surprisal_bits` (chars,) is −log₂ of the
    probability of each scored character, float32. `converted` is the text in the normal form (NFC, NFD) of the
    model's vocabulary, where it was brought into that before it was scored. Where the end of a document was scored,
    `end_log_prob` is part of `log_prob`, and it counts as one character, byte or word in what is per each of them.
    """

    text: str
    scored: str
    unknown: int
    log_prob: float
    surprisal_bits: Array
    end_log_prob: float | None = None
    converted: str | None = None

    @property
    def chars(self) -> int:
        """How many characters were scored."""
        return len(self.scored)

    @property
    def ends(self) -> int:
        """How many ends of documents were scored: 1 or 0."""
        return int(self.end_log_prob is not None)

    @property
    def byte_count(self) -> int:
        """Of what was scored, as UTF-8."""
        return len(self.scored.encode("utf-8", "surrogatepass"))

    @property
    def word_count(self) -> int:
        """Of what was scored; words are what white space separates."""
        return len(self.scored.split())

    def words(self) -> list[tuple[str, float]]:
        """Each word of what was scored with its surprisal in bits, that of the white space before it included.

        White space at the end counts for the last word, so that words add up to the text.
        """
        found = list(_WORD.finditer(self.scored))
        starts = [match.start() for match in found]
        bits = np.add.reduceat(self.surprisal_bits, starts, dtype=np.float64).tolist() if starts else []
        return [(match[0].strip(), one) for match, one in zip(found, bits, strict=True)]

    def places(self) -> Iterator[tuple[str, float | None]]:
        """Each character of the text with its surprisal in bits, None for one that was skipped as unknown."""
        bits, place = self.surprisal_bits.tolist(), 0
        for character in self.text if self.converted is None else self.converted:
            if place < len(bits) and character == self.scored[place]:
                yield character, bits[place]
                place += 1
            else:
                yield character, None


@dataclass(frozen=True)
class Total(Averages):
    """The sum of scores."""

    chars: int = 0
    unknown: int = 0
    log_prob: float = 0.0
    ends: int = 0
    byte_count: int = 0
    word_count: int = 0
    ends_in_word: bool = False

    def plus(self, other: "Measured") -> "Total":
        """The sum with the score of another text."""
        return Total(
            self.chars + other.chars,
            self.unknown + other.unknown,
            self.log_prob + other.log_prob,
            self.ends + other.ends,
            self.byte_count + other.byte_count,
            self.word_count + other.word_count,
        )

    def extended(self, stretch: Score) -> "Total":
        """The sum with the score of the next stretch of the same text, which may go on within a word."""
        if not stretch.scored:
            return replace(self.plus(stretch), ends_in_word=self.ends_in_word)
        cut = self.ends_in_word and not stretch.scored[0].isspace()
        total = self.plus(stretch)
        ends_in_word = not stretch.scored[-1].isspace()
        return replace(total, word_count=total.word_count - cut, ends_in_word=ends_in_word)

    @property
    def coded_bytes(self) -> int:
        """What an ideal coder would need."""
        return math.ceil(-self.log_prob / math.log(2) / 8)


Measured = Score | Total
