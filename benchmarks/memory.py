"""Peak memory of a whole training run, torch included, on a small corpus and on a large one.

python benchmarks/memory.py [--megabytes 400 | --full]
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ALPHABET = "the quick brown fox jumps over the lazy dog, THE END.\n 0123456789 "
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
        corpus = written(Path(folder, "corpus.txt"), megabytes)
        environment = {**os.environ, "XDG_CACHE_HOME": folder, "PYTHONPATH": str(Path(__file__).parents[1])}
        command = [sys.executable, __file__, "--peak-of", corpus]
        return float(subprocess.check_output(command, env=environment, cwd=folder, text=True))


def written(path: Path, megabytes: int) -> Path:
    """Random characters, a block of a megabyte repeated."""
    block = "".join(random.Random(0).choices(ALPHABET, k=1_000_000)).encode()
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(block)
    return path


def peak_of_training(corpus: Path) -> float:
    train = [sys.executable, "-m", "charnn", "train", corpus, "--steps", STEPS, "--hidden", "128", "--quiet"]
    subprocess.run([*train, "--device", "cpu", "--ngram-rows", "4096"], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    main()
