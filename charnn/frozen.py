"""Frozen dataclasses that are quick to define.

`dataclass(frozen=True)` compiles six methods for each class, a millisecond in all, and every command waits for those
of all settings. Here the classes share their methods; nothing else differs.
"""

from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

Class = TypeVar("Class", bound=type)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(*, kw_only: bool = False) -> Callable[[Class], Class]:
    """Make a class what `dataclass(frozen=True)` makes it; `kw_only` as there."""

    def define(cls: Class) -> Class:
        made: Any = dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
        made.__init__, made.__repr__, made.__eq__, made.__hash__ = _init, _repr, _eq, _hash
        made.__setattr__ = made.__delattr__ = _refuse
        defined: Class = made
        return defined

    return define


def _init(self: Any, *values: Any, **named: Any) -> None:
    declared = fields(self)
    by_place = [one.name for one in declared if not one.kw_only]
    given = dict(zip(by_place, values, strict=False))
    if (
        len(values) > len(by_place)
        or given.keys() & named.keys()
        or named.keys() - {f.name for f in declared}
    ):
        raise TypeError(f"{type(self).__name__} has no such values: {values} {named}")
    given |= named
    for one in declared:
        if one.name not in given and one.default is MISSING and one.default_factory is MISSING:
            raise TypeError(f"{type(self).__name__} lacks a value of {one.name}")
        vars(self)[one.name] = given[one.name] if one.name in given else _default(one)


def _default(one: Any) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(vars(self)[one.name] for one in fields(self))


def _repr(self: Any) -> str:
    return f"{type(self).__qualname__}({', '.join(f'{one.name}={vars(self)[one.name]!r}' for one in fields(self))})"


def _eq(self: Any, other: Any) -> Any:
    return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _refuse(self: Any, name: str, *_: Any) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")
