"""The loop: steps, evaluations, saves, plans, until the budget is spent. It yields events and knows no screen."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from charnn.errors import DivergedError, InterruptedRunError
from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.checkpoints import CheckpointStore
from charnn.storage.train_state import Plan, TrainState
from charnn.training.decisions import Decisions, Due
from charnn.training.events import (
    Evaluated,
    Event,
    Finished,
    Notice,
    Planned,
    Resumed,
    Sampled,
    Saved,
    Stepped,
)
from charnn.training.resume import restore
from charnn.training.trainer import Trainer

MAX_ROLLBACKS = 3
ROLLBACK_LR = 0.5


class Host(Protocol):
    """What the loop asks of whoever runs it."""

    def new_trainer(self) -> Trainer: ...
    def write_model(self, trainer: Trainer) -> None: ...
    def sample(self, trainer: Trainer) -> str: ...
    def checkpoint_values(self, train_state: TrainState) -> CheckpointValues:
        """What a checkpoint says besides its tensors: `train_state` as it is now, and all that stays the same."""


@dataclass
class Loop:
    """One run from where `trainer` stands to the end of its budget."""

    trainer: Trainer
    decisions: Decisions
    store: CheckpointStore
    host: Host

    def events(self) -> Iterator[Event]:
        """Raises InterruptedRunError after a signal and its save, DivergedError after too many rollbacks."""
        while True:
            yield from self._plan_if_ready()
            if self._is_evaluation_due():
                yield from self._evaluate()
            if self._is_over():
                break
            yield from self._act(self.decisions.due(self.train_state.step))
            self._step()
            if self._is_report_due():
                yield from self._report()
        yield from self._finish()

    def _step(self) -> None:
        """A step, or as many as processes take apart before they come together."""
        self.trainer.step()
        while not self.trainer.is_level:
            self.trainer.step()
        self.decisions.stepped(self.train_state.step)

    @property
    def train_state(self) -> TrainState:
        return self.trainer.train_state

    def _plan_if_ready(self) -> Iterator[Event]:
        if self.train_state.plan is None and (plan := self.decisions.first_plan(self.train_state)):
            yield self._adopt(plan)

    def _adopt(self, plan: Plan) -> Planned:
        self.train_state.plans.append(plan)
        return Planned(plan.step, plan.steps, plan.chars_per_second)

    def _is_over(self) -> bool:
        return self._has_spent_budget() or self.decisions.is_out_of_patience(self.train_state)

    def _has_spent_budget(self) -> bool:
        plan = self.train_state.plan
        return plan is not None and self.train_state.step >= plan.steps

    def _is_evaluation_due(self) -> bool:
        plan, step = self.train_state.plan, self.train_state.step
        if plan is None or step <= self.train_state.evaluated:
            return False
        return self._has_spent_budget() or (step > plan.step and (step - plan.step) % plan.eval_every == 0)

    def _is_report_due(self) -> bool:
        plan = self.train_state.plan
        return plan is not None and (self.train_state.step % plan.log_every == 0 or self._has_spent_budget())

    def _act(self, due: Due) -> Iterator[Event]:
        """Do what is due before the next step."""
        if due.signal_number is not None:
            yield from self._stop(due.signal_number)
        if due.save:
            if not self._is_healthy():
                yield from self._roll_back()
                return
            yield self._save()
        if due.sample:
            self.decisions.sampled(self.train_state.step)
            yield Sampled(self.train_state.step, self.host.sample(self.trainer))

    def _report(self) -> Iterator[Event]:
        if not self._is_healthy():
            yield from self._roll_back()
            return
        loss, norm = self.trainer.averages()
        train_state = self.train_state
        speed = self.decisions.recent_speed(train_state.chars)
        seconds, lr, epoch = self.decisions.seconds(), self.trainer.lr, self.trainer.epoch
        self.trainer.restart_averages()
        yield Stepped(train_state.step, epoch, train_state.chars, seconds, loss, lr, norm, speed)

    def _evaluate(self) -> Iterator[Event]:
        if not self._is_healthy():
            yield from self._roll_back()
            return
        start = self.decisions.seconds()
        loss = self.trainer.evaluate(self.decisions.is_interrupted)
        if (signal_number := self.decisions.signal()) is not None:
            yield from self._stop(signal_number)
        if loss is not None and not isfinite(loss):
            yield from self._roll_back()
            return
        train_state = self.train_state
        train_state.evaluated = train_state.step
        seconds = self.decisions.seconds()
        self.decisions.evaluated(seconds - start)
        if loss is not None:
            yield Evaluated(train_state.step, self.trainer.epoch, train_state.chars, seconds, loss)
        self._keep_if_best(loss)
        if (plan := self.decisions.corrected_plan(train_state)) is not None:
            yield self._adopt(plan)

    def _keep_if_best(self, loss: float | None) -> None:
        """Without validation the last model counts as best."""
        if loss is not None:
            if self.train_state.best is not None and loss >= self.train_state.best:
                self.train_state.not_better += 1
                return
            self.train_state.best, self.train_state.not_better = loss, 0
        self.host.write_model(self.trainer)

    def _is_healthy(self) -> bool:
        return self.decisions.is_healthy(self.trainer)

    def _stop(self, signal_number: int) -> Iterator[Event]:
        if self._is_healthy():
            yield self._save()
        raise InterruptedRunError("interrupted", signal_number)

    def _save(self) -> Saved:
        """Store a checkpoint; and a model too, as long as no evaluation has chosen one."""
        start = self.decisions.seconds()
        train_state = self.train_state
        path = self.store.save(self.trainer.tensors(), self.host.checkpoint_values(train_state))
        if train_state.best is None:
            self.host.write_model(self.trainer)
        took = self.decisions.seconds() - start
        self.decisions.saved(train_state.step, took)
        return Saved(train_state.step, str(path), took)

    def _roll_back(self) -> Iterator[Event]:
        """Go back to the last checkpoint, or the beginning, with a lower learning rate."""
        before = self.train_state
        diverged_at, lr_scale, rollbacks = before.step, before.lr_scale, before.rollbacks + 1
        best = before.best
        if rollbacks > MAX_ROLLBACKS:
            yield Finished(diverged_at, self.decisions.seconds(), best, "diverged")
            raise DivergedError(
                f"training diverged {rollbacks} times, last at step {diverged_at}; try a lower --lr or --clip"
            )
        self.trainer = self.host.new_trainer()
        checkpoint, _ = self.store.newest()
        if checkpoint is not None:
            restore(self.trainer, checkpoint)
        self.train_state.lr_scale, self.train_state.rollbacks = lr_scale * ROLLBACK_LR, rollbacks
        self.train_state.best = best  # the model file holds it still
        self.decisions.went_back(self.train_state.step)
        path = str(checkpoint.path) if checkpoint else ""
        reason = f"diverged at step {diverged_at}; learning rate × {self.train_state.lr_scale:g}"
        yield Resumed(self.train_state.step, path, reason)

    def _finish(self) -> Iterator[Event]:
        yield self._save()
        train_state = self.train_state
        reason = self.decisions.reason(train_state)
        if reason == "patience":
            yield Notice(
                f"no better loss in the last {train_state.not_better} evaluations: the run ends early"
            )
        yield Finished(train_state.step, self.decisions.seconds(), train_state.best, reason)
