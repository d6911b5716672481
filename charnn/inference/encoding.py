"""A text as a model reads it: its ids, its normal form, its unknown characters, and what it follows."""

import unicodedata
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from charnn.config import Unknown
from charnn.data.vocab import UNKNOWN_GLYPH, UNKNOWN_ID, Vocabulary
from charnn.errors import InputError, UnknownCharacterError
from charnn.inference.engine import Engine, Ids, State

NEWLINE = "\n"
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


class Place(NamedTuple):
    """A place in a text, counted from 1."""

    line: int
    column: int

    def after(self, text: str) -> "Place":
        """The place behind `text`, which begins here."""
        _, newline, last_line = text.rpartition(NEWLINE)
        column = 1 if newline else self.column
        return Place(self.line + text.count(NEWLINE), column + len(last_line))


FIRST = Place(1, 1)


@dataclass(frozen=True)
class Encoded:
    """A text as the model reads it: `ids` (len(scored),).

    `read` is the text in the vocabulary's normal form, `scored` the same without what was skipped; `unknown` counts
    what was skipped or replaced.
    """

    text: str
    read: str
    scored: str
    ids: Ids
    unknown: int


def encode(
    vocabulary: Vocabulary,
    text: str,
    unknown: Unknown,
    name: str,
    *,
    start: Place = FIRST,
    known: frozenset[str] | None = None,
) -> Encoded:
    """The ids of `text`, its unknown characters treated as `unknown` says.

    Where the vocabulary has an unknown character of its own, "error" means that one. Of `known` other characters count
    as unknown too. `name` and `start`, where in it `text` begins, tell where in an error. Raises UnknownCharacterError,
    and InputError for a policy that there isn't.
    """
    if unknown not in get_args(Unknown):
        raise InputError(f"--unknown must be one of {', '.join(get_args(Unknown))}, not {unknown!r}")
    ids = vocabulary.encode(text)
    if known is None and not (ids == UNKNOWN_ID).any():
        return Encoded(text, text, text, ids, 0)
    read = known_form(vocabulary, text)
    ids = vocabulary.encode(read)
    if known is not None:
        ids[[character not in known for character in read]] = UNKNOWN_ID
    strange = np.flatnonzero(ids == UNKNOWN_ID)
    if not len(strange):
        return Encoded(text, read, read, ids, 0)
    if unknown == "skip":
        ids = np.delete(ids, strange)
        return Encoded(text, read, vocabulary.decode(ids), ids, len(strange))
    if unknown == "error" and not vocabulary.has_unknown:
        character = read[strange[0]]
        raise _unknown_character(character, start.after(text[: max(text.find(character), 0)]), name)
    ids[strange] = _replacement(vocabulary)
    return Encoded(text, read, read, ids, len(strange))


def known_form(vocabulary: Vocabulary, text: str) -> str:
    """`text`, or its Unicode normal form (NFC or NFD) of which the vocabulary lacks fewer characters."""
    forms = (text, *(unicodedata.normalize(form, text) for form in _FORMS))
    return min(forms, key=lambda form: int((vocabulary.encode(form) == UNKNOWN_ID).sum()))


def begins_character(text: str) -> bool:
    """Whether `text` may be cut off from what precedes it: no normal form joins its first character to that."""
    return (
        not unicodedata.combining(text[0]) and not "\u1160" <= text[0] <= "\u11ff"
    )  # vowels, finals of Hangul


def _unknown_character(character: str, place: Place, name: str) -> UnknownCharacterError:
    """The error for a character that the model never saw."""
    where = name if place.line == 1 else f"{name}, line {place.line}"
    return UnknownCharacterError(
        f"U+{ord(character):04X} ({character!r}), character {place.column} of {where}, is not in the model's "
        "vocabulary; take it out, or give --unknown skip or replace",
        character,
    )


def _replacement(vocabulary: Vocabulary) -> int:
    """The id that stands in for an unknown character."""
    if vocabulary.has_unknown:
        return vocabulary.unknown_id
    stand_in = next(
        (glyph for glyph in (UNKNOWN_GLYPH, " ") if glyph in vocabulary), vocabulary.characters[0]
    )
    return vocabulary.characters.index(stand_in)


def state_after(engine: Engine, vocabulary: Vocabulary, ids: Ids) -> State:
    """The state after a text of ids (T,) and what it follows."""
    return engine.read(ids, engine.read(border(vocabulary), engine.initial()))


def border(vocabulary: Vocabulary) -> Ids:
    """What every text follows, and stands before: a document's end; else one newline if the vocabulary has it."""
    if vocabulary.end_id is not None:
        return np.array([vocabulary.end_id])
    return vocabulary.encode(NEWLINE if NEWLINE in vocabulary else "")
