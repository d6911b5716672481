"""Threads and precision are those that take least time when measured in turns."""

import time

import pytest
import torch
from training_helpers import NEEDS_BF16

from charnn.training import throughput
from charnn.training.throughput import Execution, Measured, Workload, fastest_execution, training_step


@pytest.fixture(autouse=True)
def same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def taking(seconds: dict[Execution, float], monkeypatch: pytest.MonkeyPatch) -> list[Execution]:
    """Steps that take so many seconds on a clock of their own; what was stepped is listed."""
    now, stepped = [0.0], []

    def step_of(execution, _workload):
        def step():
            stepped.append(execution)
            now[0] += seconds[execution]

        return step

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(throughput, "training_step", step_of)
    return stepped


SMALL = Workload(batch=2, time=4, inputs=3, hidden=8)
ONE, ONE_BF16 = Execution(1, "fp32"), Execution(1, "bf16")
TWO, TWO_BF16 = Execution(2, "fp32"), Execution(2, "bf16")


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({ONE: 2.0, ONE_BF16: 9.0, TWO: 1.0, TWO_BF16: 9.0}, TWO),  # a quiet machine without bfloat16
        ({ONE: 2.0, ONE_BF16: 1.5, TWO: 20.0, TWO_BF16: 20.0}, ONE_BF16),  # a busy one with it
        ({ONE: 1.0, ONE_BF16: 0.95, TWO: 3.0, TWO_BF16: 3.0}, ONE),  # it gains too little
    ],
)
def test_the_fastest_is_chosen(monkeypatch, seconds, best):
    torch.set_num_threads(2)
    taking(seconds, monkeypatch)
    assert fastest_execution(None, ["fp32", "bf16"], 30, SMALL).execution == best
    assert torch.get_num_threads() == best.threads


def test_what_is_given_is_not_measured(monkeypatch):
    stepped = taking({}, monkeypatch)
    assert fastest_execution(1, ["fp32"], 30, SMALL) == Measured(ONE, 1.0)
    assert stepped == []


def test_only_what_is_open_is_measured(monkeypatch):
    stepped = taking({ONE: 2.0, ONE_BF16: 1.0}, monkeypatch)
    assert fastest_execution(1, ["fp32", "bf16"], 30, SMALL) == Measured(ONE_BF16, 2.0)
    assert set(stepped) == {ONE, ONE_BF16}


def test_the_hopeless_are_not_measured_to_the_end(monkeypatch):
    torch.set_num_threads(2)
    stepped = taking({ONE: 1.0, ONE_BF16: 1.0, TWO: 50.0, TWO_BF16: 50.0}, monkeypatch)
    fastest_execution(None, ["fp32", "bf16"], 200, SMALL)
    assert stepped.count(TWO) < stepped.count(ONE)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=NEEDS_BF16)])
def test_a_step_computes_gradients_with_its_threads(precision):
    training_step(Execution(1, precision), SMALL)()
    assert torch.get_num_threads() == 1
