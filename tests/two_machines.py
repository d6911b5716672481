"""Two machines, as two network namespaces with a wire between: `python -m tests.two_machines` (root, Linux, ip, tc).

They have folders of their own; the corpus lies on the first alone. Exits with 1 when a promise broke.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cli import CHARNN, ROOT, environment
from distributed_campaign import NETWORK, PLAIN, Finding, events, farthest, trained

NAMES = ("charnn-a", "charnn-b")
ADDRESSES = ("10.77.0.1", "10.77.0.2")
PORT = "29777"
TIMEOUT = 10  # seconds of --exchange-timeout
LONG = ("--cell", "lstm", "--hidden", "256", "--embedding", "64", "--ngrams", "5", "--ngram-rows", "16384")


def sh(*command: str) -> None:
    subprocess.run(command, check=True)


@contextmanager
def wire() -> Iterator[None]:
    """Two namespaces, connected."""
    try:
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
            sh("ip", "netns", "add", name)
        sh(
            "ip",
            "link",
            "add",
            "ca",
            "netns",
            NAMES[0],
            "type",
            "veth",
            "peer",
            "name",
            "cb",
            "netns",
            NAMES[1],
        )
        for name, device, address in zip(NAMES, ("ca", "cb"), ADDRESSES, strict=True):
            sh("ip", "-n", name, "addr", "add", f"{address}/24", "dev", device)
            sh("ip", "-n", name, "link", "set", device, "up")
            sh("ip", "-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", name], check=False)


@contextmanager
def slow(rate: str = "100mbit", delay: str = "10ms") -> Iterator[str]:
    """The wire with this rate, and this delay in each direction where the kernel has `tc netem`; which it is."""
    ends = list(zip(NAMES, ("ca", "cb"), strict=True))
    shapes = {
        f"{rate}, {delay} in each direction": f"netem rate {rate} delay {delay} limit 100000",
        f"{rate}, no delay, which this kernel can't add": f"tbf rate {rate} burst 256kb latency 200ms",
    }
    for said_of, shape in shapes.items():
        shaped = [
            ["tc", "-n", name, "qdisc", "replace", "dev", end, "root", *shape.split()] for name, end in ends
        ]
        if all(subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0 for command in shaped):
            yield said_of
            return
    raise RuntimeError("tc has neither netem nor tbf")


def start(folder: Path, options: Sequence[str]) -> list[subprocess.Popen[bytes]]:
    """A process on each machine; the run lies on the first, as `run`."""
    started = []
    for rank, (name, device) in enumerate(zip(NAMES, ("ca", "cb"), strict=True)):
        home = folder / name
        home.mkdir(exist_ok=True)
        env = environment(
            RANK=str(rank),
            WORLD_SIZE="2",
            LOCAL_RANK="0",
            LOCAL_WORLD_SIZE="1",
            MASTER_ADDR=ADDRESSES[0],
            MASTER_PORT=PORT,
            GLOO_SOCKET_IFNAME=device,
            XDG_CACHE_HOME=str(home / "cache"),
            PYTHONPATH=str(ROOT),
        )
        command = ["ip", "netns", "exec", name, *CHARNN, "train", *options, "--out", "run"]
        with (home / "log").open("wb") as log:
            started.append(subprocess.Popen(command, cwd=home, env=env, stdout=log, stderr=log))
    return started


def finished(started: list[subprocess.Popen[bytes]], timeout: float = 900) -> list[int]:
    until = time.monotonic() + timeout
    try:
        return [process.wait(max(until - time.monotonic(), 0.1)) for process in started]
    finally:
        for process in started:
            process.kill()


def said(folder: Path) -> str:
    return "\n".join((folder / name / "log").read_text(errors="replace") for name in NAMES)


def speed_and_loss(folder: Path, steps: int, *options: str) -> tuple[float, float]:
    """Characters a second between the first and the last evaluation, and the last validation loss."""
    shutil.rmtree(folder / NAMES[0] / "run", ignore_errors=True)
    codes = finished(start(folder, ["corpus.txt", *PLAIN, *LONG, "--steps", str(steps), *options]))
    if codes != [0, 0]:
        raise RuntimeError(said(folder))
    evals = [e for e in events(folder / NAMES[0] / "run") if e["event"] == "train"]
    first, last = evals[0], evals[-1]
    speed = (last["chars"] - first["chars"]) / (last["seconds"] - first["seconds"])
    loss = [e for e in events(folder / NAMES[0] / "run") if e["event"] == "eval"][-1]["val_nats_per_char"]
    return speed, loss


def as_one(folder: Path) -> Iterator[Finding]:
    """They learn what one process learns."""
    corpus = ROOT / "corpora" / "lantern.txt"
    trained(folder / "one", 1, str(corpus), *PLAIN, *NETWORK, "--steps", "100")
    codes = finished(start(folder, ["corpus.txt", *PLAIN, *NETWORK, "--steps", "100"]))
    if codes != [0, 0]:
        raise RuntimeError(said(folder))
    loss, weights = farthest(folder / NAMES[0] / "run", folder / "one")
    yield f"two machines, as one: losses {loss:.1e}, weights {weights:.1e}", loss < 1e-5 and weights < 1e-4
    yield "the second machine writes no run", not (folder / NAMES[1] / "run").exists()


def over_a_slow_wire(folder: Path, steps: int = 640) -> Iterator[Finding]:
    """Exchanges at every step, and every 32 steps."""
    with slow() as wire_is:
        every, loss = speed_and_loss(folder, steps)
        apart, apart_loss = speed_and_loss(folder, steps, "--sync-every", "32")
    said_of = f"every step {every:,.0f} characters a second, {loss:.4f} nats; every 32 steps {apart:,.0f}"
    yield f"{wire_is}: {said_of}, {apart_loss:.4f}: × {apart / every:.1f}", apart >= 5 * every
    yield f"--sync-every 32 at equal characters: {apart_loss - loss:+.4f} nats", apart_loss - loss <= 0.02


def cut_line(folder: Path) -> Iterator[Finding]:
    """The wire is unplugged while they train."""
    out = folder / NAMES[0] / "run"
    shutil.rmtree(out, ignore_errors=True)
    options = [*PLAIN, *NETWORK, "--exchange-timeout", str(TIMEOUT), "--save-every", "20"]
    started = start(folder, ["corpus.txt", *options, "--steps", "200000"])
    while sum(e["event"] == "save" for e in events(out)) < 2:
        time.sleep(0.1)
        if any(process.poll() is not None for process in started):
            raise RuntimeError(said(folder))
    sh("ip", "-n", NAMES[0], "link", "set", "ca", "down")
    begun = time.monotonic()
    codes = finished(started, 60)
    seconds = time.monotonic() - begun
    complaints = [line for line in said(folder).splitlines() if line.startswith(("charnn:", "Traceback"))]
    sh("ip", "-n", NAMES[0], "link", "set", "ca", "up")
    yield (
        f"the line is cut: exit {codes} after {seconds:.1f} s, {complaints}",
        codes == [1, 1] and seconds < TIMEOUT + 15,
    )
    started = start(folder, ["--resume", "--exchange-timeout", str(TIMEOUT)])
    while not any(e["event"] == "resume" for e in events(out)):
        time.sleep(0.1)
        if any(process.poll() is not None for process in started):
            raise RuntimeError(said(folder))
    time.sleep(1)
    os.kill(started[1].pid, signal.SIGTERM)
    yield "it resumes, and a signal to one machine stops both", finished(started, 60) == [-signal.SIGTERM] * 2


CAMPAIGNS = {"one": as_one, "cut": cut_line, "slow": over_a_slow_wire}


def main() -> None:
    parser = ArgumentParser(prog="python -m tests.two_machines", description=__doc__)
    parser.add_argument("--only", action="append", choices=CAMPAIGNS)
    found = []
    for name in parser.parse_args().only or CAMPAIGNS:
        with tempfile.TemporaryDirectory(prefix="charnn-machines-") as folder, wire():
            (Path(folder) / NAMES[0]).mkdir()
            shutil.copy(ROOT / "corpora" / "lantern.txt", Path(folder) / NAMES[0] / "corpus.txt")
            for text, fine in CAMPAIGNS[name](Path(folder)):
                print(f"{'ok  ' if fine else 'FAIL'} {text}", flush=True)
                found.append(fine)
    print(json.dumps({"as promised": sum(found), "of": len(found)}))
    sys.exit(not all(found))


if __name__ == "__main__":
    main()
