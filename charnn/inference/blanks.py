"""Texts with gaps: a run of underscores is a gap of that many characters, {} one of unknown length."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from charnn.errors import InputError

Fills = tuple[str, ...]  # one a gap
_PARTS = re.compile(r"\\(\\|_|\{\})|(_+|\{\})")  # a character that is escaped, or a gap


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
    r"""The gaps of a text, those of unknown length with at most `max_length` characters.

    \_, \{} and \\ are an underscore, braces and a backslash that stand in the text. Raises InputError for a text that
    has no gap.
    """
    known, gaps, place = [""], [], 0
    for part in _PARTS.finditer(text):
        escaped, gap = part.groups()
        known[-1] += text[place : part.start()] + (escaped or "")
        place = part.end()
        if gap:
            gaps.append(Gap(1, max_length) if gap == "{}" else Gap(len(gap), len(gap)))
            known.append("")
    known[-1] += text[place:]
    if not gaps:
        raise InputError(
            "the text has no gap: put ___ for three characters, {} for a few, where some are missing"
        )
    return Blanks(tuple(known), tuple(gaps))


def masked(text: str, filler: str) -> str:
    """`text` with the character `filler` in the place of gaps and of the backslashes that escape."""
    return _PARTS.sub(lambda part: filler * (len(part[0]) - len(part[1] or "")) + (part[1] or ""), text)


def unmarked(text: str) -> str:
    """`text` without its gaps, and without the backslashes that escape."""
    return masked(text, "")
