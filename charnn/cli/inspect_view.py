"""What `charnn inspect` found, shown: rows and a chart on stdout, or JSON for scripts; pictures in files."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charnn.cli.announce import announced_model
from charnn.cli.chart import MARKS, Axis, Chart, Line, line_chart
from charnn.cli.picture import Output, write_picture
from charnn.cli.terminal import colours_in, escape_line, json_line, note
from charnn.config import ModelConfig
from charnn.data.held_out import held_out
from charnn.errors import InputError
from charnn.inference.model import Model, load
from charnn.inference.softmax import Doubles

_WIDEST = 100  # columns of a chart
_CELL = 11  # columns of a number on a terminal


@dataclass(frozen=True)
class View:
    """What the curves of an inspection mean: `keys` of x and y in JSON, the format of y in the table."""

    title: str
    x: Axis
    y: Axis
    keys: tuple[str, str]
    number: str


GRADIENTS = View(
    "How far back a loss is felt",
    Axis("lag k, in characters"),
    Axis("norm of ∂loss(t)/∂h(t−k), h of all layers together", log_base=10),
    ("lags", "norms"),
    ".3e",
)
MEMORY = View(
    "How much of its history a model uses",
    Axis("characters of history", log_base=2),
    Axis("bits per character"),
    ("histories", "bits_per_char"),
    ".4f",
)


@dataclass(frozen=True)
class Finding:
    """One model's curve, y (n,) at x (n,); `unknown` characters of the text were replaced for it."""

    model: Model
    x: NDArray[np.int64]
    y: Doubles
    unknown: int


def subject(paths: Sequence[str], corpus: str | None) -> tuple[list[Model], str]:
    """The models to inspect (no path: the one that other commands take) and the text to do it with; both are said."""
    if len(paths) > len(MARKS):
        raise InputError(f"{len(paths)} models are more than a chart can hold; give at most {len(MARKS)}")
    models = [load(path) for path in paths] or [announced_model(None)]
    for mark, model in zip(MARKS, models, strict=False):
        note(f"{mark}: {_name(model)}")
    text = held_out([corpus] if corpus else [])
    note(f"text: the last {len(text):,} characters of {corpus or 'the bundled corpus'}")
    return models, text


def show(view: View, findings: Sequence[Finding], output: Output) -> None:
    """All models' curves side by side."""
    for finding in findings:
        if finding.unknown:
            note(f"{finding.unknown:,} characters that {finding.model.path} never saw were replaced")
    chart = Chart(view.title, view.x, view.y, _lines(findings))
    if not output.is_picture:
        _print(view, findings, chart, as_json=output.as_json)
    if output.svg:
        write_picture(output.svg, chart, "svg")
    if output.png:
        write_picture(output.png, chart, "png")


def _print(view: View, findings: Sequence[Finding], chart: Chart, *, as_json: bool) -> None:
    if as_json:
        _print_json(view, findings)
    else:
        _print_table(view, findings)
        _print_chart(chart)


def _name(model: Model) -> str:
    return f"{network_name(model.config)}, {model.path}"


def network_name(config: ModelConfig) -> str:
    """The cell and its sizes: "rnn tanh 1×128"."""
    cell = f"rnn {config.nonlinearity}" if config.cell == "rnn" else config.cell
    return f"{cell} {config.layers}×{config.hidden}"


def _lines(findings: Sequence[Finding]) -> list[Line]:
    numbered = zip(MARKS, findings, strict=False)
    return [
        Line(escape_line(f"{mark}: {_name(f.model)}"), f.x.astype(np.float64), f.y) for mark, f in numbered
    ]


def _print_json(view: View, findings: Sequence[Finding]) -> None:
    x_key, y_key = view.keys
    for finding in findings:
        curve = {x_key: finding.x.tolist(), y_key: finding.y.tolist()}
        network = network_name(finding.model.config)
        print(
            json_line(
                {"model": str(finding.model.path), "network": network, **curve, "unknown": finding.unknown}
            )
        )


def _print_table(view: View, findings: Sequence[Finding]) -> None:
    """A row for each x that is 0, a power of two or the last; a column for each model, headed on a terminal only."""
    terminal = sys.stdout.isatty()
    if terminal:
        print(_aligned([view.keys[0], *MARKS[: len(findings)]]))
    xs = findings[0].x.tolist()
    for place, x in enumerate(xs):
        if x & (x - 1) == 0 or x == xs[-1]:
            cells = [str(x), *(format(finding.y[place], view.number) for finding in findings)]
            print(_aligned(cells) if terminal else "\t".join(cells))


def _print_chart(chart: Chart) -> None:
    """A picture is for eyes: only on a terminal."""
    if sys.stdout.isatty():
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        print(f"\n{line_chart(chart, width, colours=colours_in(sys.stdout))}", end="")


def _aligned(cells: Sequence[str]) -> str:
    return " ".join(f"{cell:>{_CELL}}" for cell in cells)
