"""What is simple to say of each place in a text, and a cell may have learnt: quotations, brackets, lines, words.

A feature's value at a place is what is so once the character there has been read.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charnn.inference.softmax import Doubles
from charnn.inference.values import ArrayValue

Flags = NDArray[np.bool_]

TAB = 8  # columns
_LONGEST_QUOTATION, _LONGEST_LINE_QUOTATION = 4000, 300  # characters; what is longer was never closed
_PARAGRAPH = (
    rf"(?:\\.|(?!\n\s*\n)[^{{}}\\]){{{{0,{_LONGEST_QUOTATION}}}}}"  # any but these, no empty line between
)
_SPAN = re.compile(
    r"(?P<comment>(?<![:\w&])(?:\#|//)[^\n]*)|"
    rf'"""(?:[^\\]|\\.){{0,{_LONGEST_QUOTATION}}}?"""|'
    rf"'''(?:[^\\]|\\.){{0,{_LONGEST_QUOTATION}}}?'''|"
    rf'"{_PARAGRAPH.format(chr(34))}"|'
    rf"“{_PARAGRAPH.format('“”')}”|«{_PARAGRAPH.format('«»')}»|"
    # an apostrophe within a word, or before one ('tis) whose line has no other, is no quotation
    rf"(?<!\w)'(?=\S)(?:\\.|[^'\\\n]|(?<=\w)'(?=\w)){{0,{_LONGEST_LINE_QUOTATION}}}(?<=\S)'(?!\w)",
    re.DOTALL,
)
_SPEAKER = re.compile(r"(?:(?<=\n\n)|\A)[^\W\d_a-z][^\n:()]{0,38}:(?=\n)")
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True, eq=False)
class Feature(ArrayValue):
    """`values` (n,): of a binary one 0 or 1, else a number of at least 0."""

    name: str
    values: Doubles
    is_binary: bool


def features_of_pieces(text: str, starts: Sequence[int], length: int) -> list[Feature]:
    """The features of pieces of a text, one after the other. What is open where a piece begins, all before it tells."""
    return [
        Feature(
            one.name, np.concatenate([one.values[start : start + length] for start in starts]), one.is_binary
        )
        for one in text_features(text)
    ]


def text_features(text: str) -> list[Feature]:
    """All of them, of a text of n characters."""
    quoted, comment = _spans(text)
    newline = np.array([character == "\n" for character in text], bool)
    letter = np.array([character.isalpha() for character in text], bool)
    upper = np.array([character.isupper() for character in text], bool)
    line_position = _since(newline)
    empty_line = newline & np.concatenate([[True], newline[:-1]])
    binary = {
        "inside quotation marks": quoted,
        "inside a comment": comment,
        "inside a word": letter,
        "upper case": upper,
        "speaker's name": _inside(_SPEAKER.finditer(text), len(text), closing=0),
    }
    numeric = {
        "position in the line": line_position,
        "position in the word": np.where(letter, _since(~letter), 0),
        "indentation": _indentation(text),
        "depth of brackets": _depth(text, ~(quoted | comment)),
        "lines since an empty one": _lines_since(newline, empty_line),
    }
    return [
        *(Feature(name, values.astype(np.float64), is_binary=True) for name, values in binary.items()),
        *(Feature(name, values.astype(np.float64), is_binary=False) for name, values in numeric.items()),
    ]


def _spans(text: str) -> tuple[Flags, Flags]:
    """Where it is within quotation marks, and where within a comment of a program."""
    found = list(_SPAN.finditer(text))
    quoted = _inside((span for span in found if span["comment"] is None), len(text), closing=1)
    return quoted, _inside((span for span in found if span["comment"] is not None), len(text), closing=0)


def _inside(spans: Iterator[re.Match[str]], length: int, *, closing: int) -> Flags:
    """Where one of these is open: its last `closing` characters end it."""
    inside = np.zeros(length, bool)
    for span in spans:
        inside[span.start() : span.end() - closing] = True
    return inside


def _since(marks: Flags) -> NDArray[np.int64]:
    """How many characters ago the last mark was, or the text began: 0 at a mark."""
    places = np.arange(len(marks))
    last = np.maximum.accumulate(np.where(marks, places, -1))
    return places - last


def _lines_since(newline: Flags, empty_line: Flags) -> NDArray[np.int64]:
    lines = np.cumsum(newline)
    return lines - np.maximum.accumulate(np.where(empty_line, lines, 0))


def _indentation(text: str) -> NDArray[np.int64]:
    """Columns of white space that the line begins with, as far as it has been read."""
    columns, is_indenting = 0, True
    values = np.empty(len(text), np.int64)
    for place, character in enumerate(text):
        if character == "\n":
            columns, is_indenting = 0, True
        elif is_indenting and character in " \t":
            columns += 1 if character == " " else TAB - columns % TAB
        else:
            is_indenting = False
        values[place] = columns
    return values


def _depth(text: str, counts: Flags) -> NDArray[np.int64]:
    """How many brackets are open, of those that `counts`; an empty line closes all."""
    depth, before = 0, ""
    values = np.empty(len(text), np.int64)
    for place, character in enumerate(text):
        if character == before == "\n":
            depth = 0
        elif counts[place] and character in _OPENING:
            depth += 1
        elif counts[place] and character in _CLOSING:
            depth = max(depth - 1, 0)
        values[place], before = depth, character
    return values
