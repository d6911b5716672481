"""Real charnn processes, one thread each, a cache of their own.

They are forked from a server that has torch imported, which saves seconds each.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from charnn import clock

TINY = (
    *("--cell", "lstm", "--layers", "1", "--hidden", "8", "--embedding", "0"),
    *("--batch-size", "2", "--seq-length", "16", "--threads", "1", "--device", "cpu"),
)
CHARNN = (sys.executable, "-m", "charnn")
CHECKOUT = Path(__file__).parent.parent.parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
PATIENCE = 120.0  # seconds until a process counts as hung

# torch._dynamo: making an optimizer imports it, which takes as long as torch itself
_PRELOADED = ["charnn.training.run", "torch._dynamo", "charnn.cli.app", "charnn.cli.train_view"]
_FORKS = multiprocessing.get_context("forkserver")


def environment(folder: Path) -> dict[str, str]:
    """Of a child: one thread, a cache in `folder`, no colours forced or forbidden."""
    kept = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "NO_COLOR", "CHARNN_MODEL")}
    return {**kept, **ONE_THREAD, "PYTHONPATH": str(CHECKOUT), "XDG_CACHE_HOME": str(folder / "cache")}


@dataclass(frozen=True)
class Ended:
    """`code` is negative after a signal."""

    code: int
    stdout: str
    stderr: str


class Child:
    """A running process and the files its output goes to."""

    def __init__(self, process: BaseProcess, output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def send(self, number: int) -> None:
        """Signal it, if it hasn't ended by itself."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stderr(self) -> str:
        """What it has said so far."""
        return self._output.with_suffix(".err").read_text(encoding="utf-8")

    def wait(self, seconds: float = PATIENCE) -> Ended:
        """Until it ends. Raises TimeoutError, the process killed, when it doesn't."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"process {self.pid} ran for more than {seconds:g} s")
        return Ended(self.process.exitcode, self._output.read_text(encoding="utf-8"), self.stderr())


def start(folder: Path, *arguments: str, stdin: str = "") -> Child:
    """Start charnn in `folder`."""
    return fork(folder, _charnn, arguments, stdin)


def run(folder: Path, *arguments: str, stdin: str = "") -> Ended:
    """Run charnn in `folder` to its end."""
    return start(folder, *arguments, stdin=stdin).wait()


def fork(folder: Path, work: Callable[..., None], *values: Any) -> Child:
    """Start `work(*values)` in `folder`."""
    _start_server()
    output = folder / f".output-{os.urandom(4).hex()}.out"
    output.touch()
    output.with_suffix(".err").touch()
    process = _FORKS.Process(target=_at_home, args=(folder, output, environment(folder), work, *values))
    process.start()
    return Child(process, output)


def _start_server() -> None:
    """One thread from the start: a process with more isn't forked safely."""
    with _environ(ONE_THREAD):
        _FORKS.set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()


@contextmanager
def _environ(values: dict[str, str]) -> Any:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _at_home(
    folder: Path, output: Path, variables: dict[str, str], work: Callable[..., None], *values: Any
) -> None:
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    for descriptor, path in ((1, output), (2, output.with_suffix(".err"))):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), descriptor)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    clock._IMPORTED = time.monotonic()  # the server's would make this process look old
    work(*values)


def _charnn(arguments: tuple[str, ...], stdin: str) -> None:
    from charnn.cli.app import main

    reader, writer = os.pipe()
    os.write(writer, stdin.encode())
    os.close(writer)
    os.dup2(reader, 0)
    sys.argv = ["charnn", *arguments]
    main()


def write_corpus(folder: Path, name: str = "corpus.txt", characters: int = 4000) -> Path:
    """A small text with some structure."""
    line = "the quick brown fox jumps over the lazy dog; "
    path = folder / name
    path.write_text((line * (characters // len(line) + 1))[:characters], encoding="utf-8")
    return path
