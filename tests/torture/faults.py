"""Whole commands, in which each file operation fails once: nothing good is lost, and the error names the thing.

strace counts the calls of a run that nothing disturbs; those on the run's files, the corpus and the cache are then made
to fail, one a run. Afterwards the command is given again and must come to what it comes to undisturbed.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from charnn.errors import CharnnError
from charnn.files import TEMPORARY_PREFIX
from charnn.storage.run_folder import MetricsLog, RunFolder

from . import processes
from .outcome import outcome_of
from .strikes import let_anyone_trace, traced

CALLS = ("openat", "read", "newfstatat", "fstat", "mmap", "flock", "mkdir", "getdents64")
ERRORS = ("EIO", "EACCES", "ENFILE", "ENOSPC", "EINTR")
_BY_NUMBER = ("read", "fstat", "mmap", "flock", "getdents64")  # their file is an open one
_OPTIONS = ("--save-every", "2", "--sample-every", "0", "--seed", "1", *processes.TINY)


@dataclass(frozen=True)
class Command:
    """What is run, on a copy of a folder, and what it came to: its output, or the run it trained."""

    name: str
    arguments: tuple[str, ...]
    again: tuple[str, ...]
    outcome: Callable[[Path, str], str]


@dataclass(frozen=True)
class Fault:
    """The `number`-th `call` of the command's main thread fails with `error`; undisturbed it was made on `path`."""

    call: str
    number: int
    path: str
    error: str

    @property
    def expression(self) -> str:
        return f"inject=?{self.call}:error={self.error}:when={self.number}"


@dataclass
class Faults:
    """What came of it. `odd` describes whatever wasn't as promised."""

    tried: int = 0
    missed: int = 0
    told: int = 0
    odd: list[str] = field(default_factory=list)


def _trained(folder: Path, _output: str) -> str:
    return outcome_of(RunFolder(folder / "run"))


def _written(_folder: Path, output: str) -> str:
    return output


_TRAIN = ("train", "corpus.txt", "--out", "run", "--steps", "4", *_OPTIONS)
_RESUME = ("train", "--resume", "--out", "run", "--steps", "8")
COMMANDS = (
    Command("train", _TRAIN, (*_TRAIN, "--overwrite"), _trained),
    Command("train --resume", _RESUME, _RESUME, _trained),
    Command("sample", (sample := ("sample", "-m", "run", "-l", "20", "--seed", "1")), sample, _written),
    Command("score", (score := ("score", "-m", "run", "-f", "corpus.txt", "--whole")), score, _written),
)


def faults(folder: Path, command: Command, every: int = 1, errors: tuple[str, ...] = ERRORS) -> Faults:
    """Try every so-many-th of the faults that `command` can meet."""
    template, work, result = folder / "template", folder / "work", Faults()
    _make_template(template, with_run=command.name != "train")
    for _ in range(2):  # the first may import what was never imported
        _prepare(template, work)
        ended, log = _run(folder, work, command.arguments)
        if ended.code:
            raise RuntimeError(f"{command.name} failed undisturbed: {ended.stderr}")
    undisturbed = command.outcome(work, ended.stdout)
    chosen = [fault for error in errors for fault in _possible(log, work, error)][::every]
    for fault in chosen:
        _prepare(template, work)
        ended, log = _run(folder, work, command.arguments, fault)
        struck = [_path(fault.call, line) for line in log.splitlines() if "(INJECTED)" in line]
        if _alike(work / fault.path) not in map(_alike, struck):
            result.missed += 1
            continue
        result.tried += 1
        result.told += bool(ended.code)
        complaints = _complaints(work, command, fault, ended, undisturbed)
        result.odd += [
            f"{command.name}, {fault.call} of {fault.path}, {fault.error}: {c}" for c in complaints
        ]
    return result


def _make_template(folder: Path, *, with_run: bool) -> None:
    folder.mkdir(parents=True)
    processes.write_corpus(folder)
    if with_run and (ended := processes.run(folder, *_TRAIN)).code:
        raise RuntimeError(ended.stderr)


def _prepare(template: Path, work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(template, work, ignore=shutil.ignore_patterns(".output-*"))


def _run(
    folder: Path, work: Path, arguments: tuple[str, ...], fault: Fault | None = None
) -> tuple[processes.Ended, str]:
    """The command under strace, from its first line on."""
    inject = [fault.expression] if fault else []
    return traced(folder / "strace.log", work, _when_told, (arguments,), CALLS, inject)


def _when_told(arguments: tuple[str, ...], orders: Connection) -> None:
    let_anyone_trace()
    orders.send("ready")
    orders.recv()
    processes._charnn(arguments, "")


def _possible(log: str, work: Path, error: str) -> Iterator[Fault]:
    """Every call of the main thread on a file in `work`."""
    counts = dict.fromkeys(CALLS, 0)
    main = log.split(maxsplit=1)[0]
    for line in log.splitlines():
        if not (match := re.match(rf"{main}\s+(\w+)\(", line)) or match[1] not in counts:
            continue
        call = match[1]
        counts[call] += 1
        path = _path(call, line)
        if path.is_relative_to(work) and not path.name.startswith(".output-"):
            yield Fault(call, counts[call], str(path.relative_to(work)), error)


def _path(call: str, line: str) -> Path:
    """The file that a call is made on."""
    if call in _BY_NUMBER:
        match = re.search(r"\b\d+<([^>]*)>", line)
        return Path(match[1]) if match else Path()
    match = re.search(r'\((?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)"', line)
    return Path(match[1] or "", match[2]) if match else Path()


def _alike(path: Path) -> str:
    """A path whose temporary names, which end at random, are those of any run."""
    return re.sub(rf"{re.escape(TEMPORARY_PREFIX)}[^/]*", TEMPORARY_PREFIX, str(path))


def _complaints(
    work: Path, command: Command, fault: Fault, ended: processes.Ended, undisturbed: str
) -> Iterator[str]:
    yield from _ending_complaints(work, fault, ended)
    if ended.code == 0 and command.outcome(work, ended.stdout) != undisturbed:
        yield "it ended with 0, but came to something else"
    if command.name == "train --resume":
        yield from _losses(RunFolder(work / "run"))
    begun = command.name == "train" and MetricsLog(RunFolder(work / "run").metrics).first("save") is not None
    again = processes.run(work, *((*_RESUME[:-1], "4") if begun else command.again))
    if again.code:
        yield f"given again, it ended with {again.code}: {again.stderr[-300:]}"
    elif command.outcome(work, again.stdout) != undisturbed:
        yield "given again, it came to something else"


def _ending_complaints(work: Path, fault: Fault, ended: processes.Ended) -> Iterator[str]:
    told = [line for line in ended.stderr.splitlines() if line.startswith("charnn: ")]
    if ended.code not in (0, 1, 2):
        yield f"it ended with {ended.code}"
    if "Traceback" in ended.stderr:
        yield f"a traceback: {ended.stderr[-500:]}"
    elif ended.code and len(told) != 1:
        yield f"it said {ended.stderr[-300:]!r}"
    elif ended.code and not any(part in told[0] for part in Path(fault.path).parts or ("run", "corpus")):
        yield f"it did not name the thing: {told[0]}"


def _losses(run: RunFolder) -> Iterator[str]:
    """Whatever is gone of the run that was resumed, which had been saved at its fourth step."""
    from .kills import complaints

    yield from complaints(run)
    try:
        if (MetricsLog(run.metrics).last("save") or {"step": 0})["step"] < 4:
            yield "metrics.jsonl lost the line of what was saved"
    except CharnnError as error:
        yield str(error)
