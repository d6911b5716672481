"""Peak memory of whole training runs, torch included, begun and resumed, beside the size of their weights.

python -m benchmarks.memory [--megabytes 6 400]

Everything is as charnn chooses it: of a larger corpus most of the weights are n-gram tables. Exits with 1 when a peak
is above 3 times the weights and 300 MB.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.encoding import ASCII, write_corpus

STEPS, MORE_STEPS = "300", "400"
LIMIT_WEIGHTS, LIMIT_REST = 3, 300  # times the weights, and megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[6, 400], help="of text")
    parser.add_argument("--peak-of", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak_of:
        print(peak_of_training(arguments.peak_of))
        return
    print(f"{'text':>8}{'weights':>10}{'peak':>8}{'resumed':>9}{'limit':>8}   MB")
    sys.exit(sum(is_above_limit(megabytes) for megabytes in arguments.megabytes) > 0)


def is_above_limit(megabytes: int) -> bool:
    """Train on so much text, resume, and print the row."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(Path(folder, "corpus.txt"), ASCII, megabytes)
        begun = peak(folder, str(corpus), "--steps", STEPS, "--out", "run")
        resumed = peak(folder, "--resume", "--steps", MORE_STEPS, "--out", "run")
        start = json.loads(Path(folder, "run/metrics.jsonl").read_text().splitlines()[0])
    weights = 4e-6 * start["parameters"]
    limit = LIMIT_WEIGHTS * weights + LIMIT_REST
    print(f"{megabytes:8,}{weights:10.0f}{begun:8.0f}{resumed:9.0f}{limit:8.0f}", flush=True)
    return max(begun, resumed) > limit


def peak(folder: str, *arguments: str) -> float:
    """Peak resident megabytes of `charnn train`, asked for in a fresh process so that no other's counts."""
    environment = {**os.environ, "XDG_CACHE_HOME": folder, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "benchmarks.memory", "--peak-of", *arguments]
    return float(subprocess.check_output(command, env=environment, cwd=folder, text=True))


def peak_of_training(arguments: list[str]) -> float:
    """Of this process's child."""
    command = [sys.executable, "-m", "charnn", "train", "--quiet", "--device", "cpu"]
    subprocess.run([*command, *arguments], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
