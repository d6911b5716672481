"""Pairs: accuracy of the inflection and pronunciation that everyone measures, with and without attention, and speed.

python -m benchmarks.pairs FOLDER [--only turkish|cmudict|attention|reversal|speed] [--minutes F] [--seeds 3]

FOLDER holds turkish/ (train.tsv, dev.tsv, test.tsv: CoNLL-SIGMORPHON 2017, 1,000 training triples) and cmudict/
(g014b2b.train, g014b2b.ref: the standard split). Minutes are wall clock from the start of the process; the processor
time of each run stands beside its figure, for machines that do other work. Peers' figures are as published.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from statistics import mean, median

TURKISH_PEERS = "yoyodyne: best LSTM 86.3, best of all 89.4"
CMUDICT_PEERS = "WER: Phonetisaurus 24.4, g2p-seq2seq LSTM 23.3, transformer 20.2, Toshniwal and Livescu 21.7"
WORDS = 10_000  # of the measurement of speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=list(PARTS))
    parser.add_argument("--minutes", type=float, help="instead of each part's own")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for part in [arguments.only] if arguments.only else PARTS:
            PARTS[part](arguments.folder.resolve(), Path(work), arguments.minutes, arguments.seeds)


def turkish(folder: Path, work: Path, minutes: float | None, seeds: int, *options: str) -> None:
    """Test accuracy after 3 minutes."""
    data = folder / "turkish"
    pairs = ["--pairs", str(data / "train.tsv"), "--val", str(data / "dev.tsv"), *options]
    found = [score(data / "test.tsv", train(work, minutes or 3, seed, *pairs)) for seed in range(seeds)]
    right = [100 * one["accuracy"] for one in found]
    show(
        f"turkish {' '.join(options)}",
        f"accuracy {mean(right):.1f} %, mean of {spread(right)}",
        TURKISH_PEERS,
    )


def cmudict(folder: Path, work: Path, minutes: float | None, seeds: int, *options: str) -> None:
    """Test word error rate after 10 minutes."""
    data = folder / "cmudict"
    pairs = [
        "--pairs",
        str(data / "g014b2b.train"),
        "--target-separator",
        " ",
        "--val-fraction",
        "0.02",
        *options,
    ]
    test = work / "cmudict.tsv"
    test.write_text("".join(pronunciations((data / "g014b2b.ref").read_text())))
    found = [score(test, train(work, minutes or 10, seed, *pairs)) for seed in range(seeds)]
    wrong = [100 * one["wer"] for one in found]
    show(
        f"cmudict {' '.join(options)}", f"WER {median(wrong):.1f} %, median of {spread(wrong)}", CMUDICT_PEERS
    )
    for name in ("g014b2b.train", "g014b2b.ref"):
        print(f"  {name}: SHA-256 {sha256((data / name).read_bytes()).hexdigest()}")


def pronunciations(reference: str) -> Iterator[str]:
    """A pair a line, of lines of a word and its pronunciations, tabs between them."""
    for line in reference.splitlines():
        word, *targets = line.split("\t")
        yield from (f"{word}\t{target}\n" for target in targets)


def attention(folder: Path, work: Path, minutes: float | None, seeds: int) -> None:
    """Why attention was invented: both data sets with it and without."""
    for kind in ("dot", "none"):
        turkish(folder, work, minutes, seeds, "--attention", kind)
        cmudict(folder, work, minutes, seeds, "--attention", kind)


def reversal(folder: Path, work: Path, minutes: float | None, seeds: int) -> None:
    """Strings of up to 12 letters backwards, 2 minutes, on strings that weren't trained on."""
    numbers = Random(0)
    words = list({"".join(numbers.choices("abcdefghij", k=numbers.randint(1, 12))) for _ in range(11_000)})
    for name, part in (("train", words[:-1000]), ("test", words[-1000:])):
        (work / f"{name}.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in part))
    runs = (train(work, minutes or 2, seed, "--pairs", str(work / "train.tsv")) for seed in range(seeds))
    right = [100 * score(work / "test.tsv", run)["accuracy"] for run in runs]
    show("reversal", f"accuracy {spread(right)} on held-out strings", "")


def speed(folder: Path, work: Path, minutes: float | None, seeds: int) -> None:
    """Seconds for 10,000 words and for the first, start included, of a model trained for a minute."""
    data = folder / "cmudict"
    run = train(work, minutes or 1, 0, "--pairs", str(data / "g014b2b.train"), "--target-separator", " ")
    lines = (data / "g014b2b.ref").read_text().splitlines()
    words = "".join(line.partition("\t")[0] + "\n" for line in lines[:WORDS])
    for name, text, beam in (("first word", "LANTERN\n", 5), ("greedy", words, 1), ("beam 5", words, 5)):
        seconds, cpu = [], []
        for _ in range(seeds):
            begun, before = time.monotonic(), processor_seconds()
            charnn("translate", "-m", str(run), "--beam", str(beam), given=text)
            seconds.append(time.monotonic() - begun)
            cpu.append(processor_seconds() - before)
        show(
            name,
            f"{median(seconds):.2f} s, {median(cpu):.2f} s of processors, {text.count(chr(10)):,} words",
            "",
        )


def train(work: Path, minutes: float, seed: int, *options: str) -> Path:
    """The folder of a run; its steps and the processor seconds that it took are said."""
    out, before = work / "run", processor_seconds()
    charnn(
        "train",
        *options,
        "--minutes",
        str(minutes),
        "--seed",
        str(seed),
        "--out",
        str(out),
        "--overwrite",
        "-q",
    )
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    print(
        f"  seed {seed}: {last['step']:,} steps, {processor_seconds() - before:.0f} s of processors",
        flush=True,
    )
    return out


def score(pairs: Path, run: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads(
        charnn("score", "--pairs", str(pairs), "-m", str(run), "--json", "--unknown", "replace")
    )
    return found


def charnn(*arguments: str, given: str = "") -> str:
    command = [sys.executable, "-m", "charnn", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def processor_seconds() -> float:
    """Of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spread(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def show(what: str, found: str, beside: str) -> None:
    print(f"{what}: {found}" + (f"  ({beside})" if beside else ""), flush=True)


PARTS = {"turkish": turkish, "cmudict": cmudict, "attention": attention, "reversal": reversal, "speed": speed}

if __name__ == "__main__":
    main()
