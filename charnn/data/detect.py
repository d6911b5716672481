"""Is a text a list of short independent lines, or one continuous text? The rule of `--documents auto`.

Signs of one continuous text are looked for, one after the other; the first that is found decides, and lines without
any are a list. The rule and the texts it was tried on are in docs/collections.md.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import sqrt
from statistics import fmean, median, pstdev

_FEWEST_LINES = 10
_FEW = 0.02  # of the lines: what may be an accident
_LONG_LINE = 300  # characters; a post has 280 at most
_LONG_MEAN = 180
_WORDY = 4.0  # words a line from which on lines may be prose

_CLOSING = "\"'’”»)]*_"
_SENTENCE_ENDS = frozenset(".!?…。！？")
_CONTINUED = frozenset(",;:{}(\\、，；：")
_ATTRIBUTION = re.compile(r"[\"”»]\s*[-–—~]\s*[^\W\d_]")  # after a quotation: whose it is
_TURN_STARTS = ("-", "–", "—", '"', "“", "„", "«", "「")
_LABEL = re.compile(r"([^\W\d][\w .'’()-]{0,24}):\s")
_TIME = re.compile(r"\d\d:\d\d(:\d\d|[,.]\d)")
_STAMP = re.compile(r"\W?(\d[\d.:/-]{5,}|\d\d?:\d\d)\S*\s")
_LEVEL = re.compile(r"\b(DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL|TRACE)\b")
_SETTING = re.compile(r"[A-Za-z_][\w.-]{2,}\s*[=:]\s*(?!//)\S")
_STATEMENT = re.compile(
    r"\w\(.*\)|\s[-+:]?=\s|^(import|from|def|return|include|select|insert)\b", re.IGNORECASE
)
_POST_SIGN = re.compile(r"[@#]\w|https?://|[\U0001F300-\U0001FAFF]|\b(lol|omg|RT)\b")
_CHINESE_STOP = re.compile(r"[，。、；：？！]")
_WORD = re.compile(r"[^\W\d_]{2,}")
_BARE_COMMA = re.compile(r",(?=[^\s,])")


def detect_kind(sample: str, is_whole: bool) -> tuple[str, str]:
    """("lines" or "none", why) for a text that begins with `sample`, or is it."""
    rows = sample.split("\n")
    if not is_whole:
        del rows[-1:]
    if is_whole and rows and not rows[-1]:
        del rows[-1]
    text = _Lines(rows)
    if len(text.lines) < _FEWEST_LINES:
        return "none", f"{len(text.lines)} lines are too few to tell a list by"
    if text.share(lambda line: line.startswith("{") and line.endswith("}")) > 0.95:
        return "lines", "each line is a JSON object"
    for sign, found in _SIGNS:
        if found(text):
            return "none", sign
    return "lines", "its lines are short and don't continue one another"


@dataclass(frozen=True)
class _Lines:
    """The lines of a sample, and what is measured on them."""

    rows: Sequence[str]  # with the empty ones

    @cached_property
    def lines(self) -> list[str]:
        return [row.strip() for row in self.rows if row.strip()]

    @cached_property
    def lengths(self) -> list[int]:
        return sorted(map(len, self.lines))

    @cached_property
    def words(self) -> float:
        """Words a line."""
        return fmean(len(line.split()) for line in self.lines)

    @cached_property
    def variation(self) -> float:
        """The lengths' standard deviation, by their mean."""
        return pstdev(self.lengths) / fmean(self.lengths)

    def share(self, holds: Callable[[str], object]) -> float:
        """Of the lines."""
        return sum(bool(holds(line)) for line in self.lines) / len(self.lines)

    def quantile(self, share: float) -> int:
        return self.lengths[min(int(share * len(self.lengths)), len(self.lengths) - 1)]

    @cached_property
    def is_sorted(self) -> bool:
        folded = [line.casefold() for line in self.lines]
        return sum(a <= b for a, b in pairwise(folded)) > 0.95 * (len(folded) - 1)


def _has_empty_lines(text: _Lines) -> bool:
    return len(text.rows) - len(text.lines) > _FEW * len(text.rows) + 1


def _is_indented(text: _Lines) -> bool:
    return sum(row[:1] in (" ", "\t") for row in text.rows) > 0.05 * len(text.lines)


def _has_long_lines(text: _Lines) -> bool:
    return fmean(text.lengths) > _LONG_MEAN or text.quantile(1 - _FEW) > _LONG_LINE


def _has_times(text: _Lines) -> bool:
    stamped = text.words >= 3 and text.share(_STAMP.match) > 0.7
    return stamped or text.share(_TIME.search) > 0.3 or text.share(_LEVEL.search) > 0.5


def _is_table(text: _Lines) -> bool:
    """The same number of one delimiter in nearly all lines; or commas without a space after them."""
    for delimiter in ("\t", ";", "|"):
        counts = Counter(line.count(delimiter) for line in text.lines)
        number, lines = counts.most_common(1)[0]
        if number and lines > 0.9 * len(text.lines):
            return True
    return text.share(_BARE_COMMA.search) > 0.7


def _is_wrapped(text: _Lines) -> bool:
    """Most lines are about as long as the longest, as an editor that wraps leaves them."""
    widest = text.quantile(0.95)
    if widest < 40:
        return False
    if text.quantile(0.99) > 1.04 * text.quantile(0.9):
        return False
    full = sum(length > 0.85 * widest for length in text.lengths) / len(text.lengths)
    same = Counter(text.lengths).most_common(1)[0][1] / len(text.lengths)
    return (text.words >= _WORDY and full > 0.5) or same > 0.6


def _ends_in_passing(text: _Lines) -> bool:
    """What is common inside lines, such as "the", ends them nearly as often as any word: they were cut anywhere."""
    if text.words < _WORDY:
        return False
    split = [line.casefold().split() for line in text.lines if len(_WORD.findall(line)) > 2]
    inside = Counter(word for words in split for word in words[:-1] if word.isalpha())
    at_end = Counter(words[-1].strip(_CLOSING) for words in split)
    common = [word for word, _ in inside.most_common(20)]
    if sum(inside[word] for word in common) < 0.1 * inside.total():
        return False
    usual = len(split) / max(inside.total() + len(split), 1)
    return median([at_end[word] / (inside[word] + at_end[word]) for word in common] or [0.0]) > 0.4 * usual


def _is_continued(text: _Lines) -> bool:
    return text.words >= 2 and text.share(lambda line: line[-1] in _CONTINUED) > 0.12


def _has_turns(text: _Lines) -> bool:
    labels = [label[1] for line in text.lines if (label := _LABEL.match(line))]
    labelled = len(labels) > 0.5 * len(text.lines) and len(set(labels)) < len(labels) / 3
    spoken = text.share(lambda line: line.startswith(_TURN_STARTS) and not _ATTRIBUTION.search(line))
    return labelled or spoken > 0.3


def _is_code(text: _Lines) -> bool:
    return text.share(_SETTING.match) > 0.8 or (text.words >= 2 and text.share(_STATEMENT.search) > 0.5)


def _repeats(text: _Lines) -> bool:
    return len(set(text.lines)) < 0.1 * len(text.lines)


def _is_markup(text: _Lines) -> bool:
    return text.share(lambda line: line.startswith("<")) > 0.3 or text.share(lambda line: "-->" in line) > 0.1


def _is_chinese_prose(text: _Lines) -> bool:
    return text.share(_CHINESE_STOP.search) > 0.3


def _is_sentences(text: _Lines) -> bool:
    """Lines of very different lengths that end as sentences do, and aren't posts."""
    if text.words < 3:
        return False
    ended = text.share(lambda line: line.rstrip(_CLOSING)[-1:] in _SENTENCE_ENDS)
    return ended > 0.6 and text.variation > 0.4 and text.share(_POST_SIGN.search) < 0.2


def _shares_words(text: _Lines) -> bool:
    """Neighbouring lines share more words than distant ones do, and not because they are sorted."""
    if text.words < _WORDY or text.is_sorted:
        return False
    sets = [set(_WORD.findall(line.casefold())) for line in text.lines]
    common = {word for word, _ in Counter(word for words in sets for word in words).most_common(50)}
    sets = [words - common for words in sets]
    near = _shared(sets, 1)
    far = fmean(_shared(sets, len(sets) * step // 7 or 1) for step in (2, 3, 4, 5))
    return near > 1.5 * far + 4 * sqrt(far) + 4


def _shared(sets: Sequence[set[str]], shift: int) -> int:
    return sum(len(a & b) for a, b in zip(sets, (*sets[shift:], *sets[:shift]), strict=True))


_SIGNS: tuple[tuple[str, Callable[[_Lines], bool]], ...] = (
    ("it has empty lines", _has_empty_lines),
    ("it has indented lines", _is_indented),
    ("its lines are the same again and again", _repeats),
    ("its lines are long", _has_long_lines),
    ("its lines have times, as a log has", _has_times),
    ("its lines are markup", _is_markup),
    ("its lines are rows of a table", _is_table),
    ("its lines are code or settings", _is_code),
    ("its lines are turns of a dialogue", _has_turns),
    ("its lines are wrapped", _is_wrapped),
    ("its lines end in the middle of a sentence", _ends_in_passing),
    ("its lines end as if the next went on", _is_continued),
    ("its lines are Chinese or Japanese prose", _is_chinese_prose),
    ("its lines are sentences of very different lengths", _is_sentences),
    ("neighbouring lines share words", _shares_words),
)
