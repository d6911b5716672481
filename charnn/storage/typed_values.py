"""JSON values from strangers as the types that a dataclass declares: nothing missing, nothing strange, nothing cast."""

from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Kind = TypeVar("Kind")
MAX_INTEGER = 2**63 - 1  # no count, seed or time of ours is larger, and it fits a float


def read_as(kind: type[Kind], value: object, name: str) -> Kind:
    """`value`, parsed from JSON, as a `kind`: a dataclass of bool, int, float, str, None, Literal, list, tuple, dict.

    Whole numbers pass for floats and are at most MAX_INTEGER. Raises ValueError that says where something else stands.
    """
    return cast(Kind, _read(kind, value, name))


def _read(kind: Any, value: Any, name: str) -> Any:
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if is_dataclass(kind):
        return _fields(kind, value, name)
    if origin in (Union, UnionType):
        return _first(inner, value, name)
    if origin is Literal:
        return _require(value in inner and isinstance(value, type(inner[0])), value, name)
    if origin in (list, tuple):
        return origin(
            _read(inner[0], one, name) for one in _require(type(value) in (list, tuple), value, name)
        )
    if origin is dict:
        pairs = _require(type(value) is dict, value, name).items()
        return {key: _read(inner[1], one, f"{name}.{key!a}") for key, one in pairs}
    fits = type(value) is kind or (kind is float and type(value) is int)
    return _require(fits and not (type(value) is int and abs(value) > MAX_INTEGER), value, name)


def _first(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """None where that is allowed, else the other kind."""
    if value is None and NoneType in kinds:
        return None
    return _read(next(kind for kind in kinds if kind is not NoneType), value, name)


def _fields(kind: Any, value: Any, name: str) -> Any:
    hints, known = get_type_hints(kind), {field.name: field for field in fields(kind)}
    given = _require(type(value) is dict, value, name)
    missing = [one for one, field in known.items() if one not in given and not _has_default(field)]
    if odd := [*(given.keys() - known.keys()), *missing]:
        raise ValueError(f"{name}.{min(odd)!a} is {'missing' if min(odd) in missing else 'unknown'}")
    return kind(**{one: _read(hints[one], part, f"{name}.{one}") for one, part in given.items()})


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _require(holds: bool, value: Any, name: str) -> Any:
    if not holds:
        raise ValueError(f"{name} is {str(value)[:40]!r}")
    return value
