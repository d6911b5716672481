"""Translations on stdout: a line each, or JSON for scripts; alignments as heat maps and pictures."""

import sys
from dataclasses import dataclass
from typing import Any

from charnn.cli.attention_view import heat_map, write_heat_map
from charnn.cli.fields import escape_field
from charnn.cli.picture import Output
from charnn.cli.terminal import escape_line, json_line
from charnn.config import Unknown
from charnn.inference.translator import Alignment, Translation, Translator


@dataclass(frozen=True)
class TranslationOutput(Output):
    """The form in which translations are wanted, `count` of each source."""

    count: int = 1


def show(index: int, found: Translation, output: TranslationOutput) -> None:
    """A source's target, or its targets."""
    if output.as_json:
        print(json_line(value_of(index, found)))
    elif output.count == 1:
        print(_line(str(found)))
    else:
        if index:
            print()
        for candidate in found.candidates:
            print(f"{candidate.log_prob:.4f}\t{_field(candidate.target)}")
    sys.stdout.flush()


def show_alignment(
    index: int, found: Translation, translator: Translator, unknown: Unknown, output: Output
) -> None:
    """A source's target and where its symbols were looked for."""
    aligned = translator.align(found.source, str(found), features=found.features, unknown=unknown)
    if not output.is_picture:
        if output.as_json:
            print(json_line(value_of(index, found) | attention_of(aligned)))
        else:
            print("\n".join(heat_map(aligned)))
        sys.stdout.flush()
    _draw(aligned, output)


def show_attention(aligned: Alignment, output: Output) -> None:
    """An alignment alone."""
    if output.as_json and not output.is_picture:
        print(json_line(attention_of(aligned)))
    elif not output.is_picture:
        print("\n".join(heat_map(aligned)))
    _draw(aligned, output)


def _draw(aligned: Alignment, output: Output) -> None:
    if output.svg:
        write_heat_map(output.svg, aligned, "svg")
    if output.png:
        write_heat_map(output.png, aligned, "png")


def value_of(index: int, found: Translation) -> dict[str, Any]:
    """Everything, for scripts."""
    return {
        "index": index,
        "source": found.source,
        "features": found.features,
        "target": str(found),
        "log_prob": found.log_prob,
        "ended": found.ended,
        "candidates": [vars(candidate) for candidate in found.candidates],
    }


def attention_of(aligned: Alignment) -> dict[str, Any]:
    """The matrix and what its rows and columns are."""
    return {
        "source_symbols": aligned.source,
        "target_symbols": aligned.target,
        "attention": [[round(float(weight), 6) for weight in row] for row in aligned.weights],
    }


def _field(target: str) -> str:
    """A target behind its log-probability: off a terminal as every field of tab-separated rows."""
    return escape_line(target) if sys.stdout.isatty() else escape_field(target)


def _line(target: str) -> str:
    """A target on one line: a newline in it is written as an escape, on a terminal all that could do harm."""
    return escape_line(target) if sys.stdout.isatty() else target.replace("\r", r"\r").replace("\n", r"\n")
