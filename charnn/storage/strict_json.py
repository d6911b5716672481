"""JSON from strangers: standard values only, each key once, of limited depth, of the types that a dataclass declares.

Why not msgspec: CONTRIBUTING.md, "Reading JSON".
"""

import json
import re
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from math import inf, isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

Kind = TypeVar("Kind")
MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1  # no count, seed or time of ours is larger, and it fits a float
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


@dataclass(frozen=True)
class Range:
    """What a number may be, both ends included: `Annotated[int, Range(0, 9)]`."""

    least: float
    most: float = inf

    def __str__(self) -> str:
        return f"at least {self.least:g}" if self.most == inf else f"from {self.least:g} to {self.most:g}"


def decode(kind: type[Kind], value: object, name: str = "") -> Kind:
    """`value`, as `parse_json` gives it, as a `kind`.

    A kind is a dataclass of bool, int, float, str, None, Literal, list, tuple, dict and dataclasses.
    Whole numbers pass for floats, nothing else is converted; a number keeps to its `Range`. Raises ValueError that
    names the field, its value, and what it must be.
    """
    return cast(Kind, _decoded(kind, value, name))


def _decoded(kind: Any, value: Any, name: str) -> Any:
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin is Annotated:
        return _in_range(_decoded(inner[0], value, name), inner[1], name)
    if is_dataclass(kind):
        return _fields(kind, value, name)
    if origin in (Union, UnionType):
        return _optional(inner, value, name)
    if origin is Literal:
        fits = value in inner and isinstance(value, type(inner[0]))
        return _require(fits, value, name, f"one of {', '.join(map(str, inner))}")
    if origin in (list, tuple):
        given = _require(type(value) in (list, tuple), value, name, "a list")
        return origin(_decoded(inner[0], one, f"{name}.{i}") for i, one in enumerate(given))
    if origin is dict:
        pairs = _require(type(value) is dict, value, name, "an object").items()
        return {key: _decoded(inner[1], one, _join(name, key)) for key, one in pairs}
    return _plain(kind, value, name)


def _plain(kind: Any, value: Any, name: str) -> Any:
    """A bool, a string or a number, of exactly this type; but a whole number may stand for a float."""
    fits = type(value) is kind or (kind is float and type(value) is int)
    words = {bool: "true or false", str: "a string", int: "a whole number", float: "a number"}
    _require(fits, value, name, words[kind])
    return _require(type(value) is not int or abs(value) <= MAX_INTEGER, value, name, "below 2^63 in size")


def _in_range(value: Any, within: Range, name: str) -> Any:
    return _require(value is None or within.least <= value <= within.most, value, name, str(within))


def _optional(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """None where that is allowed, else the other kind."""
    if value is None and NoneType in kinds:
        return None
    return _decoded(next(kind for kind in kinds if kind is not NoneType), value, name)


def _fields(kind: Any, value: Any, name: str) -> Any:
    hints, known = get_type_hints(kind, include_extras=True), {field.name: field for field in fields(kind)}
    given = _require(type(value) is dict, value, name, "an object")
    missing = [one for one, field in known.items() if one not in given and not _has_default(field)]
    if odd := [*(given.keys() - known.keys()), *missing]:
        raise ValueError(f"{_join(name, min(odd))} is {'missing' if min(odd) in missing else 'unknown'}")
    return kind(**{one: _decoded(hints[one], part, _join(name, one)) for one, part in given.items()})


def _join(name: str, key: str) -> str:
    """`name.key`, on one short line whatever the key is."""
    plain = key if key.isidentifier() and key.isascii() else ascii(key)
    return f"{name}.{plain[:60]}" if name else plain[:60]


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _require(holds: bool, value: Any, name: str, wanted: str) -> Any:
    if not holds:
        raise ValueError(f"{name or 'it'} is {_shown(value)}: it must be {wanted}")
    return value


def _shown(value: Any) -> str:
    if type(value) is int and abs(value) > MAX_INTEGER:
        return "a number beyond 64 bits"
    text = ascii(value)
    return text if len(text) <= 40 else text[:40] + "…"
