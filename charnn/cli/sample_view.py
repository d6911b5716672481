"""Samples on stdout: as text, character by character where there is one, or as JSON."""

import sys
import time
from collections.abc import Iterable, Iterator
from itertools import repeat
from math import log
from typing import TYPE_CHECKING

from charnn.cli.surprisal_colors import band, note_legend, paint
from charnn.cli.terminal import colours_in, escape, json_line, note

if TYPE_CHECKING:
    from charnn.analysis.novelty import Overlap
    from charnn.cli.sample_request import Request
    from charnn.inference.generate import Sample

_JSON_FIELDS = ("index", "text", "log_prob", "chars", "temperature", "seed", "stopped")
_NATS_PER_BIT = log(2)
_FLUSH_EVERY = (
    0.05  # seconds; samples come in batches, and a flush for each line would hold up the threads that draw
)

Runs = Iterable[tuple[str, float]]
"""Stretches of a text, each with the surprisal of its characters in bits; anything where no colour shows it."""


def print_json(request: "Request") -> None:
    """One JSON object a line on stdout; `index` counts them all."""
    passed_over, flushed = 0, 0.0
    for sample, copied in _with_overlaps(request):
        value = {name: getattr(sample, name) for name in _JSON_FIELDS}
        if request.separator is not None:
            value["stopped"] = sample.reason
        if request.are_lines:
            value["prompt"] = request.prompt_of(sample.index)
        if copied is not None:
            value |= {"longest_copied": copied.longest, "copied_share": copied.share}
        print(json_line(value))
        if time.monotonic() - flushed > _FLUSH_EVERY:
            sys.stdout.flush()
            flushed = time.monotonic()
        passed_over += sample.passed_over
    _note_passed_over(request, passed_over)


def print_texts(request: "Request", *, echo: bool, color: bool, delimiter: str | None = None) -> None:
    """The samples on stdout, `delimiter` or a blank line between them; headings on stderr where there are several.

    Documents are separated as their collection separates them; where that is by newlines, each of several ends in one.
    """
    coloured = color and colours_in(sys.stdout)
    if coloured:
        note_legend()
    texts: list[str] = []
    line_end = ""
    passed_over: list[int] = []
    between = _between(request) if delimiter is None else delimiter
    for number, (heading, runs) in enumerate(_texts(request, coloured, passed_over)):
        if number:
            sys.stdout.write(line_end + "\n" if between is None else between)
        if heading:
            note(heading)
        kept = runs if request.corpus is None else _kept(runs, texts)
        last = _write(request.prompt_of(number) if echo else "", kept)
        line_end = "" if last.endswith("\n") else "\n"
    if sys.stdout.isatty() or (between == request.separator == "\n" and request.total > 1):
        sys.stdout.write(line_end)
    _note_passed_over(request, sum(passed_over))
    _note_overlaps(request, texts)


def _between(request: "Request") -> str | None:
    """What stands between documents; it is the model's, which may be a stranger's."""
    if request.separator is None or not sys.stdout.isatty():
        return request.separator
    return escape(request.separator)


def _texts(request: "Request", coloured: bool, passed_over: list[int]) -> Iterator[tuple[str, Runs]]:
    """Each sample's heading and its characters; adds to `passed_over` how many were before it."""
    if request.is_streamed:
        for number, tokens in enumerate(request.streams(scored=coloured)):
            yield _heading(request, number), _runs(tokens, coloured)
    else:
        for number, sample in enumerate(request.samples()):
            passed_over.append(sample.passed_over)
            runs = (
                zip(sample.text, sample.surprisal_bits.tolist(), strict=True)
                if coloured
                else [(sample.text, 0.0)]
            )
            yield _heading(request, number, sample), runs


def _runs(tokens: Iterable[tuple[str, float]], coloured: bool) -> Runs:
    return ((text, -log_prob / _NATS_PER_BIT if coloured else 0.0) for text, log_prob in tokens)


def _heading(request: "Request", number: int, sample: "Sample | None" = None) -> str:
    """What stderr says above a sample: nothing above a single one, unless it was chosen."""
    parts = []
    is_list = request.separator is not None and len(request.configs) == 1
    if request.total > 1 and not is_list:
        temperature = request.config_of(number).temperature
        parts.append(f"sample {number + 1} of {request.total}, temperature {temperature:g}")
    if sample is not None and request.best_of > 1:
        bits = "empty" if sample.bits_per_char is None else f"{sample.bits_per_char:.4f} bits per character"
        parts.append(f"best of {request.best_of}: {bits}")
    return "; ".join(parts)


def _write(prompt: str, runs: Runs) -> str:
    """Write a sample as it comes; return what was written last."""
    show = escape if sys.stdout.isatty() else str
    last = prompt
    sys.stdout.write(show(prompt))
    sys.stdout.flush()
    for run, bits in runs:
        sys.stdout.write(paint(show(run), band(bits)))
        sys.stdout.flush()
        last = run or last
    return last


def _kept(runs: Runs, texts: list[str]) -> Runs:
    """The characters as they come; once they are over, their text is added to `texts`."""
    pieces = []
    for run, bits in runs:
        pieces.append(run)
        yield run, bits
    texts.append("".join(pieces))


def _with_overlaps(request: "Request") -> Iterable[tuple["Sample", "Overlap | None"]]:
    if request.corpus is None:
        return zip(request.samples(), repeat(None), strict=False)
    from charnn.analysis.novelty import with_overlaps

    return with_overlaps(request.samples(), request.corpus)


def _note_passed_over(request: "Request", count: int) -> None:
    if request.new:
        note(f"{count:,} samples that are training documents were passed over")


def _note_overlaps(request: "Request", texts: list[str]) -> None:
    if request.corpus is None:
        return
    from charnn.analysis.novelty import overlap

    for number, copied in enumerate(overlap(texts, request.corpus), 1):
        name = f"copied in sample {number}" if request.total > 1 else "copied"
        note(f"{name}: {_novelty(copied)}")


def _novelty(copied: "Overlap") -> str:
    longest = f"{copied.longest} characters in a row at most"
    return (
        longest
        if copied.share is None
        else f"{longest}, {copied.share:.1%} of all stretches of 20 characters"
    )
