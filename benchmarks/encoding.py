"""Encoding speed beside a plain Counter and dict look-up, and peak memory against the corpus's size.

python benchmarks/encoding.py [--megabytes 400 | --full]
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ASCII = "the quick brown fox jumps over the lazy dog, THE END.\n 0123456789 " * 2
MIXED = ASCII + "àéîõüß абвгдежзийклмнопрстуфх αβγδεζη 漢字仮名交じり文の例 한국어 😀🎉"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=400, help="the large corpus of the memory test")
    parser.add_argument("--full", action="store_true", help="a large corpus of 4 GB")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak_of:
        print(peak_memory(arguments.peak_of))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        # memory first: a process's peak counts that of the one it was forked from
        compare_memory(folder, 4000 if arguments.full else arguments.megabytes)
        for name, alphabet in (("ASCII", ASCII), ("mixed Unicode", MIXED)):
            compare_speed(name, write_corpus(Path(folder, "speed.txt"), alphabet, 64))


def write_corpus(path: Path, alphabet: str, megabytes: int) -> Path:
    """Random characters of `alphabet`, a block of about 1 MB repeated."""
    block = "".join(random.Random(0).choices(alphabet, k=1_000_000)).encode()
    with path.open("wb") as file:
        for _ in range(max(1, megabytes * 1_000_000 // len(block))):
            file.write(block)
    return path


def compare_speed(name: str, path: Path) -> None:
    from charnn.text.encode import encode_text

    ours = speed(lambda: encode_text([str(path)]), path)
    plain = speed(lambda: encode_plainly(path), path)
    print(f"{name}: charnn {ours:.0f} MB/s, Counter and dict {plain:.0f} MB/s ({ours / plain:.1f} times)")


def speed(encode: Callable[[], object], path: Path) -> float:
    """MB of the file for each second of this process, on one core."""
    start = time.process_time()
    encode()
    return path.stat().st_size / 1e6 / (time.process_time() - start)


def encode_plainly(path: Path) -> list[int]:
    text = path.read_text(encoding="utf-8")
    ids = {character: i for i, (character, _) in enumerate(Counter(text).most_common())}
    return [ids[character] for character in text]


def compare_memory(folder: str, large: int) -> None:
    peaks = []
    for megabytes in (4, large):
        path = write_corpus(Path(folder, "memory.txt"), MIXED, megabytes)
        command = [sys.executable, __file__, "--peak-of", str(path)]
        peaks.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(f"peak resident memory, {megabytes:,} MB encoded and an epoch read: {peaks[-1]:.0f} MB")
    print(f"difference: {peaks[1] - peaks[0]:.0f} MB")


def peak_memory(path: Path) -> float:
    """MB, after encoding `path` and reading windows all over it."""
    from charnn.config import DataConfig
    from charnn.text.corpus import open_corpus
    from charnn.text.lanes import Lanes

    corpus = open_corpus(DataConfig(sources=(str(path),)))
    lanes = Lanes(corpus.train, 64, 4096)
    for position in range(lanes.windows_per_epoch):
        lanes.window(position)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
