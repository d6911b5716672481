"""What features say of texts, place by place."""

import pytest

from charnn.analysis.text_features import text_features


def marked(name, text):
    """A feature's values, each as its digit."""
    (feature,) = [feature for feature in text_features(text) if feature.name == name]
    assert len(feature.values) == len(text)
    return "".join(f"{value:.0f}" for value in feature.values)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('say "hi" now', "000011100000"),
        ("say “hi” now", "000011100000"),
        ("he said 'no', I", "000000001110000"),
        ("don't and can't 'tis", "0" * 20),
        ("'it's so' x", "11111111000"),
        ('x = """a\n\n"b" """ + c', "0000" + "1" * 12 + "0" * 5),
        (r'"a\"b" c', "11111000"),
        ('never "closed\n\nhere " ok', "0" * 24),
        ('# it is "so"\n"x"', "0" * 13 + "110"),
    ],
)
def test_inside_quotation_marks(text, inside):
    assert marked("inside quotation marks", text) == inside


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("a # b\nc", "0011100"),
        ("a // b\nc", "00111100"),
        ("http://x", "0" * 8),
        ('"# no"', "0" * 6),
        ("a#b", "000"),
    ],
)
def test_inside_a_comment(text, inside):
    assert marked("inside a comment", text) == inside


def test_a_speakers_name_is_a_line_after_an_empty_one_that_ends_with_a_colon():
    text = "ROMEO:\nMy:\n\nFirst Citizen:\nOh:"
    assert marked("speaker's name", text) == "1" * 6 + "0" * 6 + "1" * 14 + "0" * 4
    assert "1" not in marked("speaker's name", "def f():\n\ndef g(x):\n")


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("position in the line", "ab c\nd\n\ne", "123401001"),
        ("lines since an empty one", "a\nb\n\nc\nd", "01120011"),
        ("position in the word", "ab c\nde1f", "120101201"),
        ("inside a word", "ab c1é", "110101"),
        ("upper case", "aBÉ1", "0110"),
        ("indentation", "a\n  b c\n\td\n e", "0012222088011"),
        ("indentation", "ab  c", "00000"),
        ("depth of brackets", "f(a[1], {2}) ) (", "0112211122100001"),
        ("depth of brackets", "(a\n\nb)", "111000"),
        ("depth of brackets", '(")" # (\n)', "11111111" + "10"),
    ],
)
def test_places_in_lines_words_and_brackets(name, text, values):
    assert marked(name, text) == values


HOSTILE = [
    "'a " * 60_000,
    '"a' + " b" * 60_000,
    '"' + "\n" * 100_000,
    '" \n \n' * 20_000,
    "“" * 50_000,
    "(" * 60_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:6]))
def test_what_is_never_closed_is_within_nothing(text):
    """And is soon found out: looking for each one's end in the whole text would take hours."""
    assert "1" not in marked("inside quotation marks", text)
