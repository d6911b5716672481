"""The long campaigns of several processes: `python -m tests.distributed_campaign`. Exits with 1 when a promise broke.

Seconds are those in which this process could run: a machine that was stopped meanwhile is not counted.
"""

import json
import random
import shutil
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from process_helpers import Started, children, kill, launch, rank_pids, wait_until_trains
from training_helpers import final_tensors, metrics

PLAIN = ("--sample-every", "0", "--device", "cpu", "--threads", "1", "--init-from", "none")
NETWORK = (
    *("--cell", "lstm", "--hidden", "48", "--layers", "2", "--embedding", "16"),
    *("--ngrams", "4", "--ngram-rows", "1024", "--ngram-dropout", "0.4", "--dropout", "0.2"),
)
GONE_WITHIN, STOPPED_WITHIN = 15.0, 5.0
POLL = 0.05

Finding = tuple[str, bool]


class Awake:
    """Seconds in which this process was not stopped."""

    def __init__(self) -> None:
        self.seconds, self._last = 0.0, time.monotonic()

    def rest(self) -> None:
        time.sleep(POLL)
        now = time.monotonic()
        self.seconds += min(now - self._last, 10 * POLL)
        self._last = now


def trained(out: Path, size: int, *options: str, how: str = "nproc") -> Started:
    """A run that ended well."""
    started = launch(
        [*options, "--out", str(out)], size, out.with_suffix(".log"), how if size > 1 else "bare"
    )
    codes = started.wait(1200)
    if set(codes) != {0}:
        raise RuntimeError(f"exit codes {codes}: {started.said}")
    return started


def losses(out: Path) -> list[float]:
    return [
        e.get("nats_per_char", e.get("val_nats_per_char"))
        for e in metrics(out)
        if e["event"] in ("train", "eval")
    ]


def farthest(one: Path, other: Path) -> tuple[float, float]:
    """The largest difference of a loss, and of the weights, relative to their norm."""
    first, second = final_tensors(one), final_tensors(other)
    names = [name for name in first if name.startswith("network.")]
    weights = max(float((first[n] - second[n]).norm() / second[n].norm().clamp(min=1e-12)) for n in names)
    return max(abs(a - b) for a, b in zip(losses(one), losses(other), strict=True)), weights


def are_equal(one: Path, other: Path) -> bool:
    first, second = final_tensors(one), final_tensors(other)
    return losses(one) == losses(other) and all(torch.equal(first[n], second[n]) for n in first | second)


def equal(folder: Path, _count: int) -> Iterator[Finding]:
    """N = 1, 2, 4 over 200 steps, with and without n-gram tables; and all ways to start two processes.

    The recipe's learning rates, and AdamW without momentum where there are tables, let any rounding grow: what a second
    thread of one process changes is the yardstick.
    """
    for name, options in {"no n-grams": (*NETWORK[:8], "--dropout", "0.2"), "n-grams": NETWORK}.items():
        runs = {n: folder / f"{name.replace(' ', '-')}-{n}" for n in (1, 2, 4)}
        for n, out in runs.items():
            trained(out, n, *PLAIN, *options, "--steps", "200")
        threads = folder / f"{name.replace(' ', '-')}-threads"
        trained(threads, 1, *PLAIN, *options, "--steps", "200", "--threads", "2")
        yardstick, _ = farthest(threads, runs[1])
        yield f"{name}, one process with two threads: losses {yardstick:.1e}", True
        for n in (2, 4):
            loss, weights = farthest(runs[n], runs[1])
            yield (
                f"{name}, {n} processes: losses {loss:.1e}, weights {weights:.1e}",
                loss < max(1e-5, 2 * yardstick),
            )
    ways = {
        how: folder / how
        for how in ("nproc", "torchrun", "mpirun", "bare")
        if how != "mpirun" or shutil.which("mpirun")
    }
    for how, out in ways.items():
        trained(out, 2, *PLAIN, *NETWORK, "--steps", "30", how=how)
        yield f"started by {how}: the bits of --nproc", are_equal(out, ways["nproc"])


def resume(folder: Path, count: int) -> Iterator[Finding]:
    """Resumed at random steps, on as many processes and on others."""
    numbers, steps = random.Random(0), 24
    for size in (2, 3, 4):
        whole = folder / f"whole-{size}"
        trained(whole, size, *PLAIN, *NETWORK, "--steps", str(steps), "--save-every", "1", "--keep", "99")
        for cut in sorted(numbers.sample(range(1, steps), max(count // 3, 1))):
            out = cut_back(whole, folder / f"cut-{size}-{cut}", cut)
            trained(out, size, "--resume")
            yield f"{size} processes, cut at step {cut}: bits", are_equal(out, whole)
    for before, after in ((2, 1), (4, 2), (2, 4)):
        whole = folder / f"whole-{before}"
        out = cut_back(whole, folder / f"changed-{before}-{after}", steps // 2)
        trained(out, after, "--resume")
        loss, weights = farthest(out, whole)
        yield (
            f"{before} → {after} processes: losses {loss:.1e}, weights {weights:.1e}",
            loss < 1e-5 and weights < 1e-4,
        )


def cut_back(out: Path, copy: Path, step: int) -> Path:
    """A copy of a run as it was when it had saved this step."""
    shutil.copytree(out, copy)
    for path in (copy / "resume").iterdir():
        if int(path.name.partition("-")[0]) > step:
            shutil.rmtree(path)
    return copy


def kills(folder: Path, count: int) -> Iterator[Finding]:
    """SIGKILL of a random rank at a random moment: while it starts, and while it trains."""
    numbers, out = random.Random(1), folder / "killed"
    for number in range(count):
        size = 2 + number % 2
        before = bool(events(out))
        seen = count_of(out, "resume" if before else "start")
        going_on = ["--resume"] if before else [*PLAIN, *NETWORK, "--steps", "1000000"]
        started = launch([*going_on, "--out", str(out), "--save-every", "20"], size, folder / "log")
        try:
            awake = Awake()
            until = numbers.uniform(0, 1) if number % 3 == 0 else numbers.uniform(0, 4)
            event = "resume" if before else "start"
            while len(rank_pids(started)) < size or (number % 3 and not count_of(out, event) > seen):
                awake.rest()
                if awake.seconds > 300:
                    raise RuntimeError(started.said)
            began = awake.seconds
            while awake.seconds < began + until:
                awake.rest()
            pids = rank_pids(started)
            rank = numbers.randrange(size)
            everyone = [p for s in started.processes for p in (s.pid, *children(s.pid))]
            kill(pids[rank], signal.SIGKILL)
            seconds = gone_after(started, everyone)
            code = started.wait()[0]
            named = [line for line in started.complaints if f"rank {rank} was killed by SIGKILL" in line]
            fine = code == 1 and seconds <= GONE_WITHIN and started.complaints == named and len(named) == 1
            yield (
                f"rank {rank} of {size} killed: gone after {seconds:.1f} s, exit {code}, {started.complaints}",
                fine,
            )
        finally:
            started.end()
    started = launch(["--resume", "--out", str(out)], 2, folder / "log")
    wait_for_event(started, out, "resume")
    started.processes[0].terminate()
    yield "resumed in the end, and stopped", started.wait() == [-signal.SIGTERM]


def events(out: Path) -> list[dict[str, object]]:
    return metrics(out) if (out / "metrics.jsonl").exists() else []


def count_of(out: Path, event: str) -> int:
    return sum(one["event"] == event for one in events(out))


def signals(folder: Path, count: int) -> Iterator[Finding]:
    """SIGTERM and SIGINT to the launcher, one rank, all, once and twice: one save, the right end."""
    out = folder / "stopped"
    cases = [
        (who, number, times)
        for who in ("launcher", "0", "1", "all")
        for number in (signal.SIGTERM, signal.SIGINT)
        for times in (1, 2)
    ]
    numbers = random.Random(2)
    numbers.shuffle(cases)
    for index in range(count):
        who, number, times = cases[index % len(cases)]
        is_new = not (out / "metrics.jsonl").exists()
        going_on = [*PLAIN, *NETWORK, "--steps", "1000000"] if is_new else ["--resume"]
        before = len(events(out))
        started = launch([*going_on, "--out", str(out), "--save-every", "0"], 2, folder / "log")
        try:
            wait_for_event(started, out, "start" if is_new else "resume", before)
            awake = Awake()
            while awake.seconds < numbers.uniform(0.2, 2):
                awake.rest()
            pids = rank_pids(started)
            launcher = started.processes[0].pid
            everyone = [launcher, *children(launcher)]
            chosen = {"launcher": [launcher], "all": everyone}.get(who) or [pids[int(who)]]
            for _ in range(times):
                for pid in chosen:
                    kill(pid, number)
                time.sleep(0.1 * (times - 1))
            seconds = gone_after(started, everyone)
            code = started.wait()[0]
            saves = [e for e in events(out)[before:] if e["event"] == "save"]
            fine = code == -number and len(saves) == 1 and seconds <= STOPPED_WITHIN
            fine = fine and len(started.complaints) == 1 and "interrupted" in started.complaints[0]
            yield f"{number.name} to {who} × {times}: exit {code}, {len(saves)} save, {seconds:.1f} s", fine
        finally:
            started.end()


def wait_for_event(started: Started, out: Path, event: str, before: int = 0) -> None:
    awake = Awake()
    while not any(e["event"] == event for e in events(out)[before:]):
        awake.rest()
        if awake.seconds > 300 or started.processes[0].poll() is not None:
            raise RuntimeError(started.said)


def gone_after(started: Started, pids: list[int]) -> float:
    """Seconds until none of them runs."""
    awake = Awake()
    while any(is_running(pid) for pid in pids) and awake.seconds < 60:
        awake.rest()
        started.processes[0].poll()
    return awake.seconds


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def minutes(folder: Path, _count: int) -> Iterator[Finding]:
    """--minutes 1, one rank stopped two thirds of the time: all end at one step, in time."""
    out = folder / "minute"
    begun = time.monotonic()
    started = launch([*PLAIN, *NETWORK, "--minutes", "1", "--out", str(out)], 2, folder / "log")
    try:
        wait_until_trains(started, out)
        slow = rank_pids(started)[1]
        while started.processes[0].poll() is None:
            for number, seconds in ((signal.SIGSTOP, 0.02), (signal.SIGCONT, 0.01)):
                kill(slow, number)
                time.sleep(seconds)
        seconds, finish = time.monotonic() - begun, metrics(out)[-1]
        fine = finish["event"] == "finish" and 59 <= finish["seconds"] <= 61 and started.wait() == [0]
        yield f"--minutes 1 with a slow rank: {json.dumps(finish)}, {seconds:.1f} s in all", fine
    finally:
        started.end()


CAMPAIGNS: dict[str, Callable[[Path, int], Iterator[Finding]]] = {
    "equal": equal,
    "resume": resume,
    "kills": kills,
    "signals": signals,
    "minutes": minutes,
}


def main() -> None:
    """Run what was asked for, a line for each finding."""
    parser = ArgumentParser(prog="python -m tests.distributed_campaign", description=__doc__)
    parser.add_argument("--only", action="append", choices=CAMPAIGNS)
    parser.add_argument("--count", type=int, default=50, help="kills and signals; two fifths as many cuts")
    given = parser.parse_args()
    broken = 0
    for name in given.only or CAMPAIGNS:
        with tempfile.TemporaryDirectory(prefix="charnn-campaign-") as folder:
            count = given.count * 2 // 5 if name == "resume" else given.count
            found = []
            for said, fine in CAMPAIGNS[name](Path(folder), count):
                print(f"{'ok  ' if fine else 'FAIL'} {said}", flush=True)
                found.append(fine)
            print(f"{name}: {sum(found)} of {len(found)} as promised", flush=True)
            broken += len(found) - sum(found)
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
