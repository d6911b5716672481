"""Where texts end: stop strings, lines, lengths, and all of them together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charnn.config import SampleConfig
from charnn.inference.stopping import ENDLESS, Text


def ended(text, **options):
    """(what each character released, all that came out, why it ended) of a text that is drawn."""
    drawn, released = Text(SampleConfig(**{"length": len(text), **options})), []
    for character in text:
        if drawn.reason:
            break
        drawn.push((character, 0.0))
        released.append("".join(more for more, _ in drawn.pop()))
    return released, "".join(released), drawn.reason


@pytest.mark.parametrize(
    ("text", "stops", "expected", "stopped"),
    [
        ("abcdef", (), "abcdef", False),
        ("abcdef", ("cd",), "ab", True),
        ("abcdef", ("x", "e", "cd"), "ab", True),
        ("aab", ("ab",), "a", True),
        ("aabaab!", ("aabaaa", "b!"), "aabaa", True),
        ("abc", ("abcd", "bc"), "a", True),
        ("abc", ("c", "abc"), "", True),
        ("ababac", ("abac",), "ab", True),
        ("abab", ("abac",), "abab", False),
        ("a", ("a",), "", True),
    ],
)
def test_text_ends_before_the_first_stop(text, stops, expected, stopped):
    _, released, reason = ended(text, stop=stops)
    assert (released, reason == "stop") == (expected, stopped)


def test_only_what_may_begin_a_stop_is_held_back():
    released, _, _ = ended("xaby", stop=("abc",))
    assert released == ["x", "", "", "aby"]


@given(text=st.text("ab", max_size=12), stops=st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_stops_agree_with_a_search_of_the_whole(text, stops):
    """The first stop string to be complete ends the text; of those complete together the longest."""
    ends = [
        (i + len(stop), -len(stop)) for stop in stops for i in range(len(text)) if text.startswith(stop, i)
    ]
    end, length = min(ends, default=(len(text), 0))
    _, released, reason = ended(text + "c", stop=tuple(stops), length=ENDLESS)
    assert (released, reason) == (text[: end + length] + "c" * (not ends), "stop" if ends else None)


@pytest.mark.parametrize(
    ("text", "options", "expected", "reason"),
    [
        ("abcdef", {"length": 3}, "abc", "length"),
        ("abcdef", {"length": 0}, "", "length"),
        ("a\nb\nc\n", {"lines": 2}, "a\nb\n", "lines"),
        ("a\nb\nc\n", {"lines": 2, "length": 3}, "a\nb", "length"),
        ("a\nb\nc\n", {"lines": 1, "stop": ("\nb",)}, "a", "stop"),
        ("a\nb\nc\n", {"lines": 1, "stop": ("\nz",)}, "a\n", "lines"),
        ("a\nb\nc\n", {"lines": 2, "stop": ("c",), "length": ENDLESS}, "a\nb\n", "lines"),
        ("abcabc", {"length": 4, "stop": ("cabz",)}, "abca", "length"),
        ("abcd", {"length": 4, "stop": ("cd",)}, "ab", "stop"),
    ],
)
def test_the_first_reason_ends_a_text(text, options, expected, reason):
    assert ended(text, **options)[1:] == (expected, reason)
