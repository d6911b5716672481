"""Sampling and scoring beside what they compare to: medians of one run, each pair measured in turn.

python -m benchmarks.inference [--json FILE]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from charnn.bundled import bundled_corpus, bundled_model

if TYPE_CHECKING:
    from torch import nn

ROUNDS, LONG_ROUNDS = 5, 3
ALPHABET = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # Tiny Shakespeare's, V = 65
HIDDEN = 256
MANY, MANY_CHARS = 256, 2000
LINES = 10_000
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `charnn` itself does
PYTHON = sys.executable
CHARNN = [PYTHON, "-m", "charnn"]


@dataclass(frozen=True)
class Figure:
    """A measured value beside another; `goal` bounds value/other, or the value itself where there is no other."""

    name: str
    value: float
    unit: str
    goal: str
    other: float | None = None
    beside: str = ""

    def row(self) -> str:
        ratio = f"{self.value / self.other:.2f} ×" if self.other else ""
        other = f"{self.other:,.4g}" if self.other else ""
        return f"{self.name:<34}{self.value:>10,.4g} {self.unit:<8}{ratio:>8}  {self.goal:<10}{other:>10} {self.beside}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    print(f"{'':<34}{'charnn':>10} {'':<8}{'ratio':>8}  {'goal':<10}{'beside':>10}")
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for measure in (processes, single_streams, whole_batches):
            for figure in measure(Path(folder)):
                print(figure.row(), flush=True)
                figures.append(figure)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")


def processes(folder: Path) -> list[Figure]:
    """What a process needs to begin. These come first: a child's peak memory counts that of its parent."""
    shipped = bundled_model()
    model = shipped if shipped.exists() else random_model(folder, layers=1)
    sample = [*CHARNN, "sample", "--model", str(model), "--seed", "1"]
    peak = median(peak_memory([*sample, "--length", "1000"]) for _ in range(ROUNDS))
    first = partial(seconds_to_first_byte, [*sample, "--length", "1000"])
    numpy = partial(seconds_of, [PYTHON, "-c", "import numpy"])
    text = partial(seconds_of, [*CHARNN, "--help"])
    typer = partial(seconds_of, [PYTHON, "-c", "import typer, rich"])
    return [
        Figure("peak memory of sample", peak, "MB", "≤ 120"),
        Figure("first character", *beside("s", "≤ 3 ×", first, numpy), "import numpy"),
        Figure("--help", *beside("s", "≤ 2 ×", text, typer), "import typer, rich"),
    ]


def single_streams(folder: Path) -> list[Figure]:
    """One character at a time, in characters a second."""
    figures = []
    for layers in (1, 2):
        name = f"one stream, {layers}×{HIDDEN}"
        ours = partial(stream_speed, random_model(folder, layers))
        for goal, other, what in (
            ("≥ 5 ×", partial(torch_stream_speed, layers), "nn.LSTM loop"),
            ("≥ 0.5 ×", partial(product_speed, layers, 1), "products alone"),
        ):
            figures.append(Figure(name, *beside("chars/s", goal, ours, other), what))
    return figures


def whole_batches(folder: Path) -> list[Figure]:
    """Many samples and many lines, both from the start of the process, in characters a second."""
    model = random_model(folder, layers=1)
    verse = folder / "verse.txt"
    verse.write_text("\n".join(verse_lines()))
    scored = sum(map(len, verse_lines()))
    loop, products = partial(torch_stream_speed, 1), partial(all_cores_product_speed, 1, 128)
    chars_beside = partial(beside, "chars/s", rounds=LONG_ROUNDS)
    many = ["sample", "--seed", "1", "-n", str(MANY), "-l", str(MANY_CHARS), "--model", str(model)]
    sampled = partial(speed_of, [*CHARNN, *many], MANY * MANY_CHARS)
    score = partial(speed_of, [*CHARNN, "score", "--model", str(model), "--file", str(verse)], scored)
    library = partial(scoring_speed, model)
    return [
        Figure(f"-n {MANY} -l {MANY_CHARS}", *chars_beside("≥ 30 ×", sampled, loop), "nn.LSTM loop"),
        Figure(f"charnn score, {LINES:,} lines", *chars_beside("≥ 30 ×", score, loop), "nn.LSTM loop"),
        Figure(f"score_many, {LINES:,} lines", *chars_beside("≥ 0.4 ×", library, products), "products alone"),
    ]


def beside(
    unit: str, goal: str, ours: Callable[[], float], theirs: Callable[[], float], rounds: int = ROUNDS
) -> tuple[float, str, str, float]:
    """Medians of two measures taken in turn: a figure's middle fields."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return median(pair[0] for pair in pairs), unit, goal, median(pair[1] for pair in pairs)


def seconds_of(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def speed_of(command: Sequence[str], chars: int) -> float:
    return chars / seconds_of(command)


def seconds_to_first_byte(command: Sequence[str]) -> float:
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        seconds = time.perf_counter() - start
        child.stdout.read()
    return seconds


def peak_memory(command: Sequence[str]) -> float:
    """MB resident at most."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(child.pid, 0)
    return usage.ru_maxrss / 1024


def random_model(folder: Path, layers: int) -> Path:
    """An LSTM of one-hot input that nobody trained: as fast as a trained one."""
    import numpy as np

    from charnn.config import ModelConfig
    from charnn.data.vocab import Vocabulary
    from charnn.model.kinds import weight_shapes
    from charnn.storage.model_file import ModelFile, write_model

    path = folder / f"{layers}.safetensors"
    if not path.exists():
        config = ModelConfig(len(ALPHABET), layers=layers, hidden=HIDDEN)
        numbers = np.random.default_rng(0)
        weights = {
            name: (numbers.standard_normal(shape) / 16).astype(np.float32)
            for name, shape in weight_shapes(config).items()
        }
        write_model(path, ModelFile(config, Vocabulary(ALPHABET), weights, {"corpus": "random"}))
    return path


def verse_lines() -> list[str]:
    """Lines of the bundled play, again and again, in the alphabet of the models here."""
    text = "".join(c for c in bundled_corpus().read_text(encoding="utf-8") if c in ALPHABET)
    lines = [line for line in text.split("\n") if line]
    return (lines * (LINES // len(lines) + 1))[:LINES]


def stream_speed(model: Path, chars: int = 4000) -> float:
    import charnn

    stream = charnn.load(model).stream(length=chars, seed=1)
    start = time.perf_counter()
    for _ in stream:
        pass
    return chars / (time.perf_counter() - start)


def scoring_speed(model: Path) -> float:
    import charnn

    lines, loaded = verse_lines(), charnn.load(model)
    start = time.perf_counter()
    for _ in loaded.score_many(lines):
        pass
    return sum(map(len, lines)) / (time.perf_counter() - start)


def torch_stream_speed(layers: int) -> float:
    """The usual loop: nn.LSTM a step at a time, softmax, multinomial. On one core or on all, whichever is faster."""
    import torch
    from torch import nn

    rnn, output = nn.LSTM(len(ALPHABET), HIDDEN, layers), nn.Linear(HIDDEN, len(ALPHABET))
    speeds = []
    for threads in {1, cores()}:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            speeds.append(torch_loop_speed(rnn, output))
    return max(speeds)


def torch_loop_speed(rnn: "nn.LSTM", output: "nn.Linear", chars: int = 400) -> float:
    import torch
    from torch.nn.functional import one_hot

    ids, state = torch.zeros(1, 1, dtype=torch.long), None
    start = time.perf_counter()
    for _ in range(chars):
        hidden, state = rnn(one_hot(ids, len(ALPHABET)).float(), state)
        ids = torch.multinomial(output(hidden[0]).softmax(dim=1), 1)
    return chars / (time.perf_counter() - start)


def all_cores_product_speed(layers: int, batch: int) -> float:
    """The sum over all cores, each with a batch of its own."""
    with ThreadPoolExecutor(cores()) as pool:
        return sum(pool.map(lambda _: product_speed(layers, batch, steps=400), range(cores())))


def product_speed(layers: int, batch: int, steps: int = 4000) -> float:
    """NumPy's bare matrix products of a step: recurrent, between layers, output. One-hot input needs none."""
    import numpy as np

    hidden = np.ones((batch, HIDDEN), np.float32)
    stacked = np.ones((4 * HIDDEN, HIDDEN), np.float32)
    output = np.ones((len(ALPHABET), HIDDEN), np.float32)
    gates, logits = np.empty((batch, 4 * HIDDEN), np.float32), np.empty((batch, len(ALPHABET)), np.float32)
    start = time.perf_counter()
    for _ in range(steps):
        for _ in range(2 * layers - 1):
            np.dot(hidden, stacked.T, out=gates)
        np.dot(hidden, output.T, out=logits)
    return steps * batch / (time.perf_counter() - start)


def cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    main()
