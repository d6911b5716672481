"""A training run on stderr: a progress bar on a terminal, plain lines elsewhere."""

import sys
from math import log
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column, Table
from rich.text import Text

from charnn.cli.chart import sparkline
from charnn.cli.terminal import colours_in, escape, escape_line, note, short_line
from charnn.clock import clock_time
from charnn.training.events import (
    Evaluated,
    Event,
    Finished,
    Notice,
    Planned,
    Resumed,
    RunSummary,
    Sampled,
    Saved,
    Stepped,
)

READING_NOTICE = 64e6  # bytes between the lines that a long reading gets off a terminal
LINE_SECONDS = 2.0  # between the lines that training steps get there
CURVE_FROM = 60  # columns, half of those beyond which are the curve's
LONGEST_CURVE = 24
PLAN_NEWS = 0.1  # a corrected plan is told if its steps differ by more than this share


class Display(Protocol):
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def reading(self, done: int, total: int | None) -> None:
        """So many bytes of the corpus are read, of so many if that is known."""

    def show(self, event: Event) -> None: ...


def make_display(quiet: bool) -> Display:
    if quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() and colours_in(sys.stderr) else Lines()


def line_of(event: Event) -> str | None:
    """An event in one line, or None where it has none."""
    match event:
        case Notice(text):
            return text
        case Planned(step, steps, speed):
            return f"plan: {steps:,} steps" + (
                f" at {speed:,.0f} characters a second" if speed and step else ""
            )
        case Stepped():
            return (
                f"step {event.step:,}  epoch {event.epoch:.2f}  {event.nats_per_char:.4f} nats  "
                f"lr {event.lr:.2g}  {_speed(event.chars_per_second)}  {clock_time(event.seconds)}"
            )
        case Evaluated():
            return f"step {event.step:,}  validation {_loss(event.val_nats_per_char)}  {clock_time(event.seconds)}"
        case Saved(step, path, took):
            return f"step {step:,}  saved {path} in {took:.2f} s"
        case Resumed(step, path, reason):
            return f"going on from step {step:,}" + (f" ({reason})" if reason else f", {path}")
        case _:
            return None


def ending(event: Finished, command: str) -> list[str]:
    """The last lines: the best validation loss, and the command to paste."""
    best = event.best_val_nats_per_char
    loss = "no validation; the last model is kept" if best is None else f"best validation {_loss(best)}"
    return [
        f"{loss}  ({event.step:,} step{'s' * (event.step != 1)}, {clock_time(event.seconds)})",
        command,
    ]


def _loss(nats: float) -> str:
    return f"{nats:.4f} nats, {nats / log(2):.4f} bits a character"


def _speed(chars_per_second: float) -> str:
    return f"{chars_per_second:,.0f} chars/s"


class Silent:
    """--quiet: errors come another way."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def reading(self, done: int, total: int | None) -> None:
        return None

    def show(self, event: Event) -> None:
        return None


class Lines(Silent):
    """Plain lines, for pipes and terminals without colour."""

    def __init__(self) -> None:
        self._command = ""
        self._read = 0.0
        self._last_line = -LINE_SECONDS
        self._planned_steps = 0

    def reading(self, done: int, total: int | None) -> None:
        if done - self._read >= READING_NOTICE:
            self._read = done
            self._print(_reading(done, total))

    def show(self, event: Event) -> None:
        if isinstance(event, RunSummary):
            self._command = event.command
            self._table(event)
        elif isinstance(event, Sampled):
            self._sample(event)
        elif isinstance(event, Stepped) and event.seconds - self._last_line < LINE_SECONDS:
            return
        elif isinstance(event, Planned):
            self._plan(event)
        elif isinstance(event, Finished):
            for line in ending(event, self._command):
                self._print(line)
        elif (text := line_of(event)) is not None:
            self._last_line = event.seconds if isinstance(event, Stepped) else self._last_line
            self._print(text)

    def _print(self, line: str) -> None:
        note(line)

    def _plan(self, event: Planned) -> None:
        """Each evaluation corrects the plan, mostly by little."""
        if abs(event.steps - self._planned_steps) > PLAN_NEWS * self._planned_steps:
            self._planned_steps = event.steps
            self._print(str(line_of(event)))

    def _table(self, event: RunSummary) -> None:
        for name, value in event.rows:
            self._print(short_line(f"{name:>12}  {value}"))

    def _sample(self, event: Sampled) -> None:
        text = escape(event.text) if sys.stderr.isatty() else event.text
        print(f"--- sample at step {event.step:,}\n{text}\n---", file=sys.stderr)


class _CurveColumn(ProgressColumn):
    """The validation losses so far as a line of blocks, where there is room for it."""

    def __init__(self, console: Console) -> None:
        super().__init__(table_column=Column(no_wrap=True))
        self._console = console

    def render(self, task: Task) -> Text:
        width = min((self._console.width - CURVE_FROM) // 2, LONGEST_CURVE)
        losses = task.fields.get("losses", ())
        return Text(sparkline(losses, width) if width > 0 and len(losses) > 1 else "", style="cyan")


class _StatusColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get("status", "")))


class Bar(Lines):
    """A progress bar at the bottom of a terminal; plans, evaluations and samples scroll by above it."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            _StatusColumn(table_column=Column(no_wrap=True)),
            _CurveColumn(self._console),
            console=self._console,
            expand=True,
        )
        self._losses: list[float] = []
        self._task = self._progress.add_task("preparing", total=None, status="", losses=self._losses)
        self._steps = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.remove_task(self._task)
        self._progress.stop()

    def reading(self, done: int, total: int | None) -> None:
        status = _reading(done, total)
        self._progress.update(self._task, description="reading", completed=done, total=total, status=status)

    def show(self, event: Event) -> None:
        if isinstance(event, Planned):
            self._steps = event.steps
            self._progress.update(self._task, description="training", total=event.steps)
        if isinstance(event, Evaluated):
            self._losses.append(event.val_nats_per_char)
        if isinstance(event, Stepped):
            self._progress.update(self._task, completed=event.step, status=self._status(event))
        else:
            super().show(event)

    def _status(self, event: Stepped) -> str:
        left = (self._steps - event.step) * event.chars / max(event.step, 1) / max(event.chars_per_second, 1)
        return f"{event.nats_per_char:.4f} nats  {_speed(event.chars_per_second)}  {clock_time(left)} left"

    def _print(self, line: str) -> None:
        self._console.print(Text(escape_line(line)))

    def _table(self, event: RunSummary) -> None:
        table = Table(show_header=False, box=None)
        for name, value in event.rows:
            table.add_row(Text(name, style="bold"), Text(short_line(value)))
        self._console.print(table)

    def _sample(self, event: Sampled) -> None:
        self._console.print(Text(escape(event.text), style="italic cyan"))


def _reading(done: int, total: int | None) -> str:
    return f"reading: {done / 1e6:,.0f} MB" + (f" of {total / 1e6:,.0f} MB" if total else "")
