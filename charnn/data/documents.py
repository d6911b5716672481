"""Text → the same text cut into documents: a mark stands before the first one and after each.

The mark of lines is the newline, which no line contains; that of all others is a lone surrogate, which no decoded
text contains. Documents of nothing but white space are left out, but for lines, whose empty ones stay: the table of
documents leaves them out.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

MARK = "\udfff"
LINES_MARK = "\n"
FILE_END = MARK  # a piece of its own: the text before it and after it are different files'
KINDS = ("none", "lines", "paragraphs", "files", "records")  # any other kind is the text between documents

_BLANK = " \t\n"  # what editors leave in empty lines
_BLANKS_OF_EMPTY_LINES = re.compile(rf"(?<=[\n{MARK}])[ \t]+(?=\n)")
_BETWEEN_PARAGRAPHS = re.compile(f"\n*{MARK}[\n{MARK}]*|\n\n+")
_BETWEEN_FILES = re.compile(rf"{MARK}[\s{MARK}]*{MARK}")
_BETWEEN_TEXTS = re.compile(f"\n*{MARK}[\n{MARK}]*")
_BATCH = 1 << 16  # characters of records handed on at once


def mark_of(kind: str) -> str:
    """What ends a document of this kind in the text that is encoded."""
    return LINES_MARK if kind == "lines" else MARK


def separator_of(kind: str, sample: str = "") -> str:
    """What stands between documents of this kind, and is written between them again.

    A text of its own is taken with the newlines around it where it first stands on a line of its own in `sample`,
    the beginning of the corpus.
    """
    if kind in KINDS:
        return "\n" if kind == "lines" else "\n\n"
    before, found, after = f"\n{sample}\n".partition(kind)
    own_line = bool(found) and before.endswith("\n") and after.startswith("\n")
    return f"\n{kind}\n" if own_line else kind


def marked(pieces: Iterable[str], kind: str, separator: str) -> Iterator[str]:
    """Pieces of text, FILE_END between files → the same text, marked; `separator` as `separator_of` gives it."""
    if kind == "lines":
        newlines = ("\n" if piece == FILE_END else piece for piece in pieces)
        return chain(["\n"], newlines, ["\n"])
    if kind == "paragraphs":
        return _Cutter(f"\n{MARK}", _paragraphs).cut(pieces)
    if kind == "files":
        return _Cutter(MARK, _files).cut(pieces)
    return _separated(separator).cut(pieces)


def marked_records(texts: Iterable[str]) -> Iterator[str]:
    """Whole documents → marked text, in pieces; those of nothing but white space are left out."""
    batch, size = [MARK], 0
    for text in texts:
        if text.strip():
            batch += (text, MARK)
            size += len(text) + 1
        if size >= _BATCH:
            yield "".join(batch)
            batch, size = [], 0
    yield "".join(batch)


@dataclass(frozen=True)
class _Cutter:
    """How text is marked: `file_end` stands for a file's beginning and end, `tidy` marks and leaves out what is empty.

    `tidy` sees each piece with what was held back of the one before: its last characters that are white space or
    marks, and `hold` more, which may be the beginning of a separator.
    """

    file_end: str
    tidy: Callable[[str], str]
    hold: int = 0

    def cut(self, pieces: Iterable[str]) -> Iterator[str]:
        rest = self.file_end
        for piece in pieces:
            text = self.tidy(rest + (self.file_end if piece == FILE_END else piece))
            body = text[: max(len(text) - self.hold, 0)].rstrip(_BLANK + MARK)
            rest = text[len(body) :]
            yield body
        yield self.tidy(rest + self.file_end)


def _paragraphs(text: str) -> str:
    return _BETWEEN_PARAGRAPHS.sub(MARK, _BLANKS_OF_EMPTY_LINES.sub("", text))


def _files(text: str) -> str:
    return _BETWEEN_FILES.sub(MARK, text)


def _separated(separator: str) -> _Cutter:
    is_line = separator.startswith("\n") and separator.strip("\n")  # newlines alone would stand in this again
    around = f"\n{MARK}\n" if is_line else MARK

    def tidy(text: str) -> str:
        text = text.replace(MARK, around)
        while separator in text:
            text = text.replace(separator, around)
        return _BETWEEN_TEXTS.sub(MARK, text)

    return _Cutter(around, tidy, hold=len(separator) - 1)
