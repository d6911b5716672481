"""One save, struck at each of its system calls: by a kill, or by a disk that fails.

strace is attached to a real interpreter that does nothing but save, once its imports are over. Its injection can
miss (a wrong trace expression makes it silently do nothing), so that every strike is looked up in strace's log.
"""

import ctypes
import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from charnn.config import ModelConfig
from charnn.data.vocab import Vocabulary
from charnn.errors import CharnnError
from charnn.model.kinds import weight_shapes
from charnn.storage.checkpoints import CheckpointStore
from charnn.storage.model_file import ModelFile, read_model, write_model
from charnn.storage.run_folder import MetricsLog, RunFolder
from tests.checkpoint_helpers import tensors_of, values_of

from . import processes

CALLS = ("openat", "write", "fsync", "rename", "renameat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir")
ERRORS = ("ENOSPC", "EIO", "EDQUOT")
KEEP = 2
_CONFIG = ModelConfig(vocab_size=3, hidden=4)


@dataclass(frozen=True)
class Strike:
    """What to do at the `number`-th `call`: kill (`error` empty) or fail, once or from then on."""

    call: str
    number: int
    error: str = ""
    forever: bool = False

    @property
    def expression(self) -> str:
        """strace's; a call that this machine doesn't have is passed over."""
        what = f"error={self.error}" if self.error else "signal=SIGKILL"
        return f"inject=?{self.call}:{what}:when={self.number}{'+' if self.forever else ''}"


@dataclass(frozen=True)
class Outcome:
    struck: bool
    ended: processes.Ended
    log: str


def can_strike() -> bool:
    """Whether strace is installed and may trace here; some containers forbid it."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True).returncode == 0


def prepare(folder: Path) -> RunFolder:
    """A run with two states, a model and metrics."""
    run = RunFolder(folder / "run")
    shutil.rmtree(run.path, ignore_errors=True)
    run.path.mkdir()
    for step in (1, 2):
        save(run, step)
    return run


def save(run: RunFolder, step: int) -> None:
    """What a training run does at a save: state, model, metrics. Every tensor is full of `step`."""
    path = CheckpointStore(run.resume, KEEP).save(tensors_of(step), values_of(step))
    weights = {n: torch.full(s, float(step)).numpy() for n, s in weight_shapes(_CONFIG).items()}
    write_model(run.model, ModelFile(_CONFIG, Vocabulary("abc"), weights, {}))
    MetricsLog(run.metrics).append({"event": "save", "step": step, "path": str(path)})


def strike(folder: Path, blow: Strike | None) -> Outcome:
    """Save step 3 in a process of its own and strike it; with None, only trace it."""
    inject = [blow.expression] if blow else []
    ended, text = traced(folder / "strace.log", folder, _save_when_told, (folder,), CALLS, inject)
    struck = ("(INJECTED)" if blow and blow.error else "+++ killed by SIGKILL +++") in text
    return Outcome(struck, ended, text)


def traced(
    log: Path,
    folder: Path,
    work: Callable[..., None],
    values: tuple[Any, ...],
    calls: Iterable[str],
    inject: list[str],
) -> tuple[processes.Ended, str]:
    """Run `work(*values, orders)` in `folder`; once it is ready, strace is attached and it is told to go."""
    ours, theirs = Pipe()
    child = processes.fork(folder, work, *values, theirs)
    ours.recv()
    listed = ",".join(f"?{call}" for call in calls)
    injections = [word for expression in inject for word in ("-e", expression)]
    traced = ["-f", "-y", "-o", str(log), "-e", f"trace={listed}", "-p", str(child.pid)]
    command = ["strace", *traced, *injections]
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8") as strace:
        assert strace.stderr is not None
        if "attached" not in (line := strace.stderr.readline()):
            child.process.kill()
            raise RuntimeError(f"strace could not attach: {line}")
        with suppress(BrokenPipeError):
            ours.send("go")
        ended = child.wait()
    return ended, log.read_text(encoding="utf-8")


def _save_when_told(folder: Path, orders: Connection) -> None:
    (folder / "scratch").mkdir(exist_ok=True)
    for step in (1, 2, 3, 4):  # whatever is imported late, is imported now
        save(RunFolder(folder / "scratch"), step)
    let_anyone_trace()
    orders.send("ready")
    orders.recv()
    try:
        save(RunFolder(folder / "run"), 3)
    except CharnnError as error:
        with suppress(OSError):
            os.write(2, f"charnn: {error}\n".encode())
        os._exit(error.exit_code)
    os._exit(0)


def let_anyone_trace() -> None:
    """Yama, where it is on, lets only a parent trace, unless the child says otherwise; strace is a sibling."""
    pr_set_ptracer, anyone = 0x59616D61, ctypes.c_ulong(-1)
    ctypes.CDLL(None).prctl(pr_set_ptracer, anyone, 0, 0, 0)


def complaints(run: RunFolder, blow: Strike, outcome: Outcome) -> Iterator[str]:
    """Whatever is not as promised after a strike. Ends with another save, which must clean up."""
    store = CheckpointStore(run.resume, KEEP)
    yield from _ending_complaints(run, blow, outcome)
    state, torn = store.latest()
    yield from (f"a state is not whole: {line}" for line in torn)
    if state is None or state.step not in (2, 3):
        yield f"the last state is {state and state.step}, not 2 or 3"
    elif state.values != values_of(state.step) or any(
        not torch.equal(state.tensors[name], tensor) for name, tensor in tensors_of(state.step).items()
    ):
        yield f"the state of step {state.step} holds another's values"
    values = {float(v) for w in read_model(run.model).weights.values() for v in w.flat}
    if values not in ({2.0}, {3.0}):
        yield f"the model is neither the old nor the new one: {values}"
    if (MetricsLog(run.metrics).last("save") or {}).get("step") not in (2, 3):
        yield "metrics.jsonl lost its last line"
    run.remove_leftovers()
    save(run, 4)
    names = sorted(p.name for folder in (run.path, run.resume) for p in folder.iterdir())
    states = ["000000000" + f"{step}-0" for step in (state.step if state else 0, 4)]
    if names != sorted(["metrics.jsonl", "model.safetensors", "resume", *states]):
        yield f"the next save left {names}"


def _ending_complaints(run: RunFolder, blow: Strike, outcome: Outcome) -> Iterator[str]:
    code, said = outcome.ended.code, outcome.ended.stderr
    if not blow.error:
        if code != -9:
            yield f"killed, but it ended with {code}: {said}"
    elif code == 1:
        cause = os.strerror(getattr(errno, blow.error))
        is_silenced = blow.call == "write" and blow.forever
        if not is_silenced and not re.fullmatch(rf"charnn: cannot \w+ {run.path}\S*: {cause}\n", said):
            yield f"it said {said!r}"
    elif code != 0:  # 0: the fault came where it doesn't matter, in tidying up
        yield f"it ended with {code}: {said}"


def strikes(log: str, error: str = "", forever: bool = False) -> Iterator[Strike]:
    """Every strike that hits: each call's first, second, … as many as the traced save has."""
    for call in CALLS:
        for number in range(1, len(re.findall(rf"\b{call}\(", log)) + 1):
            yield Strike(call, number, error, forever)


def traced_save(folder: Path) -> str:
    """strace's log of a save that nothing disturbs."""
    prepare(folder)
    outcome = strike(folder, None)
    assert outcome.ended.code == 0, outcome.ended.stderr
    return outcome.log


def disorder(log: str, folder: Path) -> Iterator[str]:
    """Where a traced save breaks write < fsync < rename < fsync(folder) < removal of what is replaced."""
    unsynced: set[str] = set()
    for call, path, target in _steps(log):
        if not (path.startswith(str(folder)) or target.startswith(str(folder))):
            continue
        if call in ("openat", "write", "mkdir"):
            unsynced |= {path, str(Path(path).parent)} if call != "write" else {path}
        elif call == "fsync":
            unsynced.discard(path)
        elif call == "rename":
            late = sorted(p for p in unsynced if p == path or p.startswith(f"{path}/"))
            yield from (f"{p} was renamed before it was synced" for p in late)
            unsynced.add(str(Path(target).parent))
        elif call == "unlink" and not Path(path).name.startswith(".tmp-"):
            yield from (f"{path} was removed before {p} was synced" for p in sorted(unsynced))
    yield from (f"{p} was never synced" for p in sorted(unsynced))


def _steps(log: str) -> Iterator[tuple[str, str, str]]:
    """(call, path, second path) of each successful call that writes; paths absolute."""
    for line in log.splitlines():
        if match := re.search(r'\b(rename)(?:at2?)?\(.*?"(.*?)".*?"(.*?)".* = 0', line):
            yield match[1], match[2], match[3]
        elif match := re.search(r"\b(write|fsync)\(\d+<(.*?)>", line):
            yield match[1], match[2], ""
        elif match := re.search(r'\bopenat\(.*?"(.*?)", [^)]*\bO_CREAT\|O_EXCL', line):
            yield "openat", match[1], ""
        elif match := re.search(r'\b(unlink|mkdir)(?:at)?\((?:\S*<(.*?)>, )?"(.*?)".* = 0', line):
            yield match[1], str(Path(match[2] or "/") / match[3]), ""
