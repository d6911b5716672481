import pytest

from charnn.data.detect import detect_kind
from tests.detect_texts import continuous, lists

LISTS, CONTINUOUS = lists(), continuous()


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_short_independent_lines_is_one(name: str) -> None:
    text = "\n".join(LISTS[name])
    assert detect_kind(text, True)[0] == detect_kind(text + "\n", True)[0] == "lines", detect_kind(text, True)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_continuous_text_is_none(name: str) -> None:
    kind, reason = detect_kind("\n".join(CONTINUOUS[name]), True)
    assert kind == "none" and reason


def test_a_sample_cut_within_a_line_decides_as_the_whole_does() -> None:
    text = "\n".join(LISTS["headlines"])
    assert detect_kind(text[: len(text) // 2 + 3], False)[0] == "lines"
    assert detect_kind(text[:300].replace("\n", " "), False)[0] == "none"


def test_nothing_is_no_list() -> None:
    assert detect_kind("", True)[0] == detect_kind("\n\n\n", True)[0] == "none"
