"""Encoding speed beside a plain Counter and dict look-up: python -m benchmarks.encoding"""

import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ASCII = "the quick brown fox jumps over the lazy dog, THE END.\n 0123456789 " * 2
MIXED = ASCII + "àéîõüß абвгдежзийклмнопрстуфх αβγδεζη 漢字仮名交じり文の例 한국어 😀🎉"
MEGABYTES = 64


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for name, alphabet in (("ASCII", ASCII), ("mixed Unicode", MIXED)):
            compare_speed(name, write_corpus(Path(folder, "speed.txt"), alphabet, MEGABYTES))


def write_corpus(path: Path, alphabet: str, megabytes: int) -> Path:
    """Random characters of `alphabet`, a block of about 1 MB repeated."""
    block = "".join(random.Random(0).choices(alphabet, k=1_000_000)).encode()
    with path.open("wb") as file:
        for _ in range(max(1, megabytes * 1_000_000 // len(block))):
            file.write(block)
    return path


def compare_speed(name: str, path: Path) -> None:
    from charnn.data.encode import encode_text

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


if __name__ == "__main__":
    main()
