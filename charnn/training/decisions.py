"""Every decision of a run that hangs on a clock, a signal, a measured speed or a loss: plans, saves, samples, stops.

Nothing else in training polls any of them, so that processes which train one network together can share what is decided
here: rank 0 decides and the others follow, whatever their own clocks and signals say. What follows from the plan and
the number of steps alone, as when to evaluate, is decided by the loop.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from charnn.storage.train_state import Plan, TrainState
from charnn.training.planner import Planner
from charnn.training.schedule import progress
from charnn.training.trainer import Trainer

MAX_SAVE_SHARE = 0.02  # of the run, by default

T = TypeVar("T")

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass
class Interval:
    """Every `steps` steps or every `seconds` seconds, from where it was restarted; never when both are None."""

    steps: int | None = None
    seconds: float | None = None
    _last_step: int = field(default=0, init=False)
    _last_seconds: float = field(default=0.0, init=False)

    @staticmethod
    def parse(text: str) -> "Interval":
        """`10m`, `30s`, `2h`, `500` (steps), `0` (never): what has the form of `charnn.config.INTERVAL`."""
        text = text.strip()
        if text[-1] in _UNITS:
            return Interval(seconds=float(text[:-1]) * _UNITS[text[-1]] or None)
        return Interval(steps=int(text) or None)

    def is_due(self, step: int, seconds: float) -> bool:
        """At `step`, and `seconds` on any clock that runs on."""
        if self.steps is not None:
            return step - self._last_step >= self.steps
        return self.seconds is not None and seconds - self._last_seconds >= self.seconds

    def restart(self, step: int, seconds: float) -> None:
        self._last_step, self._last_seconds = step, seconds


class Share(Protocol):
    """This process's decision → the one that all processes follow. Called equally often, in one order, in all."""

    def __call__(self, decision: T, /) -> T: ...


def unshared(decision: T, /) -> T:
    """For a process that trains alone."""
    return decision


@dataclass(frozen=True)
class Due:
    """What is done before the next step: end because of the signal of this number, save, show a sample."""

    signal_number: int | None
    save: bool
    sample: bool


class Decisions:
    """Those of one run, from `begin` on; they are told what was done and what it took.

    Saves come less often than `save_interval` asks where `save_sparingly` is true and a save takes long.
    """

    def __init__(
        self,
        planner: Planner,
        save_interval: Interval,
        sample_interval: Interval,
        pending_signal: Callable[[], int | None],
        *,
        save_sparingly: bool = True,
        share: Share = unshared,
    ) -> None:
        self._planner, self._clock = planner, planner.clock
        self._save_interval, self._sample_interval = save_interval, sample_interval
        self._pending_signal = pending_signal
        self._save_sparingly = save_sparingly
        self._share = share

    def begin(self, step: int) -> None:
        """Intervals and measurements begin at `step`."""
        for interval in (self._save_interval, self._sample_interval):
            interval.restart(step, self.seconds())
        if step:  # a new run measures from where its first steps are over
            self._planner.restart_measuring(step)

    # What is decided

    def first_plan(self, train_state: TrainState) -> Plan | None:
        """The plan of a run that has none, as soon as it can be made."""
        return self._share(self._planner.first_plan(train_state.step))

    def corrected_plan(self, train_state: TrainState) -> Plan | None:
        """A new plan after an evaluation, or None where the plan there is stands."""
        plan, step = _plan_of(train_state), train_state.step
        corrected = self._planner.corrected(plan, step, progress(train_state.plans, step))
        return self._share(None if corrected is plan else corrected)

    def extended_plan(self, train_state: TrainState) -> Plan:
        """The plan of a resumed run whose budget grew."""
        return self._share(self._planner.extended(_plan_of(train_state), train_state.step))

    def due(self, step: int) -> Due:
        """What is done before the step after `step` steps."""
        seconds = self.seconds()
        save, sample = (i.is_due(step, seconds) for i in (self._save_interval, self._sample_interval))
        return self._share(Due(self._pending_signal(), save, sample))

    def is_interrupted(self) -> bool:
        """Whether a signal asked the run to end, as far as this process knows: an evaluation is not worth finishing."""
        return self._pending_signal() is not None

    def signal(self) -> int | None:
        """The number of the signal that asked the run to end, if one did."""
        return self._share(self._pending_signal())

    def is_healthy(self, trainer: Trainer) -> bool:
        """Whether the network learns; it has to go back to its last checkpoint otherwise."""
        return self._share(trainer.is_healthy)

    def is_out_of_patience(self, train_state: TrainState) -> bool:
        """Whether so many evaluations as `--patience` allows were no better than the best."""
        return self._planner.budget.ends_early(train_state.not_better)

    def reason(self, train_state: TrainState) -> str:
        """Which bound of the budget ended the run, or that its patience did."""
        plan = _plan_of(train_state)
        return "patience" if train_state.step < plan.steps else self._planner.reason(plan)

    # What is measured

    def seconds(self) -> float:
        """On the run's clock."""
        return self._clock.seconds()

    def recent_speed(self, chars: int) -> float:
        """Characters a second since the last call."""
        return self._planner.recent_speed(chars, self.seconds())

    def stepped(self, step: int) -> None:
        self._planner.stepped(step)

    def evaluated(self, seconds: float) -> None:
        self._planner.evaluated(seconds)

    def saved(self, step: int, seconds: float) -> None:
        self._planner.saved(seconds)
        interval = self._save_interval
        if self._save_sparingly and interval.seconds is not None:
            interval.seconds = max(interval.seconds, seconds / MAX_SAVE_SHARE)
        interval.restart(step, self.seconds())

    def sampled(self, step: int) -> None:
        self._sample_interval.restart(step, self.seconds())

    def went_back(self, step: int) -> None:
        """To a checkpoint, after a divergence."""
        self._planner.restart_measuring(step)


def _plan_of(train_state: TrainState) -> Plan:
    assert train_state.plan is not None
    return train_state.plan
