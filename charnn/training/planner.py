"""From a budget and a clock to plans: how many steps the run takes, when it evaluates.

A budget in steps or epochs gives one plan before the first step, from the corpus and the options alone. A budget in
minutes gives its first plan once the speed has been measured, and a corrected one at each evaluation.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil, inf
from typing import Any

from charnn.config import Budget, TrainConfig
from charnn.storage.train_state import Plan
from charnn.training.task import Task

MEASURED_STEPS = 20  # at least, before the first plan of a timed run
MEASURED_SHARE = 0.03  # of the budget, at most 3 seconds
SETTLING_STEPS = 5  # not measured: the first steps allocate and compile
EVAL_SHARE = 1 / 24  # of a stretch's time may go to the evaluation that ends it, but
FINAL_EVAL_SHARE = 1 / 4  # towards the end, where each one corrects the plan
EVALS_WANTED = 10
TRAIN_EVENTS = 200  # a run, about
EVAL_COST = 0.25  # of a training character's time, until measured
MARGIN = 0.4  # seconds kept for leaving, and
MARGIN_SHARE = 0.004  # of the budget


class Clock:
    """Seconds of the run: since `started` on `now`'s scale, and `spent` before that."""

    def __init__(self, started: float, spent: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._origin = started - spent
        self._now = now

    def seconds(self) -> float:
        return self._now() - self._origin


@dataclass
class Planner:
    """`deadline` is in the clock's seconds; None for a budget without minutes."""

    budget: Budget
    batches_per_epoch: int
    chars_per_step: float
    val_chars: int
    clock: Clock
    deadline: float | None = None
    save_seconds: float = 0.1  # a guess, until measured
    sync_every: int = 1  # what events fall on multiples of
    eval_seconds: float | None = field(default=None, init=False)
    _since: tuple[int, float] | None = field(default=None, init=False)
    _paused: float = field(default=0.0, init=False)
    _reported: tuple[int, float] | None = field(default=None, init=False)

    @property
    def last_step(self) -> float:
        """The bound that steps and epochs set; infinite when only minutes do."""
        epochs = inf if self.budget.epochs is None else ceil(self.budget.epochs * self.batches_per_epoch)
        return min(inf if self.budget.steps is None else self.budget.steps, epochs)

    def reason(self, plan: Plan) -> str:
        """Which bound ended the run: `steps`, `epochs` or `minutes`."""
        if plan.steps < self.last_step:
            return "minutes"
        return "steps" if self.budget.steps == plan.steps else "epochs"

    def first_plan(self, step: int) -> Plan | None:
        """The plan, as soon as it can be made: at once without minutes, else when the speed is known."""
        if self.deadline is None:
            return self._untimed_plan(step)
        if self._since is None or not self._measured_enough(step):
            return None
        return self._timed_plan(step, 0.0, None)

    def can_plan(self, step: int) -> bool:
        """Whether `first_plan` of a timed run would make one."""
        return self._since is not None and self._measured_enough(step)

    def corrected(self, plan: Plan, step: int, progress: float) -> Plan:
        """The plan after an evaluation at `step`; a plan without minutes stands."""
        return plan if self.deadline is None else self._timed_plan(step, progress, plan)

    def extended(self, plan: Plan, step: int) -> Plan:
        """The plan of a resumed run whose budget grew: the schedule goes on as if it had been planned so long."""
        new = self._untimed_plan(step) if self.deadline is None else self._timed_plan(step, 0.0, plan)
        return replace(new, progress=min(step / max(new.steps, 1), 1.0))

    def stepped(self, step: int) -> None:
        """Note that `step` is done; measuring starts when the first steps are over."""
        if self._since is None and step >= SETTLING_STEPS:
            self._since = (step, self.clock.seconds())

    def recent_speed(self, chars: int, seconds: float) -> float:
        """Characters a second since the last call (since the process's start, at the first)."""
        before, self._reported = self._reported or (0, 0.0), (chars, seconds)
        return max(chars - before[0], 0) / max(seconds - before[1], 1e-9)

    def evaluated(self, seconds: float) -> None:
        self.eval_seconds = seconds
        self._paused += seconds

    def saved(self, seconds: float) -> None:
        self.save_seconds = seconds

    def restart_measuring(self, step: int) -> None:
        self._since, self._paused = (step, self.clock.seconds()), 0.0

    def _measured_enough(self, step: int) -> bool:
        assert self._since is not None and self.budget.minutes is not None
        steps, seconds = step - self._since[0], self.clock.seconds() - self._since[1]
        enough = min(MEASURED_SHARE * 60 * self.budget.minutes, 3.0)
        left = (self.deadline or inf) - self.clock.seconds()
        return steps > 0 and ((steps >= MEASURED_STEPS and seconds >= enough) or seconds > left / 4)

    def _seconds_per_step(self, step: int, plan: Plan | None) -> float:
        """Measured since the last plan, all but the evaluations; the last plan's figure when nothing was."""
        if self._since is not None and step > self._since[0]:
            return max(self.clock.seconds() - self._since[1] - self._paused, 1e-9) / (step - self._since[0])
        assert plan is not None and plan.chars_per_second is not None
        return self.chars_per_step / plan.chars_per_second

    def _untimed_plan(self, step: int) -> Plan:
        steps = int(self.last_step)
        return self._plan(step, steps, 0.0, self._untimed_eval_every(steps), None)

    def _timed_plan(self, step: int, progress: float, plan: Plan | None) -> Plan:
        assert self.deadline is not None and self.budget.minutes is not None
        per_step = self._seconds_per_step(step, plan)
        eval_cost = self.eval_seconds
        if eval_cost is None:
            eval_cost = self.val_chars * EVAL_COST * per_step / self.chars_per_step
        margin = MARGIN + MARGIN_SHARE * 60 * self.budget.minutes + self.save_seconds
        left = self.deadline - self.clock.seconds() - margin
        stretch, evals = next_stretch(left, 60 * self.budget.minutes, eval_cost)
        steps = step + max(int((left - evals * eval_cost) / per_step), 0)
        if step == 0 or (plan is None and steps == step):
            steps += 1
        self.restart_measuring(step)
        steps = int(min(steps, self.last_step))
        return self._plan(
            step, steps, progress, int(stretch / per_step), plan, self.chars_per_step / per_step
        )

    def _plan(
        self,
        step: int,
        steps: int,
        progress: float,
        eval_every: int,
        old: Plan | None,
        speed: float | None = None,
    ) -> Plan:
        log_every = old.log_every if old else self._multiple((steps - step) // TRAIN_EVENTS)
        return Plan(step, steps, progress, self._multiple(eval_every), log_every, speed)

    def _multiple(self, steps: int) -> int:
        """So many steps, one at least, or more, so that processes that step apart have come together."""
        return self.sync_every * max(1, -(-steps // self.sync_every))

    def _untimed_eval_every(self, steps: int) -> int:
        """A tenth of the run, or as far apart as keeps the evaluations' share of the work small."""
        cost_in_steps = self.val_chars * EVAL_COST / self.chars_per_step
        return ceil(max(steps / EVALS_WANTED, cost_in_steps / EVAL_SHARE, 1))


def planner_for(
    task: Task[Any], config: TrainConfig, clock: Clock, deadline: float | None, save_seconds: float = 0.1
) -> Planner:
    """The planner of a run."""
    return Planner(
        config.budget,
        batches_per_epoch=task.batches_per_epoch,
        chars_per_step=task.symbols_per_batch,
        val_chars=task.val_symbols,
        clock=clock,
        deadline=deadline,
        save_seconds=save_seconds,
        sync_every=config.optim.sync_every,
    )


def next_stretch(left: float, budget: float, eval_cost: float) -> tuple[float, int]:
    """Training seconds up to the next evaluation, and the number of evaluations in the seconds `left`.

    Stretches halve towards the end, so that what a machine's speed does after the last correction matters little, but
    are never so short that evaluating would cost more than its share.
    """
    first, evals = None, 0
    regular = max(budget / EVALS_WANTED, eval_cost / EVAL_SHARE)
    while True:
        stretch = max(min(left / 2, regular), eval_cost / FINAL_EVAL_SHARE, 1e-3)
        is_last = left - stretch - eval_cost < stretch / 2
        stretch = max(left - eval_cost, 0.0) if is_last else stretch
        first = stretch if first is None else first
        evals += 1
        if is_last or evals > 1000:
            return first, evals
        left -= stretch + eval_cost
