"""Plans from budgets, with a clock set by hand."""

import pytest

from charnn.config import Budget
from charnn.storage.train_state import Plan
from charnn.training.planner import (
    EVAL_COST,
    EVAL_SHARE,
    EVALS_WANTED,
    FINAL_EVAL_SHARE,
    MARGIN,
    TRAIN_EVENTS,
    Clock,
    Planner,
    next_stretch,
)


class Now:
    """The time, set by hand."""

    time = 500.0


@pytest.fixture(autouse=True)
def now():
    Now.time = 500.0
    return Now


def planner(budget: Budget, spent: float = 0.0, **sizes: float) -> Planner:
    sizes = {"batches_per_epoch": 70, "chars_per_step": 1000, "val_chars": 8000, **sizes}
    deadline = 60 * budget.minutes if budget.minutes is not None else None
    return Planner(budget, clock=Clock(500.0, spent, lambda: Now.time), deadline=deadline, **sizes)  # type: ignore[arg-type]


def after(planned: Planner, now: object, steps: int, per_step: float) -> Plan:
    """The first plan of a timed run, after `steps` steps at most."""
    for step in range(steps + 1):
        if plan := planned.first_plan(step):
            return plan
        now.time += per_step  # type: ignore[attr-defined]
        planned.stepped(step + 1)
    raise AssertionError(f"no plan after {steps} steps")


# Budgets without minutes


@pytest.mark.parametrize(
    ("budget", "steps", "reason"),
    [
        (Budget(steps=300), 300, "steps"),
        (Budget(steps=1), 1, "steps"),
        (Budget(epochs=2), 140, "epochs"),
        (Budget(epochs=1.501), 106, "epochs"),
        (Budget(epochs=1e-6), 1, "epochs"),
        (Budget(steps=139, epochs=2), 139, "steps"),
        (Budget(steps=141, epochs=2), 140, "epochs"),
    ],
)
def test_the_first_bound_ends_the_run(budget, steps, reason):
    planned = planner(budget)
    plan = planned.first_plan(0)
    assert (plan.step, plan.steps, plan.progress, plan.chars_per_second) == (0, steps, 0.0, None)
    assert planned.reason(plan) == reason


def test_a_plan_without_minutes_does_not_depend_on_the_clock(now):
    first = planner(Budget(steps=300)).first_plan(0)
    now.time += 1e6
    slow = planner(Budget(steps=300))
    slow.stepped(5)
    slow.evaluated(1e5)
    slow.saved(1e5)
    assert slow.first_plan(0) == first
    assert slow.corrected(first, 100, 0.3) is first


def test_evaluations_are_a_tenth_apart_unless_they_would_cost_too_much():
    assert planner(Budget(steps=5000), val_chars=10).first_plan(0).eval_every == 5000 / EVALS_WANTED
    dear = planner(Budget(steps=5000), val_chars=1_000_000).first_plan(0)
    assert dear.eval_every == 1000 * EVAL_COST / EVAL_SHARE  # a step trains a thousand characters
    assert planner(Budget(steps=3), val_chars=0).first_plan(0).eval_every == 1


def test_there_are_about_two_hundred_train_events():
    assert planner(Budget(steps=10_000)).first_plan(0).log_every == 10_000 // TRAIN_EVENTS
    assert planner(Budget(steps=10)).first_plan(0).log_every == 1


# Minutes


def test_the_first_plan_waits_until_the_speed_is_known(now):
    planned = planner(Budget(minutes=1))
    for step in range(25):
        assert planned.first_plan(step) is None
        now.time += 0.5
        planned.stepped(step + 1)
    assert planned.first_plan(25) is not None


def test_quick_steps_are_measured_for_a_while(now):
    """Three hundredths of the budget: 1.8 of 60 seconds, after five steps that aren't measured."""
    assert after(planner(Budget(minutes=1)), now, 1000, 0.01).step == pytest.approx(185, abs=1)


def test_the_first_plan_fills_the_budget(now):
    plan = after(planner(Budget(minutes=1), val_chars=0), now, 1000, 0.05)
    assert plan.chars_per_second == pytest.approx(1000 / 0.05)
    assert 0.95 * 60 < plan.steps * 0.05 < 60 - MARGIN, "some is kept for leaving"


def test_settling_steps_are_not_measured(now):
    planned = planner(Budget(minutes=1))
    for step in range(1, 6):
        now.time += 2.0
        planned.stepped(step)
    for step in range(6, 60):
        now.time += 0.1
        planned.stepped(step)
    assert planned.first_plan(59).chars_per_second == pytest.approx(1000 / 0.1)


def test_evaluations_are_not_measured_as_training(now):
    planned = planner(Budget(minutes=1))
    first = after(planned, now, 1000, 0.1)
    for step in range(first.step, first.step + 10):
        now.time += 0.1
        planned.stepped(step + 1)
    now.time += 3.0
    planned.evaluated(3.0)
    second = planned.corrected(first, first.step + 10, 0.5)
    assert second.chars_per_second == pytest.approx(10_000, rel=1e-6)
    assert second.step == first.step + 10
    assert second.progress == 0.5
    assert second.log_every == first.log_every


def test_a_machine_that_slows_down_gets_fewer_steps(now):
    planned = planner(Budget(minutes=1), val_chars=0)
    first = after(planned, now, 1000, 0.05)
    for step in range(first.step, first.step + 100):
        now.time += 0.2
        planned.stepped(step + 1)
    second = planned.corrected(first, first.step + 100, 0.1)
    assert second.steps < 0.5 * first.steps
    assert (second.steps - second.step) * 0.2 == pytest.approx(560 - now.time, rel=0.05)


def test_a_budget_that_is_spent_ends_the_run_at_once(now):
    planned = planner(Budget(minutes=1))
    first = after(planned, now, 1000, 0.05)
    now.time += 300
    planned.stepped(first.step + 1)
    assert planned.corrected(first, first.step + 1, 0.1).steps == first.step + 1


def test_a_budget_spent_before_the_first_step_trains_one(now):
    """A model that has learned nothing is of no use; the run says so by its figures."""
    now.time += 300
    plan = after(planner(Budget(minutes=1)), now, 40, 0.01)
    assert plan.steps == plan.step + 1


def test_a_resumed_run_counts_what_was_spent(now):
    fresh = after(planner(Budget(minutes=1), val_chars=0), now, 1000, 0.05)
    now.time = 500.0
    resumed = after(planner(Budget(minutes=1), spent=30.0, val_chars=0), now, 1000, 0.05)
    assert resumed.steps == pytest.approx(fresh.steps - 30 / 0.05, abs=2)


def test_steps_bound_a_timed_run(now):
    planned = planner(Budget(minutes=1, steps=400))
    plan = after(planned, now, 1000, 0.05)
    assert plan.steps == 400
    assert planned.reason(plan) == "steps"


def test_minutes_bound_a_run_of_many_steps(now):
    planned = planner(Budget(minutes=1, steps=10**6, epochs=10**6))
    plan = after(planned, now, 1000, 0.05)
    assert plan.steps < 1200
    assert planned.reason(plan) == "minutes"


def test_without_measurement_the_last_plans_speed_counts(now):
    """A run resumed in an evaluation has made no step when it plans."""
    planned = planner(Budget(minutes=1), spent=20.0, val_chars=0)
    planned.restart_measuring(100)
    old = Plan(50, 900, 0.1, 10, 1, chars_per_second=20_000.0)
    plan = planned.corrected(old, 100, 0.2)
    assert plan.chars_per_second == pytest.approx(20_000)
    assert 0.9 * 40 < (plan.steps - 100) * 0.05 < 40


# A larger budget on resume


def test_an_extended_schedule_goes_on_as_if_planned_so_long():
    old = planner(Budget(steps=100)).first_plan(0)
    new = planner(Budget(steps=400)).extended(old, 100)
    assert (new.step, new.steps, new.progress) == (100, 400, 0.25)


def test_an_extended_timed_schedule(now):
    planned = planner(Budget(minutes=2), spent=60.0, val_chars=0)
    planned.restart_measuring(1000)
    old = Plan(800, 1000, 0.9, 10, 5, chars_per_second=20_000.0)
    new = planned.extended(old, 1000)
    assert new.steps == pytest.approx(2200, rel=0.05)
    assert new.progress == pytest.approx(1000 / new.steps)


# Time


def test_speed_is_that_since_the_last_event():
    planned = planner(Budget(steps=10))
    assert planned.recent_speed(1000, 2.0) == 500
    assert planned.recent_speed(4000, 3.0) == 3000


@pytest.mark.parametrize("seconds", [0.5, 5.0, 30.0, 600.0, 60_000.0])
@pytest.mark.parametrize("eval_cost", [0.0, 0.01, 1.0, 20.0])
def test_stretches(seconds, eval_cost):
    """Unless there is one only, evaluations take a bounded share, more of it towards the end."""
    first, evals = next_stretch(seconds, seconds, eval_cost)
    assert evals >= 1
    assert 0 <= first <= seconds
    if evals > 1:
        assert evals * eval_cost <= 1.5 * FINAL_EVAL_SHARE * seconds
        assert first >= eval_cost / FINAL_EVAL_SHARE


@pytest.mark.parametrize(("seconds", "eval_cost"), [(60.0, 0.7), (600.0, 1.2), (3600.0, 1.0)])
def test_the_last_stretch_is_short(seconds, eval_cost):
    """A machine whose speed changes after the last correction misses the budget by a share of that stretch only."""
    left, evals, total = seconds, 0, 0
    while evals != 1:
        stretch, evals = next_stretch(left, seconds, eval_cost)
        left -= stretch + eval_cost
        total += 1
    assert stretch <= max(0.02 * seconds, 2 * eval_cost / FINAL_EVAL_SHARE)
    assert total * eval_cost <= 0.08 * seconds
