"""Anything but standard JSON, or but what a dataclass declares, is a ValueError that says where."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charnn.storage.strict_json import MAX_DEPTH, MAX_INTEGER, Range, decode, parse_json

TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES, st.booleans())
def test_what_json_writes_is_read_back(value: object, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@settings(deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(alphabet='{}[]":,0123456789.eE+-\\ truefalsn', max_size=40).map(str.encode)
)
def test_anything_else_is_a_value_error(content: bytes) -> None:
    with suppress(ValueError):
        parse_json(content)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"NaN", "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b"1e999", "1e999 is too large"),
        (b'{"a": 1, "a": 2}', "a key stands twice"),
        (b"[" * 100_000, f"nested deeper than {MAX_DEPTH}"),
        (b'{"a":' * 100_000, f"nested deeper than {MAX_DEPTH}"),
        (b"9" * 5000, "digit"),
        (b"\xff", "utf-8"),
        (b"", "Expecting value"),
        (b"1 2", "Extra data"),
    ],
)
def test_hostile_texts_are_refused_with_the_reason(content: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_json(content)


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
def test_depth_is_counted_outside_of_strings_only(depth: int) -> None:
    content = b"[" * (depth - 1) + rb'["[[[\"{{{", "\\", "]"]' + b"]" * (depth - 1)
    if depth <= MAX_DEPTH:
        parse_json(content)
    else:
        with pytest.raises(ValueError, match="nested"):
            parse_json(content)


@pytest.mark.timeout(30)
def test_megabytes_of_quotes_escapes_and_brackets_take_no_time() -> None:
    """Backtracking into an endless string would take hours."""
    for content in (b'"' * 3_000_001, b'"\\' * 1_500_000, b"[" * 3_000_000):
        with pytest.raises(ValueError):
            parse_json(content)


@dataclass(frozen=True)
class Inner:
    count: Annotated[int, Range(-5)]
    names: tuple[str, ...] = ()


@dataclass
class Outer:
    inner: Inner
    share: Annotated[float, Range(-1, 1)]
    kind: Literal["a", "b"]
    is_on: bool = False
    limit: float | None = None
    many: list[Inner] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


LEAST = {"inner": {"count": 1}, "share": 0.5, "kind": "a"}
WHOLE = {
    "inner": {"count": 3, "names": ["x", "y"]},
    "share": 1,
    "kind": "b",
    "is_on": True,
    "limit": 2.5,
    "many": [{"count": 4}],
    "versions": {"torch": "2"},
}


def test_values_become_what_is_declared() -> None:
    whole = Outer(Inner(3, ("x", "y")), 1, "b", True, 2.5, [Inner(4)], {"torch": "2"})
    assert decode(Outer, WHOLE, "state") == whole


def test_what_has_a_default_may_be_missing_and_what_may_be_none_is() -> None:
    assert decode(Outer, LEAST, "state") == Outer(Inner(1), 0.5, "a")
    assert decode(Outer, WHOLE | {"limit": None}, "state").limit is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inner": None}, "state.inner is None: it must be an object"),
        ({"inner": []}, "state.inner is []: it must be an object"),
        ({"inner": {}}, "state.inner.count is missing"),
        ({"inner": {"count": 1.0}}, "state.inner.count is 1.0: it must be a whole number"),
        ({"inner": {"count": True}}, "state.inner.count is True: it must be a whole number"),
        ({"inner": {"count": -6}}, "state.inner.count is -6: it must be at least -5"),
        ({"inner": {"count": MAX_INTEGER + 1}}, "state.inner.count is a number beyond 64 bits"),
        ({"inner": {"count": 1, "names": "xy"}}, "state.inner.names is 'xy': it must be a list"),
        ({"inner": {"count": 1, "names": ["x", 2]}}, "state.inner.names.1 is 2: it must be a string"),
        ({"share": "1"}, "state.share is '1': it must be a number"),
        ({"share": 1.5}, "state.share is 1.5: it must be from -1 to 1"),
        ({"share": False}, "state.share is False"),
        ({"share": 10**400}, "state.share is a number beyond 64 bits"),
        ({"kind": "c"}, "state.kind is 'c': it must be one of a, b"),
        ({"kind": ["a"]}, "state.kind is"),
        ({"is_on": 1}, "state.is_on is 1: it must be true or false"),
        ({"limit": "none"}, "state.limit is 'none'"),
        ({"many": {}}, "state.many is {}: it must be a list"),
        ({"many": [None]}, "state.many.0 is None: it must be an object"),
        ({"versions": {"a": 1}}, "state.versions.a is 1: it must be a string"),
        ({"versions": []}, "state.versions is []"),
        ({"\x1b\n": 1}, r"state.'\x1b\n' is unknown"),
        ({"x" * 9999: 1}, "state.xxx"),
    ],
)
def test_anything_else_is_refused_with_its_place_on_one_plain_line(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError) as caught:
        decode(Outer, WHOLE | changes, "state")
    assert str(caught.value).startswith(said)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@settings(deadline=None, max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*WHOLE, "count", "names", "x"]), inner)
        ),
        max_leaves=8,
    )
)
def test_no_value_raises_anything_else(value: object) -> None:
    try:
        decode(Outer, value, "state")
    except ValueError as error:
        assert str(error).isprintable()
