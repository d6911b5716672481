"""Texts with gaps: a run of underscores is a gap of that many characters, {} one of unknown length."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from charnn.errors import InputError

Fills = tuple[str, ...]  # one a gap
GAP = re.compile(r"_+|\{\}")


@dataclass(frozen=True)
class Gap:
    """A stretch of `shortest` to `longest` characters that is to be found."""

    shortest: int
    longest: int


@dataclass(frozen=True)
class Blanks:
    """A text with G ≥ 1 gaps: the G + 1 stretches of `known` text, any of which may be empty, stand around them."""

    known: tuple[str, ...]
    gaps: tuple[Gap, ...]

    def mirrored(self) -> "Blanks":
        """The text read from its end to its beginning."""
        return Blanks(mirrored(self.known), self.gaps[::-1])


def joined(known: Sequence[str], fills: Sequence[str]) -> str:
    """The text with a fill in each gap."""
    return "".join(part for pair in zip_longest(known, fills, fillvalue="") for part in pair)


def mirrored(parts: Sequence[str]) -> tuple[str, ...]:
    """Parts of a text as they are read from its end to its beginning."""
    return tuple(part[::-1] for part in reversed(parts))


def blanks_in(text: str, max_length: int) -> Blanks:
    """The gaps of a text, those of unknown length with at most `max_length` characters.

    Raises InputError for a text that has no gap.
    """
    gaps = tuple(Gap(1, max_length) if gap == "{}" else Gap(len(gap), len(gap)) for gap in GAP.findall(text))
    if not gaps:
        raise InputError(
            "the text has no gap: put ___ for three characters, {} for a few, where some are missing"
        )
    return Blanks(tuple(GAP.split(text)), gaps)
