"""What a setting is: a dataclass field that says its bounds, help and place on the command line.

`setting` declares one; `settings_of` reads a dataclass's; `checked` holds values against them. The command line, the
library's checks, the model file's bounds, the comparison on resume and the docs' table all come from these.

Named tuples, as a frozen dataclass takes a millisecond to define and `--help` waits for every one.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, field, fields, is_dataclass
from functools import cache
from math import isfinite
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from charnn.errors import InputError

Value = TypeVar("Value")
OnResume = Literal["fixed", "may grow", "free"]

MAX_INTEGER = 2**63 - 1
AUTOMATIC = "auto"  # as a choice: whatever the machine has
_SHOWN = 40  # characters of a refused value


class Range(NamedTuple):
    """Numbers from `least`, or above `above`, to `most`, or below `below`."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, number: float) -> bool:
        """Whether it is one of them."""
        return (
            (self.least is None or number >= self.least)
            and (self.most is None or number <= self.most)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"from {_number(self.least)} to {_number(self.most)}"
        bounds = {
            "from {} up": self.least,
            "above {}": self.above,
            "at most {}": self.most,
            "below {}": self.below,
        }
        return ", ".join(text.format(_number(bound)) for text, bound in bounds.items() if bound is not None)


class Form(NamedTuple):
    """What a text must look like; `said` in words."""

    pattern: str
    said: str


class Setting(NamedTuple):
    """A setting. It is an option of a command where it has a `help`.

    `flags`: its names on the command line, if not the field's own. `shown`: the default as help shows it, with the
    real one in the place of {}. `on_resume`: what a repeated option may do to a run. `is_architecture`: a warm start
    takes it from the model. `is_path`: a run remembers it as an absolute path, unless it is one of `names_of_own`.
    """

    help: str = ""
    panel: str = ""
    metavar: str | None = None
    flags: str = ""
    within: Range | None = None
    form: Form | None = None
    shown: str | None = None
    on_resume: OnResume = "fixed"
    is_architecture: bool = False
    is_path: bool = False
    names_of_own: tuple[str, ...] = ()
    # From the field itself:
    name: str = ""
    type: Any = None
    default: Any = None

    @property
    def kind(self) -> Any:
        """bool, int, float or str: the type of a value, or of each where there are several."""
        kind = self._type_of_one
        return type(self.choices[0]) if get_origin(kind) is Literal else kind

    @property
    def choices(self) -> tuple[str, ...]:
        """The values there are, where they are few."""
        kind = self._type_of_one
        return get_args(kind) if get_origin(kind) is Literal else ()

    @property
    def placeholder(self) -> str | None:
        """What help and docs put in the place of a value."""
        if self.metavar or self.choices:
            return self.metavar or "|".join(self.choices)
        return {int: "N", float: "F"}.get(self.kind)

    @property
    def is_optional(self) -> bool:
        return get_origin(self.type) in (Union, UnionType)

    @property
    def is_repeated(self) -> bool:
        """Whether the value is a tuple of values."""
        return get_origin(self._type_if_any) is tuple

    @property
    def names(self) -> list[str]:
        """On the command line."""
        return self.flags.split() or [option_name(self.name)]

    @property
    def option(self) -> str:
        """What messages call it."""
        return next(name for name in self.names if name.startswith("--"))

    @property
    def default_shown(self) -> str:
        """The default in words; empty where there is none."""
        is_nothing = self.default is None or self.default is False or self.default in ((), "", MISSING)
        said = "" if is_nothing else f"{self.default}"
        return said if self.shown is None else self.shown.format(said)

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return self.form.said if self.form else "a text" + " of one character or more" * self._needs_text
        return _number_in_words(self.kind, self.within)

    def parsed(self, value: object) -> Any:
        """`value` as the type that is declared. NumPy's numbers and paths will do. Raises ValueError."""
        if not self.is_repeated:
            return self._parsed(value)
        several = [value] if isinstance(value, str | os.PathLike) else value
        if not isinstance(several, Sequence):
            raise ValueError
        return tuple(map(self._parsed, several))

    def require(self, value: object) -> Any:
        """`value`, parsed. Raises InputError that names the option, the value and what it must be."""
        try:
            return self.parsed(value)
        except ValueError:
            raise InputError(f"{self.option} {shown(value)}: give {self.expected}") from None

    def _parsed(self, value: object) -> Any:
        if self.choices or self.kind is bool:
            if type(value) is not self.kind or (self.choices and value not in self.choices):
                raise ValueError
            return value
        return self._text(value) if self.kind is str else self._number(value)

    def _text(self, value: object) -> str:
        text = str(value) if self.form and isinstance(value, int) else value
        text = os.fspath(text) if isinstance(text, os.PathLike) else text
        if not isinstance(text, str) or (self._needs_text and not text):
            raise ValueError
        if self.form and not re.fullmatch(self.form.pattern, text.strip()):
            raise ValueError
        return text

    def _number(self, value: object) -> int | float:
        if isinstance(value, bool) or not isinstance(value, Integral if self.kind is int else Real):
            raise ValueError
        if isinstance(value, Integral) and abs(int(value)) > MAX_INTEGER:
            raise ValueError
        number: int | float = self.kind(value)
        if not isfinite(number) or (self.within and not self.within.holds(number)):
            raise ValueError
        return number

    @property
    def _needs_text(self) -> bool:
        return bool(self.default != "")

    @property
    def _type_if_any(self) -> Any:
        """The type without None."""
        if not self.is_optional:
            return self.type
        return next(kind for kind in get_args(self.type) if kind is not NoneType)

    @property
    def _type_of_one(self) -> Any:
        return get_args(self._type_if_any)[0] if self.is_repeated else self._type_if_any


def setting(default: Value, help: str = "", panel: str = "", **more: Any) -> Value:
    """A dataclass field that is a setting: its default, its help and under which heading; more as in `Setting`."""
    return field(default=default, metadata={"setting": Setting(help, panel, **more)})


@cache
def settings_of(*configs: type) -> Mapping[str, Setting]:
    """The settings that dataclasses declare, by name; those of dataclasses within them are not among them."""
    return {
        one.name: one.metadata.get("setting", Setting())._replace(
            name=one.name, type=one.type, default=one.default
        )
        for config in configs
        for one in fields(config)
        if not is_dataclass(one.type)
    }


def checked(settings: Mapping[str, Setting], values: Mapping[str, Any], command: str) -> dict[str, Any]:
    """The values, parsed. Raises InputError naming the first that is no option of `command`, or makes no sense."""
    for name in values:
        if name not in settings or not settings[name].help:
            raise InputError(f"{option_name(name)} is no option of {command}")
    return {name: settings[name].require(value) for name, value in values.items()}


def configured(config: type[Value], values: Mapping[str, Any], /, **chosen: Any) -> Value:
    """A configuration with what `values` say, else what was `chosen`, else its own defaults."""
    names = {one.name for one in fields(config)}  # type: ignore[arg-type]
    return config(**{**chosen, **{name: value for name, value in values.items() if name in names}})


def require_valid(config: object, name: str) -> None:
    """Raise ValueError for the first value in a configuration, or in one within it, that is out of its bounds.

    It is named as in JSON: `name`.field.
    """
    kind: Any = type(config)
    for field_name, one in settings_of(kind).items():
        value = getattr(config, field_name)
        if not (value is None and one.is_optional):
            require_stored(one, value, f"{name}.{field_name}")
    for field_name, value in vars(config).items():
        if is_dataclass(value):
            require_valid(value, f"{name}.{field_name}")


def require_stored(one: Setting, value: object, name: str) -> Any:
    """A file's value, parsed. Raises ValueError with `name`, the value and what it must be."""
    try:
        return one.parsed(value)
    except ValueError:
        raise ValueError(f"{name} is {shown(value)}: it must be {one.expected}") from None


def option_name(name: str) -> str:
    """`batch_size` → `--batch-size`."""
    return "--" + name.replace("_", "-")


def shown(value: object) -> str:
    """A refused value, on one short line."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python refuses to write out more than some thousand digits
        return "with thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _number_in_words(kind: type, within: Range | None) -> str:
    """The bounds; of whole numbers, that they have 64 bits where no other bound says so."""
    bounded = within is not None and (within.most is not None or within.below is not None)
    if kind is int:
        return f"a whole number {within if bounded else (within or Range())._replace(below=MAX_INTEGER + 1)}"
    return f"a {'' if bounded else 'finite '}number {within or ''}".rstrip()


def _number(number: float) -> str:
    return f"{number:,}" if number < 2**53 else f"2^{int(number).bit_length() - 1}"
