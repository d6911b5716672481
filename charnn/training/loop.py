"""The loop: steps, evaluations, saves, plans, until the budget is spent. It yields events and knows no screen."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from charnn.errors import DivergedError, InterruptedRunError
from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.checkpoints import CheckpointStore
from charnn.storage.train_state import Plan, TrainState
from charnn.training.events import Evaluated, Event, Finished, Planned, Resumed, Sampled, Saved, Stepped
from charnn.training.interval import Interval
from charnn.training.planner import Planner
from charnn.training.resume import restore
from charnn.training.schedule import progress
from charnn.training.trainer import Trainer

MAX_ROLLBACKS = 3
ROLLBACK_LR = 0.5
MAX_SAVE_SHARE = 0.02  # of the run, by default


class Host(Protocol):
    """What the loop asks of whoever runs it."""

    def new_trainer(self) -> Trainer: ...
    def write_model(self, trainer: Trainer) -> None: ...
    def sample(self, trainer: Trainer) -> str: ...
    def checkpoint_values(self, train_state: TrainState) -> CheckpointValues:
        """What a checkpoint says besides its tensors: `train_state` as it is now, and all that stays the same."""

    def pending_signal(self) -> int | None:
        """The number of the signal that asked the run to end, if one did."""


@dataclass
class Loop:
    """One run from where `trainer` stands to the end of its budget."""

    trainer: Trainer
    planner: Planner
    store: CheckpointStore
    host: Host
    save_interval: Interval
    sample_interval: Interval
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
            self.planner.stepped(self.train_state.step)
            yield from self._report_if_due()
        yield from self._finish()

    @property
    def train_state(self) -> TrainState:
        return self.trainer.train_state

    def _plan_if_ready(self) -> Iterator[Event]:
        if self.train_state.plan is None and (plan := self.planner.first_plan(self.train_state.step)):
            yield self._adopt(plan)

    def _adopt(self, plan: Plan) -> Planned:
        self.train_state.plans.append(plan)
        return Planned(plan.step, plan.steps, plan.chars_per_second)

    def _is_over(self) -> bool:
        plan = self.train_state.plan
        return plan is not None and self.train_state.step >= plan.steps

    def _is_evaluation_due(self) -> bool:
        plan, step = self.train_state.plan, self.train_state.step
        if plan is None or step <= self.train_state.evaluated:
            return False
        return self._is_over() or (step > plan.step and (step - plan.step) % plan.eval_every == 0)

    def _report_if_due(self) -> Iterator[Event]:
        plan, step = self.train_state.plan, self.train_state.step
        if plan is None or not (step % plan.log_every == 0 or self._is_over()):
            return
        if not self.trainer.is_healthy:
            yield from self._roll_back()
            return
        loss, norm = self.trainer.averages()
        seconds = self.planner.clock.seconds()
        speed = self.planner.recent_speed(self.train_state.chars, seconds)
        lr, epoch, chars = self.trainer.lr, self.trainer.epoch, self.train_state.chars
        self.trainer.restart_averages()
        yield Stepped(step, epoch, chars, seconds, loss, lr, norm, speed)

    def _evaluate(self) -> Iterator[Event]:
        if not self.trainer.is_healthy:
            yield from self._roll_back()
            return
        start = time.monotonic()
        loss = self.trainer.evaluate(lambda: self.host.pending_signal() is not None)
        yield from self._heed_signal()
        if loss is not None and not isfinite(loss):
            yield from self._roll_back()
            return
        train_state = self.train_state
        train_state.evaluated = train_state.step
        self.planner.evaluated(time.monotonic() - start)
        if loss is not None:
            seconds = self.planner.clock.seconds()
            yield Evaluated(train_state.step, self.trainer.epoch, train_state.chars, seconds, loss)
        self._keep_if_best(loss)
        assert train_state.plan is not None
        plan = self.planner.corrected(
            train_state.plan, train_state.step, progress(train_state.plans, train_state.step)
        )
        if plan is not train_state.plan:
            yield self._adopt(plan)

    def _keep_if_best(self, loss: float | None) -> None:
        """Without validation the last model counts as best."""
        if loss is not None:
            if self.train_state.best is not None and loss >= self.train_state.best:
                return
            self.train_state.best = loss
        self.host.write_model(self.trainer)

    def _heed_signal(self) -> Iterator[Event]:
        signal_number = self.host.pending_signal()
        if signal_number is not None:
            if self.trainer.is_healthy:
                yield self._save()
            raise InterruptedRunError("interrupted", signal_number)

    def _save_and_sample_if_due(self) -> Iterator[Event]:
        step = self.train_state.step
        if self.save_interval.is_due(step):
            if not self.trainer.is_healthy:
                yield from self._roll_back()
                return
            yield self._save()
        if self.sample_interval.is_due(step):
            self.sample_interval.restart(step)
            yield Sampled(step, self.host.sample(self.trainer))

    def _save(self) -> Saved:
        """Store a whole state; and a model too, as long as no evaluation has chosen one."""
        start = time.monotonic()
        train_state = self.train_state
        path = self.store.save(self.trainer.tensors(), self.host.checkpoint_values(train_state))
        if train_state.best is None:
            self.host.write_model(self.trainer)
        took = time.monotonic() - start
        self.planner.saved(took)
        if self.save_sparingly and self.save_interval.seconds is not None:
            self.save_interval.seconds = max(self.save_interval.seconds, took / MAX_SAVE_SHARE)
        self.save_interval.restart(train_state.step)
        return Saved(train_state.step, str(path), took)

    def _roll_back(self) -> Iterator[Event]:
        """Go back to the last whole state, or the beginning, with a lower learning rate."""
        before = self.train_state
        diverged_at, lr_scale, rollbacks = before.step, before.lr_scale, before.rollbacks + 1
        best = before.best
        if rollbacks > MAX_ROLLBACKS:
            yield Finished(diverged_at, self.planner.clock.seconds(), best, "diverged")
            raise DivergedError(
                f"training diverged {rollbacks} times, last at step {diverged_at}; try a lower --lr or --clip"
            )
        self.trainer = self.host.new_trainer()
        state, _ = self.store.latest()
        if state is not None:
            restore(self.trainer, state)
        self.train_state.lr_scale, self.train_state.rollbacks = lr_scale * ROLLBACK_LR, rollbacks
        self.train_state.best = best  # the model file holds it still
        self.planner.restart_measuring(self.train_state.step)
        path = str(state.path) if state else ""
        reason = f"diverged at step {diverged_at}; learning rate × {self.train_state.lr_scale:g}"
        yield Resumed(self.train_state.step, path, reason)

    def _finish(self) -> Iterator[Event]:
        yield self._save()
        train_state, plan = self.train_state, self.train_state.plan
        assert plan is not None
        yield Finished(
            train_state.step, self.planner.clock.seconds(), train_state.best, self.planner.reason(plan)
        )
