"""How likely texts are: one, and several together."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from charnn.inference.cells import Array
from charnn.inference.values import ArrayValue

_MAX_EXPONENT = 709.0  # e to the power of this is still finite


class Measured(Protocol):
    """What a score and a sum of scores have in common; `log_prob` is a natural logarithm."""

    @property
    def chars(self) -> int: ...
    @property
    def ends(self) -> int: ...
    @property
    def unknown(self) -> int: ...
    @property
    def log_prob(self) -> float: ...
    @property
    def bits_per_char(self) -> float | None: ...
    @property
    def perplexity(self) -> float | None: ...


@dataclass(frozen=True, eq=False)
class Score(ArrayValue):
    """How likely a text is, in its context.

    `scored` is the text without the characters that were skipped as unknown; `unknown` counts those skipped
    or replaced; `log_prob` is the natural log of the probability; `surprisal_bits` (chars,) is −log₂ of the
    probability of each scored character, float32. Where the end of a document was scored, `end_log_prob` is part of
    `log_prob`, and it counts as one character in what is per character.
    """

    text: str
    scored: str
    unknown: int
    log_prob: float
    surprisal_bits: Array
    end_log_prob: float | None = None

    @property
    def chars(self) -> int:
        """How many characters were scored."""
        return len(self.scored)

    @property
    def ends(self) -> int:
        """How many ends of documents were scored: 1 or 0."""
        return int(self.end_log_prob is not None)

    @property
    def bits_per_char(self) -> float | None:
        """None for an empty text."""
        return _bits_per(self.chars and self.chars + self.ends, self.log_prob)

    @property
    def perplexity(self) -> float | None:
        """Per character; None for an empty text."""
        return _perplexity(self.chars and self.chars + self.ends, self.log_prob)

    def places(self) -> Iterator[tuple[str, float | None]]:
        """Each character of the text with its surprisal in bits, None for one that was skipped as unknown."""
        bits, place = self.surprisal_bits.tolist(), 0
        for character in self.text:
            if place < len(bits) and character == self.scored[place]:
                yield character, bits[place]
                place += 1
            else:
                yield character, None


@dataclass(frozen=True)
class Total:
    """The sum of scores."""

    chars: int = 0
    unknown: int = 0
    log_prob: float = 0.0
    ends: int = 0

    def plus(self, other: Measured) -> "Total":
        """The sum with one score more."""
        return Total(
            self.chars + other.chars,
            self.unknown + other.unknown,
            self.log_prob + other.log_prob,
            self.ends + other.ends,
        )

    @property
    def bits_per_char(self) -> float | None:
        """None where there was no character."""
        return _bits_per(self.chars and self.chars + self.ends, self.log_prob)

    @property
    def perplexity(self) -> float | None:
        """Per character; None where there was none."""
        return _perplexity(self.chars and self.chars + self.ends, self.log_prob)

    @property
    def coded_bytes(self) -> int:
        """What an ideal coder would need."""
        return math.ceil(-self.log_prob / math.log(2) / 8)


def _bits_per(count: int, log_prob: float) -> float | None:
    return -log_prob / math.log(2) / count if count else None


def _perplexity(count: int, log_prob: float) -> float | None:
    return math.exp(min(-log_prob / count, _MAX_EXPONENT)) if count else None
