"""JSON from strangers: standard values only, each key once, of limited depth."""

import json
import re
from math import isfinite
from typing import Any

import numpy as np

MAX_DEPTH = 32
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)  # an endless one too: no backtracking
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # one deeper, one less deep (−1 in int8)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))


def parse_json(content: bytes) -> Any:
    """The value of a UTF-8 JSON text.

    Raises ValueError for anything else: NaN, infinities, duplicate keys, deep nesting, numbers of thousands of digits.
    """
    if _depth(content) > MAX_DEPTH:
        raise ValueError(f"JSON nested deeper than {MAX_DEPTH}")
    return json.loads(
        content.decode("utf-8"),
        parse_constant=_refuse_constant,
        parse_float=_finite,
        object_pairs_hook=_distinct_keys,
    )


def _depth(content: bytes) -> int:
    """How deep brackets nest outside of strings."""
    brackets = _STRINGS.sub(b"", content).translate(_STEPS, delete=_NOT_BRACKETS)
    return int(np.cumsum(np.frombuffer(brackets, np.int8), dtype=np.int64).max(initial=0))


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise ValueError(f"{digits[:20]} is too large")
    return value


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return value
