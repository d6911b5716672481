"""Small changes to bytes and to JSON values: what was valid becomes almost valid."""

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

NUMBERS = (0, 1, -1, 2, 3, 255, 65_536, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**30)
FLOATS = (0.5, -0.5, 1.0, 1e-300, 1e300, -0.0, 2.0)
TEXTS = (
    "",
    "a",
    "\n",
    "\0",
    "\x1b[31m",
    "../../x",
    "é",
    "\ufffd",
    "\ud800",
    "🙂",
    "lstm",
    "cuda",
    "nan",
    "x" * 300,
)
VALUES = (*NUMBERS, *FLOATS, *TEXTS, None, True, False, [], {}, [0], {"a": 0}, [[[]]], "0" * 64)
TOKENS = (
    b"NaN",
    b"Infinity",
    b"1e999",
    b"-0",
    b"9" * 5000,
    b"[" * 200,
    b'{"a":' * 60,
    b"null",
    b'"\\ud800"',
    b"\xff",
)
LENGTHS = (1, 2, 3, 4, 8, 16, 64, 300)


def mutated_bytes(numbers: Random, content: bytes) -> bytes:
    """`content` with a few bytes changed, inserted, removed, repeated or cut off."""
    changed = bytearray(content)
    for _ in range(numbers.choice((1, 1, 1, 2, 3, 8))):
        numbers.choice(_EDITS)(numbers, changed)
    return bytes(changed)


def _span(numbers: Random, content: bytearray) -> slice:
    start = numbers.randint(0, len(content))
    return slice(start, start + numbers.choice(LENGTHS))


def _flip(numbers: Random, content: bytearray) -> None:
    for place in range(len(content))[_span(numbers, content)][:1]:
        content[place] ^= 1 << numbers.randrange(8)


def _overwrite(numbers: Random, content: bytearray) -> None:
    span = _span(numbers, content)
    fill = numbers.choice((b"\0", b"\xff", b"\x7f", numbers.randbytes(1)))
    content[span] = fill * len(content[span])


def _insert(numbers: Random, content: bytearray) -> None:
    start = _span(numbers, content).start
    content[start:start] = numbers.choice((*TOKENS, numbers.randbytes(numbers.choice(LENGTHS))))


def _remove(numbers: Random, content: bytearray) -> None:
    del content[_span(numbers, content)]


def _repeat(numbers: Random, content: bytearray) -> None:
    span = _span(numbers, content)
    content[span.stop : span.stop] = content[span] * numbers.choice((1, 2, 50))


def _cut(numbers: Random, content: bytearray) -> None:
    del content[numbers.randint(0, len(content)) :]


_EDITS: tuple[Callable[[Random, bytearray], None], ...] = (
    _flip,
    _flip,
    _overwrite,
    _insert,
    _remove,
    _repeat,
    _cut,
)


def mutated_json(numbers: Random, value: Any) -> Any:
    """A copy of a JSON value with one or a few of its parts replaced, removed, renamed or added."""
    changed = [copy.deepcopy(value)]
    for _ in range(numbers.choice((1, 1, 1, 2, 4))):
        _change(numbers, *numbers.choice(list(_places(changed))))
    return changed[0]


def _places(value: Any) -> Any:
    """Every (container, key) of a value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _change(numbers: Random, container: Any, key: Any) -> None:
    old = container[key]
    match numbers.randrange(8):
        case 0 if isinstance(container, dict):
            del container[key]
        case 1 if isinstance(container, dict):
            container[numbers.choice(TEXTS)] = container.pop(key)
        case 2 if isinstance(old, list):
            old.append(copy.deepcopy(numbers.choice((_value(numbers), *old))))
        case 2 if isinstance(old, dict):
            old[numbers.choice(TEXTS)] = _value(numbers)
        case 3 | 4 if isinstance(old, int | float) and not isinstance(old, bool):
            container[key] = old + numbers.choice((-1, 1, 0.5, 10, -old, old))
        case 3 | 4 if isinstance(old, str):
            place = numbers.randint(0, len(old))
            container[key] = old[:place] + numbers.choice(TEXTS) + old[place + numbers.randrange(2) :]
        case _:
            container[key] = _value(numbers)


def _value(numbers: Random) -> Any:
    return copy.deepcopy(numbers.choice(VALUES))


def json_bytes(value: Any) -> bytes:
    """As JSON; lone surrogates stay escaped."""
    return json.dumps(value).encode()
