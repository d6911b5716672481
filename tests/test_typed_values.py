"""JSON values as the types a dataclass declares; anything else is a ValueError that says where."""

from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charnn.storage.typed_values import MAX_INTEGER, read_as


@dataclass(frozen=True)
class Inner:
    count: int
    names: tuple[str, ...] = ()


@dataclass
class Outer:
    inner: Inner
    share: float
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
    assert read_as(Outer, WHOLE, "state") == whole


def test_what_has_a_default_may_be_missing_and_what_may_be_none_is() -> None:
    assert read_as(Outer, LEAST, "state") == Outer(Inner(1), 0.5, "a")
    assert read_as(Outer, WHOLE | {"limit": None}, "state").limit is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inner": None}, "state.inner is 'None'"),
        ({"inner": []}, "state.inner is"),
        ({"inner": {}}, "state.inner.'count' is missing"),
        ({"inner": {"count": 1.0}}, "state.inner.count is '1.0'"),
        ({"inner": {"count": True}}, "state.inner.count is 'True'"),
        ({"inner": {"count": MAX_INTEGER + 1}}, "state.inner.count is"),
        ({"inner": {"count": 1, "names": "xy"}}, "state.inner.names is 'xy'"),
        ({"inner": {"count": 1, "names": ["x", 2]}}, "state.inner.names is '2'"),
        ({"share": "1"}, "state.share is '1'"),
        ({"share": False}, "state.share is 'False'"),
        ({"share": 10**400}, "state.share is"),
        ({"kind": "c"}, "state.kind is 'c'"),
        ({"kind": ["a"]}, "state.kind is"),
        ({"is_on": 1}, "state.is_on is '1'"),
        ({"limit": "none"}, "state.limit is 'none'"),
        ({"many": {}}, "state.many is"),
        ({"many": [None]}, "state.many is 'None'"),
        ({"versions": {"a": 1}}, "state.versions.'a' is '1'"),
        ({"versions": []}, "state.versions is"),
        ({"\x1b\n": 1}, r"state.'\x1b\n' is unknown"),
    ],
)
def test_anything_else_is_refused_with_its_place_on_one_plain_line(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError) as caught:
        read_as(Outer, WHOLE | changes, "state")
    assert str(caught.value).startswith(said)
    assert str(caught.value).isprintable()


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
        read_as(Outer, value, "state")
    except ValueError as error:
        assert str(error).isprintable()
