"""Where each symbol of a target was looked for: a heat map for terminals and pipes, and pictures of it."""

import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Literal
from unicodedata import east_asian_width

from charnn.cli.terminal import colours_in, escape_line
from charnn.errors import InputError
from charnn.inference.translator import Alignment
from charnn.outputs import write_output

END = "⏎"
_SHADES = " ·░▒▓█"
_COLOURS = range(232, 256)  # the greys of a terminal of 256 colours
_DOTS = 150  # an inch


def heat_map(aligned: Alignment) -> Iterator[str]:
    """A row for each symbol of the target and its end, a column for each of the source."""
    columns = [_shown(symbol) for symbol in aligned.source]
    rows = [*map(_shown, aligned.target), END]
    margin, width = max(map(_width, rows)), max(map(_width, columns), default=1)
    yield " " * (margin + 1) + " ".join(_padded(text, width) for text in columns).rstrip()
    colours = colours_in(sys.stdout)
    for row, weights in zip(rows, aligned.weights, strict=True):
        cells = " ".join(_cell(float(weight), width, colours=colours) for weight in weights)
        yield f"{_padded(row, margin)} {cells}".rstrip()


def _cell(weight: float, width: int, *, colours: bool) -> str:
    if colours:
        shade = _COLOURS[min(int(weight * len(_COLOURS)), len(_COLOURS) - 1)]
        return f"\x1b[48;5;{shade}m{'':{width}}\x1b[0m"
    return _SHADES[min(round(weight * (len(_SHADES) - 1)), len(_SHADES) - 1)] * width


def _shown(symbol: str) -> str:
    return "␣" if symbol == " " else escape_line(symbol)


def _width(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def write_heat_map(name: str, aligned: Alignment, kind: Literal["svg", "png"]) -> None:
    """Draw it into a file, as `write_output` writes one. Raises InputError where there is nothing to draw."""
    from charnn.cli.picture import no_traces

    if not aligned.source:
        raise InputError("the source has no symbols: there is no alignment to draw; give another")

    with no_traces():
        drawn = _drawn(aligned, kind)
    write_output(name, [drawn])


def _drawn(aligned: Alignment, kind: Literal["svg", "png"]) -> bytes:
    import warnings

    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = [*map(_shown, aligned.target), END]
    figure = Figure(figsize=(1 + 0.3 * len(aligned.source), 1 + 0.3 * len(rows)), layout="constrained")
    axes = figure.add_subplot(xlabel="source", ylabel="target")
    axes.imshow(aligned.weights, cmap="Greys", vmin=0, vmax=1)
    for labels in (
        axes.set_xticks(range(len(aligned.source)), [*map(_shown, aligned.source)]),
        axes.set_yticks(range(len(rows)), rows),
    ):
        for label in labels:
            label.label1.set_parse_math(False)
    drawn = BytesIO()
    with rc_context({"svg.hashsalt": "charnn"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks; it draws boxes for them
        figure.savefig(drawn, format=kind, dpi=_DOTS, metadata={"Date": None} if kind == "svg" else None)
    return drawn.getvalue()
