"""Fields of tab-separated rows: one line for every reader, and reversible."""

import codecs
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charnn.cli.fields import escape_field


def unescaped(field):
    """As the help says: one backslash at a time."""
    return re.sub(
        r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.)",
        lambda found: codecs.decode(found[0], "unicode_escape") if found[1] != "\\" else "\\",
        field,
    )


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_is_one_field_and_comes_back(text):
    field = escape_field(text)
    assert len(field.splitlines()) <= 1 and "\t" not in field
    assert unescaped(field) == text
    field.encode()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("plain é 日", "plain é 日"),
        ("a\nb", r"a\nb"),
        (r"a\nb", r"a\\nb"),
        ("a\r\tb", r"a\r\tb"),
        ("a\x85\u2028\x0b\x1cb", r"a\x85\u2028\x0b\x1cb"),
    ],
)
def test_the_documented_escapes(text, field):
    assert escape_field(text) == field
