"""Runs that are still going, watched: a terminal's chart is drawn again, a pipe gets a line for each evaluation."""

import sys
import time
from collections.abc import Callable, Sequence
from math import log

from charnn.analysis.learning_curves import CurveReader, LearningCurves
from charnn.cli.curves_view import note_legend, screen, write_charts
from charnn.cli.fields import escape_field
from charnn.cli.picture import Output
from charnn.cli.terminal import json_line
from charnn.config import CurvesConfig
from charnn.errors import InputError

POLL_SECONDS = 0.5

Show = Callable[[Sequence[LearningCurves]], None]


def follow_runs(readers: Sequence[CurveReader], config: CurvesConfig, output: Output) -> None:
    """Show the runs until each is over, and draw the pictures then. Raises InputError for pictures on stdout."""
    if output.is_picture:
        raise InputError(
            "--follow writes to standard output as the runs go on; give --svg and --png files' names"
        )
    is_drawn = sys.stdout.isatty() and not output.as_json
    if is_drawn:
        note_legend([reader.folder.path for reader in readers])
        with _Screen(config) as show:
            runs = _watched(readers, show)
    else:
        runs = _watched(readers, _Evaluations(output.as_json))
    write_charts(runs, config, output)


def _watched(readers: Sequence[CurveReader], show: Show) -> list[LearningCurves]:
    """Show the runs whenever they have changed, until all are over; they are as they are then."""
    before = None
    while True:
        runs = [reader.read() for reader in readers]
        if runs != before:
            show(runs)
        if all(run.ended for run in runs):
            return runs
        before = runs
        time.sleep(POLL_SECONDS)


class _Evaluations:
    """A line for each evaluation that wasn't there before."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._shown: dict[int, float] = {}  # the last step of each run

    def __call__(self, runs: Sequence[LearningCurves]) -> None:
        for number, run in enumerate(runs):
            curve = run.val_loss
            # of a run that went back, what it does again is told again
            last = min(self._shown.get(number, -1.0), float(run.step))
            for place in (curve.steps > last).nonzero()[0]:
                numbers = (curve.steps, curve.characters, curve.seconds, curve.values)
                step, chars, seconds, nats = (float(values[place]) for values in numbers)
                print(self._line(str(run.folder), int(step), int(chars), seconds, nats), flush=True)
                last = step
            self._shown[number] = last

    def _line(self, run: str, step: int, chars: int, seconds: float, nats: float) -> str:
        if self._as_json:
            return json_line({"run": run, "step": step, "chars": chars, "seconds": seconds, "val_nats": nats})
        cells = (
            escape_field(run),
            str(step),
            str(chars),
            f"{seconds:.1f}",
            f"{nats:.4f}",
            f"{nats / log(2):.4f}",
        )
        return "\t".join(cells)


class _Screen:
    """The table and the chart, drawn over what was drawn before."""

    def __init__(self, config: CurvesConfig) -> None:
        from rich.console import Console
        from rich.live import Live

        self._config = config
        self._console = Console(markup=False, emoji=False, highlight=False)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            vertical_overflow="crop",
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Show:
        self._live.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _show(self, runs: Sequence[LearningCurves]) -> None:
        from rich.text import Text

        drawn = screen(runs, self._config, self._console.width)
        self._live.update(Text.from_ansi(drawn, no_wrap=True, overflow="ignore"), refresh=True)
