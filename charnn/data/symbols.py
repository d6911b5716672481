"""The symbols of pairs: single characters, or what stands between separators; each is one glyph of an encoded text.

A symbol of one character is its own glyph. Others, as the phonemes of `T R IH P`, and the characters of the last two
planes of Unicode, get glyphs of those planes, which are private: so a sequence of symbols is a text like any other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from charnn.data.vocab import UNKNOWN_GLYPH, UNKNOWN_ID, Vocabulary
from charnn.errors import CorpusError

FIRST_GLYPH = 0xF0000
MAX_SYMBOLS = 1 << 16  # of more than one character
LONGEST_SYMBOL = 200  # characters
UNKNOWN_SYMBOL = chr(0x10FFFF)  # stands for a symbol that has no glyph; no vocabulary holds it


def split_symbols(text: str, separator: str) -> Sequence[str]:
    """The symbols of a text, which `separator` separates; without one its characters. Empty ones are none."""
    return [symbol for symbol in text.split(separator) if symbol] if separator else text


class Glyphs:
    """Gives a glyph to each symbol that needs one, in the order in which they come."""

    def __init__(self) -> None:
        self._glyphs: dict[str, str] = {}

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those that got a glyph: the i-th has FIRST_GLYPH + i."""
        return tuple(self._glyphs)

    def encode(self, text: str, separator: str) -> str:
        """The glyphs of a text's symbols. Raises CorpusError where they are too many or too long."""
        if not separator and (not text or max(text) < chr(FIRST_GLYPH)):
            return text
        return "".join(map(self._glyph, split_symbols(text, separator)))

    def _glyph(self, symbol: str) -> str:
        if _is_glyph(symbol):
            return symbol
        if symbol not in self._glyphs:
            if len(self._glyphs) == MAX_SYMBOLS or len(symbol) > LONGEST_SYMBOL:
                raise CorpusError(
                    f"{symbol[:20]!a} would be one symbol more than {MAX_SYMBOLS:,}, or longer than {LONGEST_SYMBOL} "
                    "characters; check --source-separator, --target-separator and --features-separator"
                )
            self._glyphs[symbol] = chr(FIRST_GLYPH + len(self._glyphs))
        return self._glyphs[symbol]


def _is_glyph(symbol: str) -> bool:
    return len(symbol) == 1 and ord(symbol) < FIRST_GLYPH


@dataclass(frozen=True)
class Separators:
    """What stands between the symbols of each part of a pair; empty: each character is a symbol."""

    source: str = ""
    target: str = ""
    features: str = ";"

    def swapped(self) -> "Separators":
        return Separators(self.target, self.source, self.features)


@dataclass(frozen=True)
class PairVocabulary:
    """What an encoder–decoder reads, beside the vocabulary of its targets: source symbols and features, as glyphs.

    `symbols` are those that need a glyph of their own. Source ids are those of `source`, then those of `features`,
    then one that stands for every other symbol. Raises ValueError for what no pairs give.
    """

    source: str
    features: str
    symbols: tuple[str, ...] = ()
    separators: Separators = field(default_factory=Separators)

    def __post_init__(self) -> None:
        Vocabulary(self.source)
        if self.features:
            Vocabulary(self.features)
        last = chr(FIRST_GLYPH + len(self.symbols))
        if len(self.symbols) > MAX_SYMBOLS or len(set(self.symbols)) != len(self.symbols):
            raise ValueError("a pair's symbols must be distinct, and not too many")
        if any(glyph >= last for glyph in self.source + self.features):
            raise ValueError("a glyph stands for no symbol")

    @property
    def source_size(self) -> int:
        """Source ids: symbols, features, and the unknown one, which is the last."""
        return len(self.source) + len(self.features) + 1

    @property
    def unknown_id(self) -> int:
        return self.source_size - 1

    def glyphs(self, text: str, separator: str) -> str:
        """The glyphs of a text's symbols; a symbol without one reads as UNKNOWN_SYMBOL."""
        if not separator and (not text or max(text) < chr(FIRST_GLYPH)):
            return text
        return "".join(
            symbol if _is_glyph(symbol) else self._glyph_of.get(symbol, UNKNOWN_SYMBOL)
            for symbol in split_symbols(text, separator)
        )

    def symbols_of(self, glyphs: str) -> Iterator[str]:
        """The inverse of `glyphs`."""
        for glyph in glyphs:
            number = ord(glyph) - FIRST_GLYPH
            if number < 0:
                yield glyph
            else:
                yield self.symbols[number] if number < len(self.symbols) else UNKNOWN_GLYPH

    def text(self, glyphs: str, separator: str) -> str:
        """A text, from the glyphs of its symbols."""
        return separator.join(self.symbols_of(glyphs))

    @cached_property
    def _glyph_of(self) -> dict[str, str]:
        return {symbol: chr(FIRST_GLYPH + number) for number, symbol in enumerate(self.symbols)}

    @cached_property
    def source_vocabulary(self) -> Vocabulary:
        return Vocabulary(self.source)

    @cached_property
    def features_vocabulary(self) -> Vocabulary | None:
        return Vocabulary(self.features) if self.features else None


def copied_ids(vocabulary: Vocabulary, pairs: PairVocabulary) -> NDArray[np.int64]:
    """For each source id the target's id of the same symbol, (source_size,); −1 where targets don't have it.

    Features are copied nowhere; what is unknown in a source is so in its target.
    """
    of_source = vocabulary.encode(pairs.source).astype(np.int64)
    of_features = np.full(len(pairs.features), UNKNOWN_ID, np.int64)
    return np.concatenate([of_source, of_features, [vocabulary.unknown_id]])
