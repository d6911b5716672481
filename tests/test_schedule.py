"""The learning rate over a run: warm-up, cosine, and plans that change on the way."""

from itertools import pairwise
from math import cos, pi

import pytest

from charnn.config import OptimConfig
from charnn.storage.train_state import Plan
from charnn.training.schedule import learning_rate, progress

OPTIM = OptimConfig(lr=0.5, warmup=9, final_lr=0.02)


def plan(step: int, steps: int, at: float = 0.0) -> Plan:
    return Plan(step, steps, at, eval_every=10, log_every=1)


def test_warm_up_is_linear_and_reaches_the_peak():
    rates = [learning_rate(OPTIM, [], step) for step in range(12)]
    assert rates[:10] == pytest.approx([0.05 * (step + 1) for step in range(10)])
    assert rates[10:] == [0.5, 0.5]


def test_without_warm_up_the_first_step_is_at_the_peak():
    assert learning_rate(OptimConfig(lr=0.5, warmup=0), [], 0) == 0.5


def test_before_the_first_plan_the_rate_does_not_depend_on_it():
    """A timed run warms up before it knows its number of steps."""
    assert progress([], 10_000) == 0.0
    assert learning_rate(OPTIM, [], 10_000) == OPTIM.lr


@pytest.mark.parametrize("step", [10, 250, 500, 999])
def test_cosine_to_the_final_rate(step):
    expected = OPTIM.lr * (0.02 + 0.98 * (1 + cos(pi * step / 1000)) / 2)
    assert learning_rate(OPTIM, [plan(0, 1000)], step) == pytest.approx(expected)


def test_the_end_is_at_the_final_rate_and_stays_there():
    for step in (1000, 1001, 5000):
        assert learning_rate(OPTIM, [plan(0, 1000)], step) == pytest.approx(0.02 * OPTIM.lr)


def test_after_the_warm_up_the_rate_only_falls():
    rates = [learning_rate(OPTIM, [plan(0, 1000)], step) for step in range(9, 1001)]
    assert all(later < earlier for earlier, later in pairwise(rates))


@pytest.mark.parametrize("steps", [600, 1000, 4000])
def test_a_correction_is_continuous_and_ends_at_its_own_end(steps):
    first = plan(0, 1000)
    second = plan(400, steps, at=progress([first], 400))
    plans = [first, second]
    assert progress(plans, 400) == progress([first], 400) == 0.4
    assert learning_rate(OPTIM, plans, 400) == learning_rate(OPTIM, [first], 400)
    assert progress(plans, steps) == 1.0
    assert progress(plans, (400 + steps) // 2) == pytest.approx(0.7)


def test_only_the_last_plan_counts():
    plans = [plan(0, 1000), plan(400, 800, at=0.4), plan(600, 2600, at=0.7)]
    assert progress(plans, 600) == pytest.approx(0.7)
    assert progress(plans, 1600) == pytest.approx(0.85)


def test_a_plan_that_ends_where_it_is_made_divides_by_nothing():
    assert 0.9 <= progress([plan(50, 50, at=0.9)], 50) <= 1.0
