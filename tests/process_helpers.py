"""Several processes that train together, as tests start them: by --nproc, torchrun, mpirun or bare variables."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli import CHARNN, environment

QUICK = ("--hidden", "8", "--cell", "lstm", "--sample-every", "0", "--device", "cpu")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def ranks_environment(size: int, **env: str) -> list[dict[str, str]]:
    """The variables of `size` processes on this machine, a thread each."""
    common = {"WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1"}
    common["MASTER_PORT"] = str(free_port())
    return [environment(**common, RANK=str(r), LOCAL_RANK=str(r), **env) for r in range(size)]


@dataclass
class Started:
    """Processes that run; `launcher` is the first of them where one started the others."""

    processes: list[subprocess.Popen[bytes]]
    log: Path

    def wait(self, timeout: float = 240) -> list[int]:
        """Their exit codes, negative for a signal."""
        until = time.monotonic() + timeout
        return [process.wait(max(until - time.monotonic(), 0.1)) for process in self.processes]

    def end(self) -> None:
        """Kill whatever still runs."""
        for process in self.processes:
            for pid in [*children(process.pid), process.pid]:
                kill(pid, signal.SIGKILL)
            process.wait()

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def complaints(self) -> list[str]:
        """The lines that are charnn's errors, or anything like a traceback."""
        return [line for line in self.said.splitlines() if line.startswith(("charnn:", "Traceback"))]


def launch(arguments: Sequence[str], size: int, log: Path, how: str = "nproc", **env: str) -> Started:
    """Start `charnn train` with these arguments in `size` processes."""
    train = ["-m", "charnn", "train", *arguments]
    commands = {
        "nproc": [*CHARNN, "train", *arguments, "--nproc", str(size)],
        "torchrun": [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            str(size),
            *train,
        ],
        "mpirun": [
            "mpirun",
            "--allow-run-as-root",
            "--oversubscribe",
            "-n",
            str(size),
            sys.executable,
            *train,
        ],
    }
    with log.open("wb") as file:
        if how == "bare":
            ranks = ranks_environment(size, **env)
            started = [
                subprocess.Popen(
                    [*CHARNN, "train", *arguments],
                    env=one,
                    stdout=file,
                    stderr=file,
                    stdin=subprocess.DEVNULL,
                )
                for one in ranks
            ]
        else:
            command = commands[how]
            started = [
                subprocess.Popen(
                    command, env=environment(**env), stdout=file, stderr=file, stdin=subprocess.DEVNULL
                )
            ]
    return Started(started, log)


def children(pid: int) -> list[int]:
    """The processes that a process started, and theirs."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        found = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [one for child in found for one in (child, *children(child))]


def rank_pids(started: Started) -> dict[int, int]:
    """Rank → its process."""
    pids = [pid for process in started.processes for pid in (process.pid, *children(process.pid))]
    found = {}
    for pid in pids:
        try:
            variables = dict(
                entry.split(b"=", 1)
                for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if b"=" in entry
            )
        except OSError:
            continue
        if b"RANK" in variables:
            found[int(variables[b"RANK"])] = pid
    return found


def wait_until_trains(started: Started, folder: Path, timeout: float = 240, event: str = "train") -> None:
    """Wait until an event is in metrics.jsonl. Raises TimeoutError with what was said."""
    until = time.monotonic() + timeout
    metrics = folder / "metrics.jsonl"
    while not (metrics.exists() and f'"{event}"' in metrics.read_text()):
        if time.monotonic() > until or any(process.poll() is not None for process in started.processes):
            raise TimeoutError(started.said)
        time.sleep(0.05)


def kill(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
