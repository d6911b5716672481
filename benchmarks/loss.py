"""charnn and its peers on the same text in the same seconds, one after another: a table and a picture.

python -m benchmarks.loss [--corpus FILE | --stdlib] [--seconds 60] [--seeds 3] [--peers charrnn nanogpt]
                          [--runs RUNS.jsonl]    what stands there isn't run again
                          [--init-from none]     charnn from nothing, as its peers start
                          [--busy]               beside another process that computes all the time
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.picture import Curve, picture

ROOT = Path(__file__).parents[1]
BUNDLED = ROOT / "corpora/lantern.txt"
PEERS = ("charrnn", "tutorial", "nanogpt")
OURS = "charnn"
STDLIB_BYTES = 10_000_000


@dataclass(frozen=True)
class Run:
    """One training: validation loss (nats per character) against seconds, and when its process ended."""

    name: str
    seed: int
    curve: Curve
    ended: float

    @property
    def best(self) -> float:
        return min(loss for _, loss in self.curve)

    def seconds_to(self, loss: float) -> float | None:
        """When the validation loss was first seen to be no more than `loss`."""
        return next((seconds for seconds, found in self.curve if found <= loss), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=BUNDLED)
    parser.add_argument("--stdlib", action="store_true", help="the first 10 MB of Python's standard library")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument(
        "--runs", type=Path, default=Path(os.devnull), help="the runs are kept here, a line each"
    )
    parser.add_argument("--picture", type=Path, default=Path("loss.svg"))
    parser.add_argument("--init-from", help="as of charnn train; its choice, unless given")
    parser.add_argument("--busy", action="store_true")
    arguments = parser.parse_args()
    options = ["--init-from", arguments.init_from] if arguments.init_from else []
    with neighbour(arguments.busy), tempfile.TemporaryDirectory() as folder:
        corpus = standard_library(Path(folder)) if arguments.stdlib else arguments.corpus.resolve()
        names = [OURS, *arguments.peers]
        wanted = [(name, seed) for seed in range(arguments.seeds) for name in names]
        runs = all_runs(wanted, corpus, arguments.seconds, arguments.runs, options)
    print(table(runs))
    arguments.picture.write_bytes(picture([(one.name, one.curve) for one in runs]))
    print(f"picture: {arguments.picture}")


def standard_library(folder: Path) -> Path:
    """A file of the standard library's sources, sorted by path, cut after 10 MB; what isn't UTF-8 is left out."""
    root = Path(sysconfig.get_path("stdlib"))
    content = bytearray()
    for source in sorted(root.rglob("*.py")):
        if len(content) >= STDLIB_BYTES:
            break
        if not {"site-packages", "dist-packages"}.intersection(source.parts):
            text = source.read_bytes().decode(errors="replace")
            content += b"" if "\ufffd" in text else text.encode()
    path = folder / "stdlib.txt"
    path.write_text(content[:STDLIB_BYTES].decode(errors="ignore"), newline="")
    return path


@contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    """Another process at the same priority that keeps one core busy, or none."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        yield
    finally:
        if process:
            process.kill()
            process.wait()


def all_runs(
    wanted: list[tuple[str, int]], corpus: Path, seconds: float, kept: Path, options: list[str]
) -> list[Run]:
    """Those kept in a file, and the ones that are missing there, which are added."""
    lines = kept.read_text().splitlines() if kept.exists() else []
    done = {(one.name, one.seed): one for one in (Run(**json.loads(line)) for line in lines)}
    for name, seed in wanted:
        if (name, seed) not in done:
            done[name, seed] = run(name, corpus, seconds, seed, options)
            with kept.open("a") as file:
                print(json.dumps(asdict(done[name, seed])), file=file)
    return [done[one] for one in wanted]


def run(name: str, corpus: Path, seconds: float, seed: int, options: list[str]) -> Run:
    """Train in a process and with a cache of its own, so that reading the text counts."""
    with tempfile.TemporaryDirectory() as folder:
        before = time.monotonic()
        if name == OURS:
            curve = our_curve(name, corpus, seconds, seed, folder, options)
        else:
            curve = peer_curve(name, corpus, seconds, seed, folder)
        done = Run(name, seed, curve, time.monotonic() - before)
    print(f"{name}, seed {seed}: {done.best:.4f} nats, ended after {done.ended:.1f} s", file=sys.stderr)
    return done


def our_curve(
    name: str, corpus: Path, seconds: float, seed: int, folder: str, more: Sequence[str] = ()
) -> Curve:
    output = Path(folder, "run")
    options = [
        "--minutes",
        str(seconds / 60),
        "--seed",
        str(seed),
        "--out",
        str(output),
        "--sample-every",
        "0",
        *more,
    ]
    module_output(["charnn", "train", str(corpus), "--quiet", *options], folder)
    events = map(json.loads, (output / "metrics.jsonl").read_text().splitlines())
    return [(event["seconds"], event["val_nats_per_char"]) for event in events if event["event"] == "eval"]


def peer_curve(
    name: str, corpus: Path, seconds: float, seed: int, folder: str, more: Sequence[str] = ()
) -> Curve:
    options = ["--seconds", str(seconds), "--seed", str(seed), *more]
    lines = module_output([f"benchmarks.peers.{name}", str(corpus), *options], folder).splitlines()
    return [(point["seconds"], point["val_nats_per_char"]) for point in map(json.loads, lines)]


def module_output(command: list[str], cache: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": cache}
    command = [sys.executable, "-m", *command]
    return subprocess.run(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def table(runs: list[Run]) -> str:
    """A row for each name: loss over the seeds, when its processes ended, when charnn had reached its loss."""
    lines = [
        f"{'':10}{'nats/char: median':>18}{'least':>9}{'most':>9}{'ended, s':>10}{'charnn there, s':>17}"
    ]
    for name in dict.fromkeys(one.name for one in runs):
        mine = [one for one in runs if one.name == name]
        losses, ended = sorted(one.best for one in mine), median(one.ended for one in mine)
        there = [one.seconds_to(median(losses)) for one in runs if one.name == OURS]
        reached = [seconds for seconds in there if seconds is not None]
        first = f"{median(reached):.1f}" if len(reached) == len(there) else "-"
        figures = f"{median(losses):18.4f}{losses[0]:9.4f}{losses[-1]:9.4f}{ended:10.1f}"
        lines.append(f"{name:10}{figures}{'' if name == OURS else first:>17}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
