"""Which row of a table each n-gram of a text owns: the same arithmetic for NumPy and torch arrays.

An n-gram's row is a hash of its characters, so that a table of R rows serves any alphabet; n-grams that collide share
a row (feature hashing, Weinberger et al. 2009). R is a power of two.
"""

from collections.abc import Sequence
from typing import Any

from charnn.config import ModelConfig

Ids = Any  # an int64 array of NumPy's or torch's: anything with * + >> &

BEFORE_TEXT = -1  # stands for the characters before a text's first
_BASE = 1_000_003  # of the polynomial of ids; a constant, so that a larger vocabulary moves no n-gram
_MIX = 0x9E3779B97F4A7C15 - (1 << 64)  # 2^64 / golden ratio, as a signed number (Knuth's multiplicative hash)


def history(config: ModelConfig) -> int:
    """How many characters before the present one the inputs need."""
    return max(config.ngrams - 1, 0)


def ngram_rows(taps: Sequence[Ids], config: ModelConfig) -> list[Ids]:
    """Rows of the 2-gram, 3-gram, … up to `config.ngrams` that end at each place.

    `taps[k]` are the ids k characters back, all of one shape, or BEFORE_TEXT; the rows have the same shape.
    Order n's lie in [(n−2)·R, (n−1)·R).
    """
    value = taps[0]
    rows = []
    for before, (tap, factor) in enumerate(zip(taps[1:], tap_factors(config)[1:], strict=True)):
        value = value + tap * factor
        rows.append(hashed(value, config) + before * config.ngram_rows)
    return rows


def tap_factors(config: ModelConfig) -> list[int]:
    """What the ids k characters back are multiplied by, k < n: an n-gram's value is the sum of its products."""
    return [_signed(pow(_BASE, back, 1 << 64)) for back in range(config.ngrams)]


def hash_factors(config: ModelConfig) -> list[int]:
    """C_k in [0, 2⁶⁴), k < n: an n-gram's row is the upper half of Σ x_k·C_k mod 2⁶⁴, mod R."""
    return [pow(_BASE, back, 1 << 64) * _MIX % (1 << 64) for back in range(config.ngrams)]


def hashed(values: Ids, config: ModelConfig) -> Ids:
    """N-grams' values → rows in [0, R)."""
    return ((values * _MIX) >> 32) & (config.ngram_rows - 1)


def _signed(number: int) -> int:
    """`number` as 64-bit arithmetic wraps it."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
