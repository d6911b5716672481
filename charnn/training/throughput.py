"""Which number of threads and which precision train fastest here and now: measured for a moment, not assumed.

Two threads share the small products of a recurrent step well on a quiet machine and several times worse than one on a
busy one, where each waits for the other; bfloat16 products are faster where the processor computes in them and slower
where they are emulated. Neither can be read off the machine's description.
"""

import time
from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import nn

from charnn.config import Precision

HOPELESS = 2.0  # times the seconds of the fastest: measured no further
BF16_GAIN = 1.1  # what the lower precision must gain to be worth it
ROUNDS = 3  # at least


class Execution(NamedTuple):
    """How many CPU threads compute, and in which precision."""

    threads: int
    precision: Precision


class Workload(NamedTuple):
    """B streams of T symbols through an LSTM from I inputs to H hidden units: what stands for a step of the run."""

    batch: int
    time: int
    inputs: int
    hidden: int


class Measured(NamedTuple):
    """The fastest execution, and how many times as fast its precision is as float32 on as many threads."""

    execution: Execution
    gain: float = 1.0


Step = Callable[[], None]


def fastest_execution(
    threads: int | None, precisions: Sequence[Precision], seconds: float, workload: Workload
) -> Measured:
    """The fastest for `workload` on this CPU, with any of `precisions` and so many threads (None: one or all).

    It takes about `seconds`, and leaves torch with the threads it chose.
    """
    counts = [threads] if threads is not None else sorted({1, torch.get_num_threads()})
    candidates = [Execution(*pair) for pair in product(counts, precisions)]
    measured = Measured(candidates[0]) if len(candidates) == 1 else _fastest(candidates, seconds, workload)
    torch.set_num_threads(measured.execution.threads)
    return measured


def _fastest(candidates: Sequence[Execution], seconds: float, workload: Workload) -> Measured:
    """The candidate whose steps take least time on average, measured in turns, so that all meet the same load."""
    steps = {candidate: training_step(candidate, workload) for candidate in candidates}
    for step in steps.values():
        step()  # allocates, and converts weights
    spent = dict.fromkeys(candidates, 0.0)
    running = list(candidates)
    begun, rounds = time.perf_counter(), 0
    while rounds < ROUNDS or (time.perf_counter() - begun < seconds and len(running) > 1):
        for candidate in running:
            start = time.perf_counter()
            steps[candidate]()
            spent[candidate] += time.perf_counter() - start
        rounds += 1
        least = min(spent[candidate] for candidate in running)
        running = [candidate for candidate in running if spent[candidate] <= HOPELESS * least]
    best = min(running, key=lambda candidate: spent[candidate] * _handicap(candidate))
    in_float32 = Execution(best.threads, "fp32")
    return Measured(best, spent[in_float32] / spent[best] if in_float32 in running else 1.0)


def _handicap(candidate: Execution) -> float:
    return BF16_GAIN if candidate.precision == "bf16" else 1.0


def training_step(execution: Execution, workload: Workload) -> Step:
    """A forward and a backward pass of the workload's LSTM, as `execution` says."""
    network = nn.LSTM(workload.inputs, workload.hidden)
    shape = workload.time, workload.batch, workload.inputs
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0))

    def step() -> None:
        torch.set_num_threads(execution.threads)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=execution.precision == "bf16"):
            hidden, _ = network(inputs)
        hidden.float().sum().backward()

    return step
