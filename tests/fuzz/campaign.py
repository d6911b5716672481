"""Many cases of one target: made from a seed, tried, counted; whatever isn't as promised is kept."""

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from random import Random
from types import FrameType

from charnn.errors import CharnnError

REGRESSIONS = Path(__file__).parent / "regressions"
ACCEPTED, REFUSED = "accepted", "refused"
MAX_WORK = 2.0  # seconds of processor time for a refusal; one is promised, but machines are busy
MAX_WAIT = 60  # seconds by the clock: it hangs
MEMORY = 6 << 30  # bytes of address space; torch takes two of these GB


@dataclass(frozen=True)
class Target:
    """Something that reads strangers' input.

    `make` gives a case from random numbers; `run` tries it in a folder of its own, says whether it was ACCEPTED or
    REFUSED, and raises nothing but CharnnError; AssertionError where something was promised and not held.
    """

    name: str
    make: Callable[[Random], bytes]
    run: Callable[[bytes, Path], str]

    def case(self, seed: int, number: int) -> bytes:
        """Case `number` of the campaign with this seed, always the same."""
        return self.make(Random(f"{self.name} {seed} {number}"))

    def regressions(self) -> list[Path]:
        """The inputs that once did harm."""
        return sorted((REGRESSIONS / self.name).glob("*"))


@dataclass
class Outcome:
    """What came of some cases."""

    tried: int = 0
    accepted: int = 0
    surprises: list[str] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        self.tried += other.tried
        self.accepted += other.accepted
        self.surprises += other.surprises


def campaign(
    target: Target, seed: int, numbers: Iterable[int], folder: Path, keep: Path | None = None
) -> Outcome:
    """Try these cases one after another; with `keep`, one that surprises is written there."""
    outcome = Outcome()
    for number in numbers:
        case = target.case(seed, number)
        came, what = tried(target, case, folder)
        outcome.tried += 1
        outcome.accepted += came == ACCEPTED
        if what:
            outcome.surprises.append(f"{target.name} --seed {seed} --case {number}: {what}")
            if keep:
                (keep / target.name).mkdir(parents=True, exist_ok=True)
                (keep / target.name / sha256(case).hexdigest()[:12]).write_bytes(case)
    return outcome


def tried(target: Target, case: bytes, folder: Path) -> tuple[str, str | None]:
    """(what came of it, what was surprising in that)."""
    began = time.process_time()
    try:
        with _patience():
            came = target.run(case, folder)
    except CharnnError as error:
        came, what = REFUSED, None if str(error) else f"a {type(error).__name__} that says nothing"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return "failed", _described(error)
    else:
        what = None
    work = time.process_time() - began
    is_slow = came == REFUSED and work > MAX_WORK
    return came, what or (f"refused after {work:.1f} s of work" if is_slow else None)


class HangError(Exception):
    """A case that waits for something that never comes."""


@contextmanager
def _patience() -> Iterator[None]:
    """Give up after MAX_WAIT ticks of a second; a process that was stopped meanwhile gets one for all of that."""
    ticks = count(1)

    def tick(_number: int, _frame: FrameType | None) -> None:
        if next(ticks) == MAX_WAIT:
            raise HangError

    before = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _described(error: BaseException) -> str:
    """The error and where in charnn it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/charnn/" in frame.filename]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {str(error)[:200]}{place}"


def memory_folder() -> str | None:
    """Where files needn't wait for a disk; None where there is no such place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def limit_memory() -> None:
    """Make a memory bomb fail, instead of the machine."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
