"""The loop: steps, evaluations, saves, plans, until the budget is spent. It yields events and knows no screen."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

from charnn.errors import DivergedError, InterruptedRunError
from charnn.storage.states import StateStore
from charnn.training.cadence import Cadence
from charnn.training.events import Evaluated, Event, Finished, Planned, Resumed, Sampled, Saved, Stepped
from charnn.training.planner import Planner
from charnn.training.schedule import Plan, progress
from charnn.training.stored import restore
from charnn.training.trainer import Course, Trainer

MAX_ROLLBACKS = 3
ROLLBACK_LR = 0.5
MAX_SAVE_SHARE = 0.02  # of the run, by default


class Surroundings(Protocol):
    """What the loop asks of whoever runs it."""

    def new_trainer(self) -> Trainer: ...
    def write_model(self, trainer: Trainer) -> None: ...
    def sample(self, trainer: Trainer) -> str: ...
    def identity(self) -> dict[str, Any]:
        """What a state must say besides the course: corpus hash, configuration, versions."""

    def pending_signal(self) -> int | None:
        """The number of the signal that asked the run to end, if one did."""


@dataclass
class Loop:
    """One run from where `trainer` stands to the end of its budget."""

    trainer: Trainer
    planner: Planner
    store: StateStore
    around: Surroundings
    save_cadence: Cadence
    sample_cadence: Cadence
    save_sparingly: bool = True

    def events(self) -> Iterator[Event]:
        """Raises InterruptedRunError after a signal and its save, DivergedError after too many rollbacks."""
        while True:
            yield from self._plan_if_ready()
            if self._is_evaluation_due():
                yield from self._evaluate()
            if self._is_over():
                break
            yield from self._heed_signal()
            yield from self._save_and_sample_if_due()
            self.trainer.step()
            self.planner.stepped(self.course.step)
            yield from self._report_if_due()
        yield from self._finish()

    @property
    def course(self) -> Course:
        return self.trainer.course

    def _plan_if_ready(self) -> Iterator[Event]:
        if self.course.plan is None and (plan := self.planner.first_plan(self.course.step)):
            yield self._adopt(plan)

    def _adopt(self, plan: Plan) -> Planned:
        self.course.plans.append(plan)
        return Planned(plan.step, plan.steps, plan.chars_per_second)

    def _is_over(self) -> bool:
        plan = self.course.plan
        return plan is not None and self.course.step >= plan.steps

    def _is_evaluation_due(self) -> bool:
        plan, step = self.course.plan, self.course.step
        if plan is None or step <= self.course.evaluated:
            return False
        return self._is_over() or (step > plan.step and (step - plan.step) % plan.eval_every == 0)

    def _report_if_due(self) -> Iterator[Event]:
        plan, step = self.course.plan, self.course.step
        if plan is None or not (step % plan.log_every == 0 or self._is_over()):
            return
        if not self.trainer.is_healthy:
            yield from self._roll_back()
            return
        loss, norm = self.trainer.averages()
        seconds = self.planner.clock.seconds()
        speed = self.planner.recent_speed(self.course.chars, seconds)
        lr, epoch, chars = self.trainer.lr, self.trainer.epoch, self.course.chars
        self.trainer.restart_averages()
        yield Stepped(step, epoch, chars, seconds, loss, lr, norm, speed)

    def _evaluate(self) -> Iterator[Event]:
        if not self.trainer.is_healthy:
            yield from self._roll_back()
            return
        start = time.monotonic()
        loss = self.trainer.evaluate(lambda: self.around.pending_signal() is not None)
        yield from self._heed_signal()
        if loss is not None and not isfinite(loss):
            yield from self._roll_back()
            return
        course = self.course
        course.evaluated = course.step
        self.planner.evaluated(time.monotonic() - start)
        if loss is not None:
            seconds = self.planner.clock.seconds()
            yield Evaluated(course.step, self.trainer.epoch, course.chars, seconds, loss)
        self._keep_if_best(loss)
        assert course.plan is not None
        plan = self.planner.corrected(course.plan, course.step, progress(course.plans, course.step))
        if plan is not course.plan:
            yield self._adopt(plan)

    def _keep_if_best(self, loss: float | None) -> None:
        """Without validation the last model counts as best."""
        if loss is not None:
            if self.course.best is not None and loss >= self.course.best:
                return
            self.course.best = loss
        self.around.write_model(self.trainer)

    def _heed_signal(self) -> Iterator[Event]:
        signal_number = self.around.pending_signal()
        if signal_number is not None:
            if self.trainer.is_healthy:
                yield self._save()
            raise InterruptedRunError("interrupted", signal_number)

    def _save_and_sample_if_due(self) -> Iterator[Event]:
        step = self.course.step
        if self.save_cadence.is_due(step):
            if not self.trainer.is_healthy:
                yield from self._roll_back()
                return
            yield self._save()
        if self.sample_cadence.is_due(step):
            self.sample_cadence.restart(step)
            yield Sampled(step, self.around.sample(self.trainer))

    def _save(self) -> Saved:
        """Store a whole state; and a model too, as long as no evaluation has chosen one."""
        start = time.monotonic()
        course = self.course
        values = {
            "course": course.to_json(),
            "seconds": self.planner.clock.seconds(),
            **self.around.identity(),
        }
        path = self.store.save(course.step, self.trainer.tensors(), values)
        if course.best is None:
            self.around.write_model(self.trainer)
        took = time.monotonic() - start
        self.planner.saved(took)
        if self.save_sparingly and self.save_cadence.seconds is not None:
            self.save_cadence.seconds = max(self.save_cadence.seconds, took / MAX_SAVE_SHARE)
        self.save_cadence.restart(course.step)
        return Saved(course.step, str(path), took)

    def _roll_back(self) -> Iterator[Event]:
        """Go back to the last whole state, or the beginning, with a lower learning rate."""
        diverged_at, lr_scale, rollbacks = self.course.step, self.course.lr_scale, self.course.rollbacks + 1
        best = self.course.best
        if rollbacks > MAX_ROLLBACKS:
            yield Finished(diverged_at, self.planner.clock.seconds(), best, "diverged")
            raise DivergedError(
                f"training diverged {rollbacks} times, last at step {diverged_at}; try a lower --lr or --clip"
            )
        self.trainer = self.around.new_trainer()
        state, _ = self.store.latest()
        if state is not None:
            restore(self.trainer, state)
        self.course.lr_scale, self.course.rollbacks = lr_scale * ROLLBACK_LR, rollbacks
        self.course.best = best  # the model file holds it still
        self.planner.restart_measuring(self.course.step)
        path = str(state.path) if state else ""
        reason = f"diverged at step {diverged_at}; learning rate × {self.course.lr_scale:g}"
        yield Resumed(self.course.step, path, reason)

    def _finish(self) -> Iterator[Event]:
        yield self._save()
        course, plan = self.course, self.course.plan
        assert plan is not None
        yield Finished(course.step, self.planner.clock.seconds(), course.best, self.planner.reason(plan))
