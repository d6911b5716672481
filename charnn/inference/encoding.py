"""A text as a model reads it: its ids, its unknown characters, and what it follows."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from charnn.data.vocab import UNKNOWN_GLYPH, UNKNOWN_ID, Vocabulary
from charnn.errors import InputError, UnknownCharacterError
from charnn.inference.engine import Engine, Ids, State

NEWLINE = "\n"
Unknown = Literal["error", "skip", "replace"]
"""What becomes of a character that the model never saw."""


@dataclass(frozen=True)
class Encoded:
    """A text as the model reads it: `ids` (len(scored),)."""

    text: str
    scored: str
    ids: Ids
    unknown: int


def encode(vocabulary: Vocabulary, text: str, unknown: Unknown, name: str, offset: int = 0) -> Encoded:
    """The ids of `text`, its unknown characters treated as `unknown` says.

    `name` and `offset` (characters before `text`) tell where in an error. Raises UnknownCharacterError, and
    InputError for a policy that there isn't.
    """
    if unknown not in get_args(Unknown):
        raise InputError(f"--unknown must be one of {', '.join(get_args(Unknown))}, not {unknown!r}")
    ids = vocabulary.encode(text)
    strange = np.flatnonzero(ids == UNKNOWN_ID)
    if not len(strange):
        return Encoded(text, text, ids, 0)
    if unknown == "error":
        first = int(strange[0])
        raise unknown_character(text[first], offset + first, name)
    if unknown == "skip":
        ids = np.delete(ids, strange)
        return Encoded(text, vocabulary.decode(ids), ids, len(strange))
    ids[strange] = _replacement(vocabulary)
    return Encoded(text, text, ids, len(strange))


def unknown_character(character: str, place: int, name: str) -> UnknownCharacterError:
    """The error for a character that the model never saw; `place` counts from 0, the message from 1."""
    return UnknownCharacterError(
        f"U+{ord(character):04X} ({character!r}), character {place + 1} of {name}, is not in the model's "
        "vocabulary; take it out (charnn score has --unknown skip and replace, too)"
    )


def _replacement(vocabulary: Vocabulary) -> int:
    """The id that stands in for an unknown character."""
    if vocabulary.has_unknown:
        return vocabulary.unknown_id
    stand_in = next(
        (glyph for glyph in (UNKNOWN_GLYPH, " ") if glyph in vocabulary), vocabulary.characters[0]
    )
    return vocabulary.characters.index(stand_in)


def state_after(
    engine: Engine, vocabulary: Vocabulary, text: str, name: str, unknown: Unknown = "error"
) -> State:
    """The state after `text` and what it follows; `name` is what an error calls it."""
    ids = encode(vocabulary, text, unknown, name).ids
    return engine.read(ids, engine.read(border(vocabulary), engine.initial()))


def border(vocabulary: Vocabulary) -> Ids:
    """What every text follows, and stands before: a document's end; else one newline if the vocabulary has it."""
    if vocabulary.end_id is not None:
        return np.array([vocabulary.end_id])
    return vocabulary.encode(NEWLINE if NEWLINE in vocabulary else "")
