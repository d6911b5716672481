"""Training runs killed at random moments, and resumed, until they end."""

import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from charnn.errors import CharnnError
from charnn.storage.checkpoints import CheckpointStore
from charnn.storage.model_file import read_model
from charnn.storage.run_folder import MetricsLog, RunFolder

from . import processes
from .outcome import outcome_of

STEPS = 500
LONGEST_LIFE = 0.8  # seconds that a run lives at most before it is killed
_OPTIONS = (
    *("--steps", str(STEPS), "--save-every", "15", "--dropout", "0.1", "--sample-every", "0"),
    *processes.TINY,
)


@dataclass
class Kills:
    """What came of it. `odd` describes whatever wasn't as promised."""

    tried: int = 0
    in_training: int = 0
    finished: int = 0
    odd: list[str] = field(default_factory=list)


def random_kills(folder: Path, kills: int, seed: int = 0) -> Kills:
    """Kill `kills` times, then let the last run end; each must equal the undisturbed run to the bit."""
    chance, result = random.Random(seed), Kills()
    processes.write_corpus(folder)
    undisturbed = _finished(folder, RunFolder(folder / "undisturbed"))
    number = 0
    while result.tried < kills:
        number += 1
        run = RunFolder(folder / f"run-{number}")
        while result.tried < kills and _killed(folder, run, chance.uniform(0.02, LONGEST_LIFE), result):
            result.odd += [f"after kill {result.tried}: {line}" for line in complaints(run)]
        if _finished(folder, run) != undisturbed:
            result.odd.append(f"{run.path} differs from the undisturbed run")
        result.finished += 1
    return result


def _arguments(run: RunFolder) -> tuple[str, ...]:
    begun = MetricsLog(run.metrics).first("start") is not None
    return ("train", "corpus.txt", "--out", str(run.path), *_OPTIONS, "--resume" if begun else "--overwrite")


def _killed(folder: Path, run: RunFolder, life: float, result: Kills) -> bool:
    """Go on with the run and kill it; False when it ended by itself before."""
    child = processes.start(folder, *_arguments(run))
    time.sleep(life)
    child.send(signal.SIGKILL)
    ended = child.wait()
    if ended.code == 0:
        return False
    if ended.code != -signal.SIGKILL:
        raise RuntimeError(f"the run ended by itself, with {ended.code}: {ended.stderr}")
    result.tried += 1
    result.in_training += "plan:" in ended.stderr or "going on" in ended.stderr
    return True


def complaints(run: RunFolder) -> Iterator[str]:
    """Whatever of a killed run doesn't load, or is older than what the run said it had saved."""
    try:
        state, torn = CheckpointStore(run.resume, keep=2).latest()
        yield from torn
        said = MetricsLog(run.metrics).last("save")
        if said and (state is None or state.step < said["step"]):
            yield f"step {said['step']} was saved, but the last state is {state and state.step}"
        if run.model.exists() or said:
            read_model(run.model)
    except CharnnError as error:
        yield str(error)


def _finished(folder: Path, run: RunFolder) -> str:
    """Let a run end; what it came to, weights and losses, as one hash."""
    ended = processes.run(folder, *_arguments(run))
    if ended.code:
        raise RuntimeError(f"the run ended with {ended.code}: {ended.stderr}")
    return outcome_of(run)
