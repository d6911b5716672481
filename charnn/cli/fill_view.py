"""Filled texts on stdout: aligned on a terminal, tab-separated in a pipe, JSON for scripts."""

import sys
from collections.abc import Sequence

from charnn.cli.fields import escape_field
from charnn.cli.terminal import colours_in, escape_line, json_line, note
from charnn.inference.blanks import joined
from charnn.inference.infill import Filled

_FILL, _RESET = "\x1b[1;4m", "\x1b[0m"  # bold and underlined


def note_method(is_bidirectional: bool, lookahead: int) -> None:
    """Say on stderr how the fills were found."""
    if is_bidirectional:
        note("by the bidirectional model, candidates from both sides, scored by both directions")
    elif lookahead:
        note("by the forward model, candidates rescored with what follows")
    else:
        note("by the forward model, from what precedes alone")


def show(found: Sequence[Filled], *, as_json: bool) -> None:
    """A line for each."""
    for index, filled in enumerate(found):
        print(_json(index, filled) if as_json else _row(filled))


def _json(index: int, filled: Filled) -> str:
    return json_line(
        {
            "index": index,
            "text": filled.text,
            "fills": filled.fills,
            "probability": filled.probability,
            "log_prob": filled.log_prob,
        }
    )


def _row(filled: Filled) -> str:
    """A line of stdout: aligned on a terminal, tab-separated in a pipe; the fills stand out where colours can be."""
    terminal, mark = sys.stdout.isatty(), _marked if colours_in(sys.stdout) else str
    show = escape_line if terminal else escape_field
    text = joined([show(known) for known in filled.known], [mark(show(fill)) for fill in filled.fills])
    return f"{filled.probability:6.1%}  {text}" if terminal else f"{filled.probability:.4f}\t{text}"


def _marked(fill: str) -> str:
    return f"{_FILL}{fill}{_RESET}"
