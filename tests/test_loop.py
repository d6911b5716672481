"""The loop's decisions, with a trainer that computes nothing and a clock set by hand."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from checkpoint_helpers import values_of

from charnn.config import Budget
from charnn.errors import DivergedError, InterruptedRunError
from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.checkpoints import Checkpoint
from charnn.storage.train_state import TrainState
from charnn.training.decisions import Decisions, Interval, Share, unshared
from charnn.training.events import Evaluated, Event, Finished, Planned, Resumed, Sampled, Saved, Stepped
from charnn.training.loop import Loop
from charnn.training.planner import Clock, Planner

CHARS = 1000  # a step


@dataclass
class World:
    """A machine: what things cost in seconds, which losses come out, what was written."""

    step_seconds: Callable[[int], float] = lambda step: 0.1
    eval_seconds: float = 1.0
    save_seconds: float = 0.05
    val_loss: Callable[[int], float | None] = lambda step: 10 - step / 1000
    is_sick: Callable[[TrainState], bool] = lambda train_state: False
    pending: Callable[["World"], int | None] = lambda world: None
    now: float = 0.0
    is_evaluating: bool = False
    trainer: "FakeTrainer | None" = None
    states: list[Checkpoint] = field(default_factory=list)
    models: list[int] = field(default_factory=list)  # the steps at which one was written
    keep: int = 2

    def monotonic(self) -> float:
        return self.now

    # Host

    def new_trainer(self) -> "FakeTrainer":
        self.trainer = FakeTrainer(self)
        return self.trainer

    def write_model(self, trainer: "FakeTrainer") -> None:
        self.models.append(trainer.train_state.step)

    def sample(self, trainer: "FakeTrainer") -> str:
        return f"sample {trainer.train_state.step}"

    def checkpoint_values(self, train_state: TrainState) -> CheckpointValues:
        return values_of(train_state.step, train_state=train_state.copy())

    # The store

    def save(self, tensors: dict[str, Any], values: CheckpointValues) -> Path:
        self.now += self.save_seconds
        self.states.append(Checkpoint(Path(f"resume/{values.step}"), tensors, values))
        return self.states[-1].path

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        return (self.states[-1] if self.states else None), []


class FakeTrainer:
    lr = 0.5
    epoch = 0.0

    is_level = True

    def __init__(self, world: World) -> None:
        self.world = world
        self.train_state = TrainState()

    def step(self) -> None:
        self.world.now += self.world.step_seconds(self.train_state.step)
        self.train_state.step += 1
        self.train_state.averaged += 1
        self.train_state.chars += CHARS

    def evaluate(self, stop: Callable[[], bool]) -> float | None:
        self.world.is_evaluating = True
        self.world.now += self.world.eval_seconds
        stopped = stop()
        self.world.is_evaluating = False
        return None if stopped else self.world.val_loss(self.train_state.step)

    def averages(self) -> tuple[float, float]:
        return 1.0, 1.0

    def restart_averages(self) -> None:
        self.train_state.averaged = 0

    @property
    def is_healthy(self) -> bool:
        return not self.world.is_sick(self.train_state)

    def tensors(self) -> dict[str, Any]:
        return {}

    def restore(self, tensors: dict[str, Any], train_state: TrainState) -> None:
        self.train_state = train_state


@pytest.fixture
def make():
    """A loop in a world."""

    def made(
        world: World,
        budget: Budget,
        *,
        save: str = "0",
        sample: str = "0",
        val_chars: int = 0,
        save_sparingly: bool = True,
        share: Share = unshared,
    ) -> Loop:
        deadline = None if budget.minutes is None else 60 * budget.minutes
        planner = Planner(budget, 50, CHARS, val_chars, Clock(0.0, now=world.monotonic), deadline)
        intervals = [Interval.parse(text) for text in (save, sample)]
        signal_of_world = partial(world.pending, world)
        decisions = Decisions(
            planner, *intervals, signal_of_world, save_sparingly=save_sparingly, share=share
        )
        decisions.begin(0)
        return Loop(world.new_trainer(), decisions, world, world)

    return made


def of(events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def steps_of(events: list[Event], kind: type[Event]) -> list[int]:
    return [event.step for event in of(events, kind)]


def until(events, error: type[Exception]) -> tuple[list[Event], Any]:
    """The events up to an error, and the error."""
    seen: list[Event] = []
    with pytest.raises(error) as caught:
        for event in events:
            seen.append(event)
    return seen, caught.value


# The order of things


def test_a_run_in_steps(make):
    world = World()
    events = list(make(world, Budget(steps=95)).events())
    assert events[0] == Planned(0, 95, None)
    assert steps_of(events, Stepped) == list(range(1, 96))
    assert steps_of(events, Evaluated) == [*range(10, 95, 10), 95]
    assert [type(event) for event in events[-3:]] == [Evaluated, Saved, Finished]
    assert events[-1].reason == "steps"
    assert events[-1].best_val_nats_per_char == world.val_loss(95)


def test_evaluations_fall_on_planned_steps_whatever_the_clock_says(make):
    expected = steps_of(list(make(World(), Budget(steps=95)).events()), Evaluated)
    slow = World(step_seconds=lambda step: 50.0 * (step % 7), eval_seconds=500.0, save_seconds=90.0)
    events = list(make(slow, Budget(steps=95), save="7", sample="1m").events())
    assert steps_of(events, Evaluated) == expected


def test_the_model_is_kept_when_it_is_better(make):
    world = World(val_loss=lambda step: {5: 4.0, 10: 3.0, 45: 1.5, 50: 1.0}.get(step, 3.0))
    events = list(make(world, Budget(steps=50)).events())
    assert len(of(events, Evaluated)) == 10
    assert world.models == [5, 10, 45, 50]
    assert events[-1].best_val_nats_per_char == 1.0


def test_without_validation_the_last_model_counts(make):
    world = World(val_loss=lambda step: None)
    events = list(make(world, Budget(steps=50)).events())
    assert not of(events, Evaluated)
    assert world.models[-1] == 50
    assert events[-1].best_val_nats_per_char is None


def test_a_save_writes_a_model_as_long_as_there_is_none(make):
    """So that a run interrupted before its first evaluation can sample."""
    world = World()
    list(make(world, Budget(steps=100), save="4").events())
    assert world.models[:3] == [4, 8, 10]
    assert 12 not in world.models


def test_saves_and_samples_come_when_due(make):
    world = World()
    events = list(make(world, Budget(steps=100), save="25", sample="3s").events())
    assert steps_of(events, Saved) == [25, 50, 75, 100]
    assert len(of(events, Sampled)) >= 3
    assert of(events, Sampled)[0].text.startswith("sample")


def test_saving_takes_two_hundredths_at_most(make):
    """By default; a save of 3 seconds makes the next one wait 150."""
    world = World(step_seconds=lambda step: 1.0, save_seconds=3.0, eval_seconds=0.0)
    events = list(make(world, Budget(steps=1000), save="10s").events())
    assert sum(saved.took for saved in of(events, Saved)) < 0.03 * world.now
    asked = World(step_seconds=lambda step: 1.0, save_seconds=3.0, eval_seconds=0.0)
    loop = make(asked, Budget(steps=1000), save="10s", save_sparingly=False)
    assert len(of(list(loop.events()), Saved)) > 5 * len(of(events, Saved))


# A budget in minutes


@pytest.mark.parametrize("minutes", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("per_step", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("eval_seconds", [0.1, 1.0, 3.0])
def test_minutes_are_kept_and_used(minutes, per_step, eval_seconds, make):
    world = World(step_seconds=lambda step: per_step, eval_seconds=eval_seconds)
    events = list(make(world, Budget(minutes=minutes)).events())
    training = per_step * events[-1].step
    assert world.now <= 60 * minutes
    assert world.now >= 60 * minutes * 0.9 - 1.5
    assert training >= 0.65 * world.now
    assert events[-1].reason == "minutes"
    assert of(events, Evaluated)[-1].step == events[-1].step


@pytest.mark.parametrize("late", [0.3, 0.6])
@pytest.mark.parametrize("factor", [0.5, 1.6])
def test_minutes_are_kept_when_the_machine_changes_its_speed(late, factor, make):
    world = World(eval_seconds=0.2)
    world.step_seconds = lambda step: 0.02 * (factor if world.now > 120 * late else 1.0)
    events = list(make(world, Budget(minutes=2)).events())
    assert 0.9 * 120 < world.now < 1.05 * 120
    assert len(of(events, Planned)) > 3


def test_a_timed_run_trains_before_it_plans(make):
    events = list(make(World(), Budget(minutes=1)).events())
    first = of(events, Planned)[0]
    assert first.step >= 20
    assert min(steps_of(events, Stepped)) > first.step
    assert all(planned.step in steps_of(events, Evaluated) for planned in of(events, Planned)[1:])


@pytest.mark.parametrize("minutes", [0.0001, 0.02])
def test_a_budget_that_is_too_small_still_gives_a_model(minutes, make):
    world = World(now=5.0)
    events = list(make(world, Budget(minutes=minutes)).events())
    assert events[-1].reason == "minutes"
    assert world.models


# Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_ends(number, code, make):
    world = World()
    world.pending = lambda w: number if w.trainer.train_state.step >= 7 else None
    events, error = until(make(world, Budget(steps=95)).events(), InterruptedRunError)
    assert isinstance(events[-1], Saved)
    assert events[-1].step == 7
    assert world.states[-1].values.train_state.step == 7
    assert error.exit_code == code


def test_a_signal_before_the_first_step(make):
    world = World(pending=lambda w: signal.SIGINT)
    events, _ = until(make(world, Budget(steps=95)).events(), InterruptedRunError)
    assert [type(event) for event in events] == [Planned, Saved]
    assert events[-1].step == 0


def test_a_signal_abandons_an_evaluation(make):
    """The resumed run does it again: the state says it isn't done."""
    world = World(pending=lambda w: signal.SIGINT if w.is_evaluating or w.now > 1.9 else None)
    events, _ = until(make(world, Budget(steps=95)).events(), InterruptedRunError)
    assert not of(events, Evaluated)
    train_state = world.states[-1].values.train_state
    assert (train_state.step, train_state.evaluated, train_state.best) == (10, 0, None)


# Divergence


@pytest.mark.parametrize("save", ["10", "0"])
def test_a_sick_run_goes_back_with_half_the_rate(save, make):
    """To the last whole state, or to the beginning."""
    world = World(is_sick=lambda train_state: train_state.step >= 25 and train_state.lr_scale == 1.0)
    events = list(make(world, Budget(steps=50), save=save).events())
    (resumed,) = of(events, Resumed)
    assert (resumed.step, resumed.path) == ((20, "resume/20") if save == "10" else (0, ""))
    assert "step 25" in resumed.reason
    assert "0.5" in resumed.reason
    assert (world.trainer.train_state.lr_scale, world.trainer.train_state.rollbacks) == (0.5, 1)
    assert steps_of(events, Stepped)[-1] == 50
    assert events[-1].reason == "steps"


@pytest.mark.parametrize(("sick_at", "save"), [(101, "0"), (102, "102")], ids=["evaluation", "save"])
def test_a_sick_run_goes_back_before_it_is_evaluated_or_saved(sick_at, save, make):
    """Which is noticed there, where no report came before."""
    world = World()
    world.is_sick = lambda train_state: train_state.step >= sick_at and train_state.lr_scale == 1.0
    events = list(make(world, Budget(steps=1010), save=save, val_chars=10).events())
    (resumed,) = of(events, Resumed)
    assert f"diverged at step {sick_at};" in resumed.reason
    before = events[: events.index(resumed)]
    assert sick_at not in steps_of(before, Evaluated) + steps_of(before, Saved)


def test_three_times_and_then_an_end(make):
    world = World(is_sick=lambda train_state: train_state.step >= 25)
    events, error = until(make(world, Budget(steps=50), save="10").events(), DivergedError)
    assert [resumed.step for resumed in of(events, Resumed)] == [20, 20, 20]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "diverged"
    assert events[-1].best_val_nats_per_char == world.val_loss(20)
    assert error.exit_code == 1
    assert "\n" not in str(error)
    assert all(state.step < 25 for state in world.states), "a sick state was saved"
    assert all(step < 25 for step in world.models), "a sick model was kept"


def test_the_rate_is_halved_each_time(make):
    world = World(is_sick=lambda train_state: train_state.step == 25 and train_state.lr_scale > 0.2)
    list(make(world, Budget(steps=50), save="10").events())
    assert world.trainer.train_state.lr_scale == 0.125


@pytest.mark.parametrize("loss", [nan, inf])
def test_a_validation_loss_that_is_no_number(loss, make):
    """Never kept as best, never a line of metrics; the run goes back."""
    world = World()
    world.val_loss = lambda step: (
        loss if step >= 30 and world.trainer.train_state.lr_scale == 1.0 else 5.0 - step / 100
    )
    events = list(make(world, Budget(steps=50), save="8").events())
    assert len(of(events, Resumed)) == 1
    assert all(abs(evaluated.val_nats_per_char) < 10 for evaluated in of(events, Evaluated))
    assert events[-1].best_val_nats_per_char == 4.5


def test_a_sick_state_is_not_saved_on_a_signal(make):
    world = World(is_sick=lambda train_state: train_state.averaged > 0, pending=lambda w: None)
    world.pending = lambda w: signal.SIGINT if w.trainer.train_state.step == 3 else None
    loop = make(world, Budget(steps=5000))
    events, _ = until(loop.events(), InterruptedRunError)
    assert not of(events, Saved)
    assert not world.states


def test_the_best_model_outlives_a_rollback(make):
    """One that is worse than what the model file holds doesn't replace it, though the state knew of none."""
    world = World(is_sick=lambda train_state: train_state.step == 25 and train_state.lr_scale == 1.0)
    world.val_loss = lambda step: 1.0 if world.trainer.train_state.lr_scale == 1.0 else 2.0
    events = list(make(world, Budget(steps=50)).events())
    assert steps_of(events, Resumed) == [0]
    assert world.models == [5]
    assert events[-1].best_val_nats_per_char == 1.0


# Several processes


def test_who_follows_does_what_was_decided_elsewhere(make):
    """Another clock, other signals and another health change nothing: all follow the first's decisions."""
    decided: list[Any] = []

    def lead(decision):
        decided.append(decision)
        return decision

    def follow(decision):
        return decided.pop(0)

    leader = World(pending=lambda w: signal.SIGINT if w.trainer.train_state.step >= 700 else None)
    options = {"save": "7s", "sample": "9s", "val_chars": 10_000}
    led, _ = until(make(leader, Budget(minutes=2), **options, share=lead).events(), InterruptedRunError)
    slow = World(step_seconds=lambda step: 3.0, is_sick=lambda train_state: train_state.step > 5)
    followed, _ = until(make(slow, Budget(minutes=2), **options, share=follow).events(), InterruptedRunError)
    assert not decided
    assert [(type(event), event.step) for event in followed] == [(type(event), event.step) for event in led]
    assert of(followed, Planned) == of(led, Planned)
    assert of(led, Sampled) and of(led, Evaluated)
