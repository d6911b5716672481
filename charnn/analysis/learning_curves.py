"""How a run's losses, learning rate and speed went, from its metrics.jsonl. No torch."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from charnn.errors import InputError
from charnn.inference.softmax import Doubles
from charnn.inference.values import ArrayValue
from charnn.storage.metrics_tail import MetricsTail
from charnn.storage.model_file import MODEL_FILE
from charnn.storage.run_folder import METRICS, RunFolder

X = Literal["steps", "characters", "seconds"]
Unit = Literal["character", "symbol"]

MAX_VALUE = 1e18  # no step, time or loss of a run is larger
_PLACE = ("step", "chars", "seconds")
_MEASURED = {
    "train": ("nats_per_char", "lr", "chars_per_second"),
    "eval": ("val_nats_per_char",),
}


@dataclass(frozen=True, eq=False)
class Curve(ArrayValue):
    """`values` (n,) measured after so many `steps`, `characters` read and `seconds` of the run, each (n,) ascending.

    Seconds count from the start of the process; those of a resumed run are added to what was spent before.
    """

    steps: Doubles
    characters: Doubles
    seconds: Doubles
    values: Doubles

    def over(self, x: X) -> Doubles:
        """The x (n,) of the values, by the name of what they stand against."""
        return {"steps": self.steps, "characters": self.characters, "seconds": self.seconds}[x]


@dataclass(frozen=True)
class Best:
    """The least validation loss, and where it was measured."""

    nats: float
    step: int
    chars: int
    seconds: float


@dataclass(frozen=True, eq=False)
class LearningCurves(ArrayValue):
    """A run's course. Losses in nats per `unit`: a symbol is a character, the end of a document, a part of a pair.

    `speed` is in characters a second. `best` is None before the first evaluation and without validation; `ended` is
    why the run is over (`minutes`, `steps`, …), None while it isn't; `parameters` is None where its start says nothing
    sane.
    """

    folder: Path
    train_loss: Curve
    val_loss: Curve
    learning_rate: Curve
    speed: Curve
    best: Best | None
    step: int
    chars: int
    seconds: float
    planned_steps: int | None
    parameters: int | None
    unit: Unit
    ended: str | None


def learning_curves(run: str | Path) -> LearningCurves:
    """The curves of the run in a folder, from its metrics.jsonl; interrupted and resumed, it is one run.

    Raises InputError where there is no run, or what no run of charnn's writes; CharnnError where it can't be read.
    """
    return CurveReader(run).read()


class CurveReader:
    """Reads a run's curves, and again as it goes on: then only what was written since."""

    def __init__(self, run: str | Path) -> None:
        path = Path(run)
        folder = path.parent if path.name in (METRICS, MODEL_FILE) else path
        self.folder = RunFolder(folder)
        self._tail = MetricsTail(self.folder.metrics)
        self._course = _Course()
        self._curves: LearningCurves | None = None

    def read(self) -> LearningCurves:
        """The curves as they are now; a run that is being replaced, as it was. Raises as `learning_curves`."""
        for record in self._tail.records(self._forget):
            self._course.add(record)
        if self._course.has_begun:
            self._curves = self._course.curves(self.folder.path)
        if self._curves is None:
            raise InputError(
                f"{self.folder.path} holds no run: no {METRICS} of charnn's is in it; name a run's folder"
            )
        return self._curves

    def _forget(self) -> None:
        self._course = _Course()


@dataclass
class _Points:
    """Rows of numbers, each of a later step than the one before."""

    width: int
    numbers: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, row: list[float]) -> None:
        """A row of a step that isn't later takes the place of those from there on: they were undone."""
        while self.numbers and self.numbers[-self.width] >= row[0]:
            del self.numbers[-self.width :]
        self.numbers.extend(row)

    def curves(self) -> list[Curve]:
        columns = np.array(self.numbers).reshape(-1, self.width).T
        steps, characters, seconds = np.maximum.accumulate(columns[: len(_PLACE)], axis=1)
        return [Curve(steps, characters, seconds, values) for values in columns[len(_PLACE) :]]


class _Course:
    """What the records of a run say so far. It may be a stranger's: those without sane numbers are passed over."""

    def __init__(self) -> None:
        self.has_begun = False
        self._points = {event: _Points(len(_PLACE) + len(names)) for event, names in _MEASURED.items()}
        self._start: Mapping[str, Any] = {}
        self._planned: int | None = None
        self._ended: str | None = None
        self._seconds = 0.0

    def add(self, record: Mapping[str, Any]) -> None:
        event = str(record.get("event"))
        self.has_begun = self.has_begun or event in ("start", *_MEASURED)
        if event in _MEASURED:
            row = [_number(record.get(name)) for name in (*_PLACE, *_MEASURED[event])]
            if None not in row:
                self._points[event].add([number for number in row if number is not None])
        elif event == "start":
            self._start = {name: record.get(name) for name in ("parameters", "documents_kind")}
        elif event == "plan":
            self._planned = _whole(record.get("steps"))
        elif event == "finish":
            self._ended, self._seconds = str(record.get("reason")), _number(record.get("seconds")) or 0.0

    def curves(self, folder: Path) -> LearningCurves:
        train_loss, learning_rate, speed = self._points["train"].curves()
        (val_loss,) = self._points["eval"].curves()
        return LearningCurves(
            folder,
            train_loss,
            val_loss,
            learning_rate,
            speed,
            _best(val_loss),
            *_last(train_loss, val_loss, self._seconds),
            planned_steps=self._planned,
            parameters=_whole(self._start.get("parameters")),
            unit="character" if self._start.get("documents_kind") in ("none", None) else "symbol",
            ended=self._ended,
        )


def _best(losses: Curve) -> Best | None:
    if not len(losses.values):
        return None
    place = int(losses.values.argmin())
    step, chars, seconds = losses.steps[place], losses.characters[place], losses.seconds[place]
    return Best(float(losses.values[place]), int(step), int(chars), float(seconds))


def _last(one: Curve, other: Curve, seconds: float) -> tuple[int, int, float]:
    """The step, characters and seconds that a run has come to, as far as its lines say."""
    ends = [curve for curve in (one, other) if len(curve.steps)]
    step, chars, spent = (
        max((float(getattr(curve, name)[-1]) for curve in ends), default=0.0)
        for name in ("steps", "characters", "seconds")
    )
    return int(step), int(chars), max(spent, seconds)


def _number(value: object) -> float | None:
    """A number that a run may have written."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_VALUE:
        return float(value)
    return None


def _whole(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= MAX_VALUE else None
