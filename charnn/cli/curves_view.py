"""Learning curves, shown: a table and a chart on a terminal, rows in a pipe, JSON for scripts, pictures in files."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, log
from pathlib import Path
from typing import Any

import numpy as np

from charnn.analysis.learning_curves import Curve, LearningCurves
from charnn.cli.chart import Axis, Chart, Line, coloured, line_chart
from charnn.cli.fields import escape_field
from charnn.cli.picture import Output, write_pictures
from charnn.cli.terminal import colours_in, escape_line, json_line, note
from charnn.clock import clock_time
from charnn.config import CurvesConfig
from charnn.errors import InputError
from charnn.storage.run_folder import CHECKPOINTS, newest_first

MARKS = "123456789"  # of validation losses; those of training losses, below, of the same runs
FAINT_MARKS = "abcdefghi"
_WIDEST = 100  # columns of a chart
_BEGINNING = 0.05  # of a run, whose losses may be above the chart
_FEW = 20  # values, of which all are shown
_NAMES = {"steps": "steps", "characters": "characters read", "seconds": "seconds"}
_WIDTHS = (12, 10, 9, 10, 9, 14)  # of the table's numbers
_LONGEST_END = 10  # characters


@dataclass(frozen=True)
class Panel:
    """One of the charts: of a `CurvesConfig.what`, with the curves that it shows of a run and what they are called."""

    what: str
    title: str
    y: str
    curves: tuple[
        tuple[str, str], ...
    ]  # fields of LearningCurves and their names; the last one stands in front


PANELS = {
    "loss": Panel("loss", "Loss", "nats per {}", (("train_loss", "training"), ("val_loss", "validation"))),
    "lr": Panel("lr", "Learning rate", "learning rate", (("learning_rate", ""),)),
    "speed": Panel("speed", "Speed", "characters a second", (("speed", ""),)),
}


def named_runs(names: Sequence[str]) -> list[str]:
    """The runs that are named, or the newest, which is said. Raises InputError for none, or too many."""
    if len(names) > len(MARKS):
        raise InputError(f"{len(names)} runs are more than a chart can hold; give at most {len(MARKS)}")
    if names:
        return list(names)
    newest = next((run for run in newest_first() if run.metrics.is_file()), None)
    if newest is None:
        raise InputError(f"no run under ./{CHECKPOINTS}; run `charnn train`, or name a run's folder")
    note(f"run: {newest.path} (the newest under {CHECKPOINTS})")
    return [str(newest.path)]


def show(runs: Sequence[LearningCurves], config: CurvesConfig, output: Output) -> None:
    """All runs side by side, in the form that is wanted."""
    if not output.is_picture:
        _print(runs, config, as_json=output.as_json)
    write_charts(runs, config, output)


def write_charts(runs: Sequence[LearningCurves], config: CurvesConfig, output: Output) -> None:
    """The pictures that are wanted."""
    panels = [PANELS[config.what]] if config.what else list(PANELS.values())
    charts = [chart_of(runs, config, panel) for panel in panels]
    if output.svg:
        write_pictures(output.svg, charts, "svg")
    if output.png:
        write_pictures(output.png, charts, "png")


def _print(runs: Sequence[LearningCurves], config: CurvesConfig, *, as_json: bool) -> None:
    if as_json:
        for run in runs:
            print(json_line(_value(run)))
    elif sys.stdout.isatty():
        note_legend([run.folder for run in runs])
        print(screen(runs, config, shutil.get_terminal_size().columns), end="")
    else:
        for run in runs:
            print("\t".join(_row(run)))


def note_legend(folders: Sequence[Path]) -> None:
    """Say on stderr which mark is whose."""
    for number, folder in enumerate(folders):
        note(f"{MARKS[number]} validation, {FAINT_MARKS[number]} training: {folder}")


def screen(runs: Sequence[LearningCurves], config: CurvesConfig, width: int) -> str:
    """The table and the chart for a terminal."""
    panel = PANELS[config.what or "loss"]
    colours = colours_in(sys.stdout)
    table = "".join(f"{line}\n" for line in _table(runs, colours=colours))
    chart = line_chart(chart_of(runs, config, panel), min(width, _WIDEST), colours=colours)
    return table + (f"\n{chart}" if chart else "\nno measurement yet\n")


def chart_of(runs: Sequence[LearningCurves], config: CurvesConfig, panel: Panel) -> Chart:
    """A panel's curves of all runs; those in front come last."""
    lines = [
        Line(_name(run, name), curve.over(config.x), curve.values, mark, number, is_faint)
        for place, (attribute, name) in enumerate(panel.curves, 1)
        for number, run in enumerate(runs)
        for curve in [getattr(run, attribute)]
        for is_faint in [place < len(panel.curves)]
        for mark in [(FAINT_MARKS if is_faint else MARKS)[number]]
    ]
    units = " or ".join(sorted({run.unit for run in runs}))
    most = _most(lines) if panel.what == "loss" else inf
    return Chart(panel.title, Axis(_NAMES[config.x]), Axis(panel.y.format(units), most=most), lines)


def _name(run: LearningCurves, name: str) -> str:
    return escape_line(f"{run.folder}{name and ', '}{name}")


def _most(lines: Sequence[Line]) -> float:
    """The highest loss that is shown: those of a run's beginning fall so fast that they would hide the rest."""
    highest = [line.y[_is_shown(line)].max() for line in lines if len(line.y)]
    return max(highest, default=inf)


def _is_shown(line: Line) -> Any:
    if len(line.x) < _FEW:
        return np.ones(len(line.x), bool)
    return line.x >= line.x[0] + _BEGINNING * (line.x[-1] - line.x[0])


def _table(runs: Sequence[LearningCurves], *, colours: bool) -> Iterator[str]:
    """A row a run, headed: what a person compares, in 80 columns."""
    yield _aligned("", ["best loss", "at step", "after", "steps", "time", "parameters"], "ended")
    for number, run in enumerate(runs):
        mark = f"{MARKS[number]} {FAINT_MARKS[number]}"
        best = run.best
        at_best = [f"{best.nats:.4f}", f"{best.step:,}", clock_time(best.seconds)] if best else ["–"] * 3
        cells = [*at_best, f"{run.step:,}", clock_time(run.seconds), _count(run.parameters)]
        row = _aligned(mark, cells, run.ended or "not over")
        yield row.replace(mark, coloured(mark, number), 1) if colours else row


def _aligned(first: str, cells: Sequence[str], last: str) -> str:
    aligned = (f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    return f"{first:<3}{''.join(aligned)}  {escape_line(last)[:_LONGEST_END]}"


def _count(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _row(run: LearningCurves) -> list[str]:
    """The cells of a row for scripts; what isn't known is a hyphen."""
    best = run.best
    bests = (
        [f"{best.nats:.4f}", f"{best.nats / log(2):.4f}", str(best.step), f"{best.seconds:.1f}"]
        if best
        else ["-"] * 4
    )
    course = [str(run.step), str(run.chars), f"{run.seconds:.1f}"]
    parameters = "-" if run.parameters is None else str(run.parameters)
    return [escape_field(str(run.folder)), *bests, *course, parameters, escape_field(run.ended or "-")]


def _value(run: LearningCurves) -> dict[str, Any]:
    """Everything, for scripts."""
    best = run.best
    return {
        "run": str(run.folder),
        "unit": run.unit,
        "best": best and {"nats": best.nats, "step": best.step, "chars": best.chars, "seconds": best.seconds},
        "step": run.step,
        "planned_steps": run.planned_steps,
        "chars": run.chars,
        "seconds": run.seconds,
        "parameters": run.parameters,
        "ended": run.ended,
        "train": {
            **_places(run.train_loss),
            "nats": run.train_loss.values.tolist(),
            "lr": run.learning_rate.values.tolist(),
            "chars_per_second": run.speed.values.tolist(),
        },
        "validation": {**_places(run.val_loss), "nats": run.val_loss.values.tolist()},
    }


def _places(curve: Curve) -> dict[str, list[float]]:
    whole = {"steps": curve.steps, "chars": curve.characters}
    return {
        **{name: values.astype(np.int64).tolist() for name, values in whole.items()},
        "seconds": curve.seconds.tolist(),
    }
