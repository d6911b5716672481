"""Scores as lines: aligned on a terminal, tab-separated in a pipe, JSON for scripts."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from charnn.cli.announce import note_conversion
from charnn.cli.fields import escape_field
from charnn.cli.surprisal_colors import heat_map, note_legend
from charnn.cli.terminal import colours_in, escape, escape_line, json_line, note
from charnn.inference.comparison import Comparison, ScoredText
from charnn.inference.scores import Measured, Score, Total

_WIDTH = 11  # of a column on a terminal


@dataclass(frozen=True)
class Shown:
    """What is wanted of each text besides its row: its characters, its words."""

    chars: bool = False
    words: bool = False


def noting_conversion(results: Iterable[ScoredText]) -> Iterator[ScoredText]:
    """The results; the first text that was converted to another normal form is told of on stderr."""
    is_said = False
    for result in results:
        if not is_said and result.score is not None and result.score.converted is not None:
            is_said = True
            note_conversion("texts are")
        yield result


def shown(results: Iterable[ScoredText], comparison: Comparison, wanted: Shown) -> Iterator[ScoredText]:
    """Each result, once it stands on stdout."""
    view = _View.of_stdout(wanted, comparison.top)
    if view.heat:
        note_legend()
    if view.terminal:
        print(_heading(len(comparison.models)))
    for result in results:
        print(_rendered(result, view), end="", flush=True)
        yield result


def shown_as_json(
    results: Iterable[ScoredText], comparison: Comparison, wanted: Shown
) -> Iterator[ScoredText]:
    """Each result, once it stands on stdout: of a whole file either its stretches or their sum."""
    hidden = "file" if wanted.chars else "stretch"
    for result in results:
        if result.kind != hidden:
            print(json_line(_json_value(result, comparison, wanted)), flush=True)
        yield result


def with_totals(results: Iterable[ScoredText], comparison: Comparison) -> Iterator[ScoredText]:
    """The results; after them, unless there was a single text, their sums on stderr."""
    count, has_files, totals = 0, False, [Total()] * len(comparison.models)
    for result in results:
        if result.kind != "stretch":
            count, has_files = count + 1, has_files or result.kind == "file"
            totals = result.added_to(totals)
        yield result
    if count > 1 or has_files:
        for model, total in zip(comparison.models, totals, strict=True):
            note(f"{'total' if len(totals) == 1 else model.path}: {_sum(total)}")


@dataclass(frozen=True)
class _View:
    """What stdout is, and how the characters of a text are shown there: as a heat map, as a list, or not."""

    terminal: bool
    heat: bool
    listing: bool
    words: bool

    @classmethod
    def of_stdout(cls, wanted: Shown, top: int) -> "_View":
        """A heat map needs colours; without them, and for the likeliest characters, a list serves."""
        coloured = colours_in(sys.stdout)
        listing = bool(top) or (wanted.chars and not coloured)
        return cls(sys.stdout.isatty(), wanted.chars and coloured, listing, wanted.words)


def _sum(total: Total) -> str:
    figures = f"{total.chars:,} characters, {total.unknown:,} unknown"
    if total.chars:
        figures += f", {total.bits_per_char:.4f} bits per character, perplexity {total.perplexity:.4f}"
    return f"{figures}; an ideal coder would need {total.coded_bytes:,} bytes"


def _heading(models: int) -> str:
    """The names of the columns, for a terminal."""
    if models == 1:
        return _aligned(["bits/char", "log prob", "perplexity", "chars", "unknown"], "text")
    each = (name for number in range(1, models + 1) for name in (f"bits/char {number}", f"log prob {number}"))
    return _aligned([*each, "ratio", "chars", "unknown"], "text")


def _rendered(result: ScoredText, view: _View) -> str:
    """A result for stdout: its row and, where characters are shown, what each of them cost."""
    has_map = view.heat and result.score is not None
    listing = _listing(result, terminal=view.terminal) if view.listing and result.score is not None else ""
    if view.words and result.score is not None:
        listing += _word_list(result.score, terminal=view.terminal)
    if result.kind == "stretch":
        return (_painted(result, escape if view.terminal else str) if has_map else "") + listing
    show = escape_line if view.terminal else escape_field
    text = _painted(result, show) if has_map else show(result.name)
    row = _aligned(_figures(result), text) if view.terminal else "\t".join((*_figures(result), text))
    gap = "\n" if result.kind == "file" and view.heat else ""  # the map above may end within a line
    return f"{gap}{row}\n{listing}"


def _json_value(result: ScoredText, comparison: Comparison, wanted: Shown) -> dict[str, Any]:
    """A result for scripts: the figures of the first model; of several models also each one's, and their ratio."""
    name = "text" if result.kind == "text" else "file"
    first = result.measures[0]
    value = {"index": result.index, name: result.name, **_measures(first)}
    value |= {"bits_per_byte": first.bits_per_byte, "perplexity_per_word": first.perplexity_per_word}
    if result.end_log_prob is not None:
        value["end_log_prob"] = result.end_log_prob
    if result.score is not None:
        value |= _details(result.score, wanted, has_skipped=comparison.unknown == "skip")
    if result.likeliest:
        value["likeliest"] = result.likeliest
    if len(comparison.models) > 1:
        named = zip(comparison.models, result.measures, strict=True)
        value["models"] = [{"model": str(model.path), **_measures(measure)} for model, measure in named]
        value["log_likelihood_ratio"] = result.log_likelihood_ratio
    return value


def _details(score: Score, wanted: Shown, *, has_skipped: bool) -> dict[str, Any]:
    """What of a text is shown part by part. `scored` are the characters that the parts belong to."""
    details: dict[str, Any] = {}
    if (wanted.chars or wanted.words) and (has_skipped or score.converted is not None):
        details["scored"] = score.scored
    if wanted.chars:
        details["surprisal_bits"] = score.surprisal_bits.tolist()
    if wanted.words:
        details["words"] = [{"word": word, "surprisal_bits": bits} for word, bits in score.words()]
    return details


def _measures(measure: Measured) -> dict[str, Any]:
    names = ("chars", "log_prob", "bits_per_char", "perplexity", "unknown")
    return {name: getattr(measure, name) for name in names}


def _figures(result: ScoredText) -> list[str]:
    """The cells of a row, in the order of `_heading`."""
    first = result.measures[0]
    counts = [_counts([m.chars for m in result.measures]), _counts([m.unknown for m in result.measures])]
    if len(result.measures) == 1:
        return [_number(first.bits_per_char), _number(first.log_prob), _number(first.perplexity), *counts]
    each = (number for m in result.measures for number in (m.bits_per_char, m.log_prob))
    return [*map(_number, each), _number(result.log_likelihood_ratio), *counts]


def _counts(counts: Sequence[int]) -> str:
    """One number; where the models differ, each one's."""
    return "/".join(map(str, counts if len(set(counts)) > 1 else counts[:1]))


def _word_list(score: Score, *, terminal: bool) -> str:
    """A line for each word: itself, its surprisal in bits; an empty one last."""
    show = escape_line if terminal else escape_field
    lines = [f"{show(word)}\t{_number(bits)}" for word, bits in score.words()]
    return "".join(f"{line}\n" for line in (*lines, ""))


def _listing(result: ScoredText, *, terminal: bool) -> str:
    """A line for each scored character: itself, its surprisal in bits, what was likeliest there; an empty one last."""
    show = escape_line if terminal else escape_field
    lines = []
    for character, bits, likeliest in result.places():
        if bits is None:
            continue
        choices = (f"{show(other)}\t{probability:.4f}" for other, probability in likeliest)
        lines.append("\t".join((show(character), _number(bits), *choices)))
    return "".join(f"{line}\n" for line in (*lines, ""))


def _painted(result: ScoredText, show: Callable[[str], str]) -> str:
    return heat_map((show(character), bits) for character, bits, _ in result.places())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _aligned(cells: Sequence[str], text: str) -> str:
    return "".join(f"{cell:>{_WIDTH}} " for cell in cells) + f" {text}"
