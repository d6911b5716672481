"""Characters ↔ ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

UNKNOWN_ID = -1
IGNORED = -1  # in the place of an id where there is no symbol, as beyond a text's end
UNKNOWN_GLYPH = "\N{REPLACEMENT CHARACTER}"
_SURROGATES = range(0xD800, 0xE000)


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points of `text`, shape (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


@dataclass(frozen=True)
class Vocabulary:
    """The distinct characters a model knows, in id order.

    With `has_unknown` one more id stands for every other character; with `has_end` one more, the last, for the end of
    a document, which is no character. Raises ValueError unless `characters` are distinct, single and no surrogates.
    """

    characters: str
    has_unknown: bool = False
    has_end: bool = False

    def __post_init__(self) -> None:
        if not self.characters:
            raise ValueError("a vocabulary needs at least one character")
        if len(set(self.characters)) != len(self.characters):
            raise ValueError("a vocabulary's characters must be distinct")
        if any(ord(character) in _SURROGATES for character in self.characters):
            raise ValueError("a vocabulary holds no surrogates")

    def __len__(self) -> int:
        """V, the number of ids."""
        return len(self.characters) + self.has_unknown + self.has_end

    @property
    def end_id(self) -> int | None:
        """The id of a document's end; None when there is none."""
        return len(self) - 1 if self.has_end else None

    @property
    def unknown_id(self) -> int:
        """The id that stands for characters outside the vocabulary; UNKNOWN_ID when there is none."""
        return len(self.characters) if self.has_unknown else UNKNOWN_ID

    @cached_property
    def _table(self) -> NDArray[np.int32]:
        """Code point → id, up to the largest code point known."""
        points = code_points(self.characters)
        table = np.full(int(points.max()) + 2, UNKNOWN_ID, dtype=np.int32)
        table[points] = np.arange(len(points), dtype=np.int32)
        return table

    def ids_of(self, points: NDArray[np.uint32]) -> NDArray[np.int32]:
        """Ids of code points, same shape; UNKNOWN_ID for those outside the vocabulary."""
        return self._table[np.minimum(points, len(self._table) - 1)]

    def encode(self, text: str) -> NDArray[np.int32]:
        """Ids of `text`, shape (len(text),); UNKNOWN_ID for characters outside the vocabulary."""
        return self.ids_of(code_points(text))

    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """The text of `ids`; the unknown id reads as U+FFFD, a document's end as nothing."""
        glyphs = [*self.characters, *[UNKNOWN_GLYPH] * self.has_unknown, *[""] * self.has_end]
        return "".join(glyphs[i] for i in ids)

    def __contains__(self, character: str) -> bool:
        return character in self._known

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.characters)


def choose_vocabulary(
    counts: Mapping[str, int],
    max_vocab: int | None = None,
    base: Vocabulary | None = None,
    *,
    has_end: bool = False,
) -> Vocabulary:
    """The vocabulary of a text, by code point; or `base` with the text's new characters after its own.

    `has_end`: the text is a collection of documents. When more than `max_vocab` ids would be needed, the most frequent
    of the new characters are kept (ties by code point) and one id stands for the rest; a document's end isn't counted.
    """
    known = base.characters if base else ""
    has_unknown = bool(base and base.has_unknown)
    new = sorted(set(counts).difference(known))
    if max_vocab is not None and len(known) + len(new) + has_unknown > max_vocab:
        room = max(0, max_vocab - 1 - len(known))
        new = sorted(sorted(new, key=lambda character: -counts[character])[:room])
        has_unknown = True
    return Vocabulary(known + "".join(new), has_unknown, has_end)
