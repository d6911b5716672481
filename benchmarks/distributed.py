"""Two processes beside one, what an exchange costs, and a projection: `python -m benchmarks.distributed`.

One process with one thread reads B streams; two processes with a thread each read 2 B. The network is the recipe's for
the corpus and `--minutes`. The projection takes the measured step, drawing and payload, and a bandwidth and latency.
"""

import json
import os
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from charnn.bundled import bundled_corpus
from charnn.config import Budget, DataConfig, TrainConfig
from charnn.data.corpus import open_corpus
from charnn.storage.train_state import Plan
from charnn.training.distributed import joined
from charnn.training.place import find_place
from charnn.training.recipe import RecipeInputs, choose
from charnn.training.tasks import task_for
from charnn.training.trainer import Trainer

SETTLING = 5  # steps before the measured ones
NETWORKS = {
    "1 GbE": (117e6, 50e-6),
    "10 GbE": (1.17e9, 30e-6),
    "100 Gbit/s": (11.7e9, 5e-6),
}  # bytes and seconds
RANKS = (2, 8, 64, 512)


def main() -> None:
    parser = ArgumentParser(prog="python -m benchmarks.distributed", description=__doc__)
    parser.add_argument("corpus", nargs="?", default=str(bundled_corpus()))
    parser.add_argument("--minutes", type=float, default=10.0, help="the budget that the recipe chooses for")
    parser.add_argument("--gflops", type=float, default=130.0, help="of the machine that it chooses for")
    parser.add_argument("--batch-size", type=int, default=16, help="streams of each process")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many measurements")
    given = parser.parse_args()
    if find_place() is not None:
        print(json.dumps(measure(given)))
        return
    one = median(given, 1)
    two = median(given, 2)
    report(given, one, two)
    project(given, one, two)


def measure(given: Any) -> dict[str, float]:
    """In each process: seconds of a step, of its exchange and of its random numbers; bytes that are exchanged."""
    torch.set_num_threads(1)
    corpus = open_corpus(DataConfig((given.corpus,), documents="none"))
    place = find_place()
    assert place is not None
    with joined(place, {"device": "cpu"}, lambda: None) as group:
        config = chosen(given, corpus, group.part.size)
        trainer = Trainer(config, task_for(config, corpus, group.part), None, group)
        trainer.train_state.plans.append(Plan(0, 10**6, 0.0, 10**6, 10**6))
        spent = {"reduce": Spent(group.all_reduce), "gather": Spent(group.all_gather)}
        group.all_reduce, group.all_gather = spent["reduce"], spent["gather"]  # type: ignore[method-assign]
        for _ in range(SETTLING):
            trainer.step()
        for one in spent.values():
            one.restart()
        begun = time.perf_counter()
        for _ in range(given.steps):
            trainer.step()
        step = (time.perf_counter() - begun) / given.steps
    model = config.model
    return {
        "step": step,
        "chars": trainer.task.symbols_per_batch,
        "draw": drawing(model, given.batch_size, config.optim.seq_length),
        **{f"{name}_seconds": one.seconds / given.steps for name, one in spent.items()},
        **{f"{name}_bytes": one.bytes / given.steps for name, one in spent.items()},
        "parameters": sum(p.numel() for p in trainer.network.parameters()),
    }


def chosen(given: Any, corpus: Any, size: int) -> TrainConfig:
    options = {"minutes": given.minutes, "batch_size": given.batch_size * size}
    data = DataConfig((given.corpus,), documents="none")
    inputs = RecipeInputs(len(corpus.train), len(corpus.vocabulary), "cpu", given.gflops)
    config = choose(options, data, inputs)
    return replace(config, device="cpu", precision="fp32", threads=1, budget=Budget(steps=10**6))


def drawing(model: Any, streams: int, steps: int) -> float:
    """Seconds that the random numbers of so many streams take, which each process draws for the whole batch."""
    begun = time.perf_counter()
    for _ in range(50):
        torch.rand(steps, streams, max(model.ngrams - 1, 1)) if model.ngram_dropout else None
        torch.empty(1, streams, model.output_size).bernoulli_(0.5) if model.dropout else None
    return (time.perf_counter() - begun) / 50


class Spent:
    """A collective, its seconds and its bytes summed."""

    def __init__(self, collective: Callable[[torch.Tensor], Any]) -> None:
        self._collective = collective
        self.restart()

    def restart(self) -> None:
        self.seconds, self.bytes = 0.0, 0

    def __call__(self, tensor: torch.Tensor) -> Any:
        begun = time.perf_counter()
        found = self._collective(tensor)
        self.seconds += time.perf_counter() - begun
        self.bytes += tensor.numel() * tensor.element_size()
        return found


def median(given: Any, size: int) -> dict[str, float]:
    """The measurement, of several, with the median step."""
    found = sorted((run(size) for _ in range(given.rounds)), key=lambda one: one["step"])
    return found[len(found) // 2]


def run(size: int) -> dict[str, float]:
    """Rank 0's measurement in `size` processes of this command."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.distributed", *sys.argv[1:]],
            env={
                **os.environ,
                "RANK": str(rank),
                "WORLD_SIZE": str(size),
                "LOCAL_RANK": str(rank),
                "LOCAL_WORLD_SIZE": str(size),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
        )
        for rank in range(size)
    ]
    outputs = [process.communicate()[0] for process in processes]
    found: dict[str, float] = json.loads(outputs[0])
    return found


def report(given: Any, one: dict[str, float], two: dict[str, float]) -> None:
    speeds = [found["chars"] / found["step"] for found in (one, two)]
    exchange = (two["reduce_seconds"] + two["gather_seconds"]) / two["step"]
    print(f"{one['parameters']:,.0f} parameters, {given.batch_size} streams a process")
    print(f"1 process, 1 thread: {1000 * one['step']:.1f} ms a step, {speeds[0]:,.0f} characters a second")
    print(f"2 processes:         {1000 * two['step']:.1f} ms a step, {speeds[1]:,.0f} characters a second")
    print(f"speed × {speeds[1] / speeds[0]:.2f}; exchange, waiting included, {exchange:.0%} of a step")
    print(
        f"a step exchanges {two['reduce_bytes'] / 1e6:.2f} MB of dense gradients and "
        f"{two['gather_bytes'] / 1e6:.2f} MB of rows a process; drawing {1e6 * one['draw']:.0f} µs"
    )


def project(given: Any, one: dict[str, float], two: dict[str, float]) -> None:
    """Seconds of a step of N processes: compute, a ring's all-reduce and gathering, all processes' random numbers."""
    print(
        "| network | ranks | all-reduce | rows | random numbers | step | efficiency |\n|---|---|---|---|---|---|---|"
    )
    for name, (bandwidth, latency) in NETWORKS.items():
        for ranks in RANKS:
            reduce = 2 * (ranks - 1) / ranks * two["reduce_bytes"] / bandwidth + 2 * (ranks - 1) * latency
            gather = (ranks - 1) * (two["gather_bytes"] / bandwidth + latency)
            draw = (ranks - 1) * one["draw"]
            step = one["step"] + reduce + gather + draw
            cells = [f"{1000 * seconds:.1f} ms" for seconds in (reduce, gather, draw, step)]
            print(f"| {name} | {ranks} | {' | '.join(cells)} | {one['step'] / step:.0%} |")


if __name__ == "__main__":
    main()
