"""Collections: loss on makemore's split beside makemore's own model, encoding, memory, speed of sampling.

python -m benchmarks.collections NAMES [--seconds 60] [--only loss|orders|encoding|memory|sampling]

NAMES is the list of names that makemore ships.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TEST_WORDS = 1000
MAKEMORE_SEED = 3407
LINES = 10_000_000
FEW_LINES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--only", choices=("loss", "orders", "encoding", "memory", "sampling"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        home = Path(folder)
        words = Path(arguments.names).read_text().split()
        parts = {
            "loss": lambda: print_loss(home, words, arguments.seconds),
            "orders": lambda: print_orders(home, words, arguments.seconds),
            "encoding": lambda: print_encoding(home, words, arguments.lines),
            "memory": lambda: print_memory(home, words, arguments.lines),
            "sampling": lambda: print_sampling(home, words),
        }
        for name, part in parts.items():
            if arguments.only in (None, name):
                part()


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """makemore's: the last 1,000 of a permutation are the test; the others stay in the order of the list."""
    import torch

    torch.manual_seed(MAKEMORE_SEED)
    order = torch.randperm(len(words)).tolist()
    train, test = sorted(order[:-TEST_WORDS]), order[-TEST_WORDS:]
    return [words[i] for i in train], [words[i] for i in test]


def print_loss(home: Path, words: Sequence[str], seconds: float) -> None:
    train, test = split(words)
    ours = charnn_loss(home, "as-it-is", train, test, seconds)
    command = ["-m", "benchmarks.peers.makemore", str(home / "as-it-is.txt"), str(home / "test.txt")]
    theirs = json.loads(output_of([*command, "--seconds", str(seconds)]).splitlines()[-1])
    print(
        f"charnn {ours:.4f} nats a symbol, makemore {theirs['test_nats_per_symbol']:.4f}, {seconds:g} s each"
    )


def print_orders(home: Path, words: Sequence[str], seconds: float) -> None:
    """The same list as it is, sorted and shuffled."""
    train, test = split(words)
    shuffled = random.Random(0).sample(train, len(train))
    orders = {"as-it-is": train, "sorted": sorted(train), "shuffled": shuffled}
    for name, listed in orders.items():
        print(f"{name}: {charnn_loss(home, name, listed, test, seconds):.4f}")


def charnn_loss(home: Path, name: str, train: Sequence[str], test: Sequence[str], seconds: float) -> float:
    """Test loss of `charnn train LIST --minutes …` and nothing else, nats a symbol."""
    (home / f"{name}.txt").write_text("\n".join(train) + "\n")
    (home / "test.txt").write_text("\n".join(test) + "\n")
    run = str(home / "runs" / name)
    charnn("train", str(home / f"{name}.txt"), "--out", run, "--minutes", str(seconds / 60), "--quiet")
    scores = [json.loads(line) for line in charnn("score", "-m", run, "-f", str(home / "test.txt"), "--json")]
    return float(-sum(one["log_prob"] for one in scores) / sum(one["chars"] + 1 for one in scores))


def print_encoding(home: Path, words: Sequence[str], lines: int) -> None:
    """Seconds to encode a list as lines and as one text."""
    from charnn.data.encode import encode_text

    path = long_list(home / "many.txt", words, lines)
    taken = {}
    for documents in ("none", "lines"):
        started = time.perf_counter()
        encode_text([str(path)], documents=documents)
        taken[documents] = time.perf_counter() - started
    size = path.stat().st_size / 1e6
    print(
        f"{lines:,} lines, {size:,.0f} MB: one text {taken['none']:.1f} s, lines {taken['lines']:.1f} s, "
        f"{taken['lines'] / taken['none']:.2f} times"
    )


def print_memory(home: Path, words: Sequence[str], lines: int) -> None:
    """Peak resident memory of training on few and on many lines."""
    peaks = []
    for count in (FEW_LINES, lines):
        path = long_list(home / f"{count}.txt", words, count)
        command = ["train", str(path), "--documents", "lines", "--steps", "20", "--hidden", "64"]
        peaks.append(peak_of([*command, "--ngrams", "0", "--out", str(home / f"run-{count}"), "--quiet"]))
    print(f"peak memory: {peaks[0]:,.0f} MB of {FEW_LINES:,} lines, {peaks[1]:,.0f} MB of {lines:,}")


def print_sampling(home: Path, words: Sequence[str]) -> None:
    """Characters a second of ten thousand names, the start of the process included."""
    path = long_list(home / "names.txt", words, len(words))
    run = str(home / "sampled")
    charnn("train", str(path), "--out", run, "--steps", "300", "--hidden", "192", "--quiet")
    started = time.perf_counter()
    samples = [
        json.loads(line) for line in charnn("sample", "-m", run, "-n", "10000", "--json", "--seed", "1")
    ]
    seconds = time.perf_counter() - started
    symbols = sum(one["chars"] + 1 for one in samples)
    print(f"sample -n 10000 --json: {symbols / seconds:,.0f} characters a second, ends included")


def long_list(path: Path, words: Sequence[str], lines: int) -> Path:
    """A list of so many lines of four words each, or of the words themselves."""
    numbers = random.Random(0)
    with path.open("w") as file:
        for first in range(0, lines, 100_000):
            count = min(100_000, lines - first)
            file.writelines(f"{' '.join(numbers.choices(words, k=4))}\n" for _ in range(count))
    return path


def charnn(*arguments: str) -> list[str]:
    return output_of(["-m", "charnn", *arguments]).splitlines()


def output_of(arguments: Sequence[str]) -> str:
    return subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    ).stdout


def peak_of(arguments: Sequence[str]) -> float:
    """MB that a charnn command had resident at most."""
    code = (
        f"import sys; sys.argv = ['charnn', *{list(arguments)!r}]; from charnn.__main__ import main; main()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    usage = os.wait4(process.pid, 0)[2]
    return float(usage.ru_maxrss) / (1e3 if sys.platform != "darwin" else 1e6)


if __name__ == "__main__":
    main()
