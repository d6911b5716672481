"""Peak memory of a whole training run, torch included, on a small corpus and on a large one.

python -m benchmarks.memory [--megabytes 400 | --full]
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.encoding import ASCII, write_corpus

SMALL = 4  # megabytes
STEPS = "300"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=400, help="the large corpus")
    parser.add_argument("--full", action="store_true", help="a large corpus of 4 GB")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak_of:
        print(peak_of_training(arguments.peak_of))
        return
    sizes = [SMALL, 4000 if arguments.full else arguments.megabytes]
    peaks = [measured(size) for size in sizes]
    for size, peak in zip(sizes, peaks, strict=True):
        print(f"{size:5,} MB of text: peak {peak:.0f} MB resident")
    print(f"difference: {peaks[1] - peaks[0]:.0f} MB")


def measured(megabytes: int) -> float:
    """Peak resident megabytes of `charnn train`, asked for in a fresh process so that no other's counts."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(Path(folder, "corpus.txt"), ASCII, megabytes)
        environment = {**os.environ, "XDG_CACHE_HOME": folder, "PYTHONPATH": str(Path(__file__).parents[1])}
        command = [sys.executable, "-m", "benchmarks.memory", "--peak-of", corpus]
        return float(subprocess.check_output(command, env=environment, cwd=folder, text=True))


def peak_of_training(corpus: Path) -> float:
    train = [sys.executable, "-m", "charnn", "train", corpus, "--steps", STEPS, "--hidden", "128", "--quiet"]
    subprocess.run([*train, "--device", "cpu", "--ngram-rows", "4096"], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    main()
