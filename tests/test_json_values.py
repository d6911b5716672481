import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charnn.storage.json_values import MAX_DEPTH, parse_json

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
