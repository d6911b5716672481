"""Training in a notebook: a progress bar and the losses so far below the cell, drawn again in place as the run goes on.

Plain HTML and SVG, which every front end of Jupyter shows; nothing is installed for it and nothing runs in the page.
"""

import sys
import time
import unicodedata
from collections.abc import Sequence
from html import escape
from importlib import import_module
from math import inf, log
from typing import Any

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
    Started,
    Stepped,
)

REDRAWN_SECONDS = 0.5  # between two drawings that only steps ask for
_WIDTH, _HEIGHT, _MARGIN = 600, 150, 48  # of the chart, in its own units
_BEGINNING = 0.05  # of the steps, whose losses may be above the chart
_MOST_POINTS = 2000  # of a line

_Points = list[tuple[int, float]]


def notebook_display() -> "NotebookDisplay | None":
    """What shows a run below the cell that trains it; None where this isn't a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return NotebookDisplay() if getattr(shell, "kernel", None) is not None else None


class NotebookDisplay:
    """Shows a run's events. It is its own HTML, of which IPython makes the cell's output."""

    def __init__(self) -> None:
        self._rows: Sequence[tuple[str, str]] = ()
        self._planned: int | None = None
        self._step = 0
        self._status = "preparing"
        self._sample = ""
        self._notices: list[str] = []
        self._train: _Points = []
        self._val: _Points = []
        self._unit = "character"
        self._is_over = False
        self._handle: Any = None
        self._drawn = -inf

    def reading(self, done: int, total: int | None) -> None:
        """So many bytes of the corpus are read, of so many if that is known."""
        self._status = f"reading: {done / 1e6:,.0f} MB" + (f" of {total / 1e6:,.0f} MB" if total else "")
        self._draw(now=False)

    def show(self, event: Event) -> None:
        """Take up what happened, and draw it."""
        self._take(event)
        self._draw(now=not isinstance(event, Stepped))

    def close(self) -> None:
        """The run is over, or was interrupted."""
        if self._handle is not None and not self._is_over:
            self._status = f"stopped at step {self._step:,}"
            self._draw(now=True)

    def _take(self, event: Event) -> None:
        match event:
            case RunSummary():
                self._rows = event.rows
            case Started():
                self._unit = "character" if event.documents_kind == "none" else "symbol"
            case Planned():
                self._planned = event.steps
            case Stepped():
                self._step = event.step
                self._train.append((event.step, event.nats_per_char))
                self._status = self._progress(event)
            case Evaluated():
                self._val.append((event.step, event.val_nats_per_char))
            case Resumed(step, _, reason):
                self._step = step
                self._train, self._val = (
                    [p for p in points if p[0] <= step] for points in (self._train, self._val)
                )
                self._notices += [f"going on from step {step:,}: {reason}"] if reason else []
            case Sampled():
                self._sample = event.text
            case Notice():
                self._notices.append(event.text)
            case Finished():
                self._is_over, self._step = True, event.step
                self._status = f"{event.step:,} steps in {clock_time(event.seconds)}"

    def _progress(self, event: Stepped) -> str:
        speed = f"{event.chars_per_second:,.0f} characters a second"
        if self._planned is None:
            return f"step {event.step:,} · {speed}"
        left = (
            (self._planned - event.step) * event.chars / max(event.step, 1) / max(event.chars_per_second, 1)
        )
        return f"step {event.step:,} of {self._planned:,} · {speed} · {clock_time(left)} left"

    def _draw(self, *, now: bool) -> None:
        if not now and time.monotonic() - self._drawn < REDRAWN_SECONDS:
            return
        self._drawn = time.monotonic()
        if self._handle is None:
            self._handle = import_module("IPython.display").display(self, display_id=True)
        else:
            self._handle.update(self)

    def __repr__(self) -> str:
        """For a front end without HTML."""
        return " · ".join([*self._losses(), self._status])

    def _repr_html_(self) -> str:
        most = f' max="{self._planned}" value="{self._step}"' if self._planned else ""
        plan = "".join(
            f"<tr><th>{_safe(name)}</th><td>{_safe(value)}</td></tr>" for name, value in self._rows
        )
        parts = [
            f'<progress aria-label="training"{most} style="width: 100%"></progress>',
            f"<div>{_safe(repr(self))}</div>",
            _chart(self._train, self._val, self._unit),
            *(f"<div>{_safe(notice)}</div>" for notice in self._notices),
            f'<pre style="white-space: pre-wrap">{_safe(self._sample)}</pre>' if self._sample else "",
            f"<details><summary>the plan</summary><table>{plan}</table></details>" if plan else "",
        ]
        return f'<div style="max-width: {_WIDTH}px">{"".join(parts)}</div>'

    def _losses(self) -> list[str]:
        train = [f"training {self._train[-1][1]:.4f} nats"] if self._train and not self._is_over else []
        if not self._val:
            return train
        step, best = min(self._val, key=lambda point: point[1])
        return [
            *train,
            f"best validation {best:.4f} nats, {best / log(2):.4f} bits a {self._unit}, at step {step:,}",
        ]


def _chart(train: _Points, val: _Points, unit: str) -> str:
    """The losses over the steps as SVG; nothing before there are two of a kind."""
    last = max((points[-1][0] for points in (train, val) if points), default=0)
    shown = [
        [point for point in points if point[0] >= _BEGINNING * last or len(points) < 1 / _BEGINNING]
        for points in (train, val)
    ]
    if max(map(len, shown)) < 2:
        return ""
    losses = [loss for points in shown for _, loss in points]
    low, high = min(losses), max(losses)
    lines = "".join(
        _line(points, last, low, high, style)
        for points, style in zip(
            shown, ("currentColor; opacity: .35", "#1f77b4; stroke-width: 2"), strict=True
        )
    )
    right, bottom = _WIDTH - 8, _HEIGHT - 18
    text = 'font-size="12" fill="currentColor"'
    return (
        f'<svg role="img" aria-label="training and validation loss over {last:,} steps" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" style="width: 100%">'
        f'<path d="M{_MARGIN} 4V{bottom}H{right}" fill="none" stroke="currentColor" opacity=".4"/>{lines}'
        f'<text x="{_MARGIN - 6}" y="14" text-anchor="end" {text}>{high:.3f}</text>'
        f'<text x="{_MARGIN - 6}" y="{bottom}" text-anchor="end" {text}>{low:.3f}</text>'
        f'<text x="{_MARGIN}" y="{_HEIGHT - 4}" {text}>nats per {unit}: grey training, blue validation</text>'
        f'<text x="{right}" y="{_HEIGHT - 4}" text-anchor="end" {text}>step {last:,}</text></svg>'
    )


def _line(points: _Points, last: int, low: float, high: float, style: str) -> str:
    right, bottom = _WIDTH - 8, _HEIGHT - 18
    every = len(points) // _MOST_POINTS + 1
    kept = points[:-1][::every] + points[-1:]
    places = " ".join(
        f"{_MARGIN + (right - _MARGIN) * step / max(last, 1):.1f},"
        f"{bottom - (bottom - 4) * (loss - low) / ((high - low) or 1):.1f}"
        for step, loss in kept
    )
    return f'<polyline points="{places}" style="fill: none; stroke: {style}"/>'


def _safe(text: str) -> str:
    """Text as HTML shows it; control characters and those that turn the direction are escaped, newlines stand."""
    shown = "".join(ascii(one)[1:-1] if one != "\n" and _is_control(one) else one for one in text)
    return escape(shown)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
