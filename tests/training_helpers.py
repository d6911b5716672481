"""Tiny training runs, driven as the command drives them."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest
from torch import Tensor

from charnn.config import DataConfig
from charnn.data.corpus import Corpus, open_corpus
from charnn.errors import InterruptedRunError
from charnn.library import train_events
from charnn.storage.checkpoints import CheckpointStore
from charnn.training.device import cpu_has_bf16
from charnn.training.events import Event

TINY = {
    "hidden": 8,
    "batch_size": 3,
    "seq_length": 16,
    "dropout": 0.0,
    "layers": 1,
    "threads": 1,
    "device": "cpu",
    "cell": "lstm",
}
NEEDS_BF16 = pytest.mark.skipif(not cpu_has_bf16(), reason="this processor doesn't compute in bfloat16")
TIME_FIELDS = ("seconds", "chars_per_second")


def write_corpus(folder: Path, chars: int = 300, seed: int = 1, alphabet: str = "abcdefg \n") -> str:
    """A file of words over `alphabet` that repeat, so that there is something to learn."""
    numbers = Random(seed)
    words = ["".join(numbers.choices(alphabet, k=4)) for _ in range(12)]
    path = folder / f"corpus-{seed}.txt"
    path.write_text("".join(numbers.choices(words, k=chars // 4 + 1))[:chars], encoding="utf-8")
    return str(path)


def opened(folder: Path, source: str, **data: object) -> Corpus:
    """A corpus, its cache in `folder`."""
    with patch.dict(os.environ, XDG_CACHE_HOME=str(folder)):
        return open_corpus(DataConfig((source,), **data))  # type: ignore[arg-type]


def interrupt_at(call: int) -> Callable[[], int | None]:
    """A signal that is pending from the `call`-th time on that the run asks for one (at each step, window, ...)."""
    calls = 0

    def pending() -> int | None:
        nonlocal calls
        calls += 1
        return signal.SIGINT if calls >= call else None

    return pending


def run(source: str | None, out: Path, *, cut: int | None = None, **options: object) -> list[Event]:
    """The events of a context into `out`; `cut` interrupts it (see `interrupt_at`), which raises nothing here."""
    pending = interrupt_at(cut) if cut else lambda: None
    chosen = {"out": str(out), **({} if options.get("resume") else TINY), **options}
    events: list[Event] = []
    with patch.dict(os.environ, XDG_CACHE_HOME=str(out.parent / "cache")):
        try:
            for event in train_events([source] if source else [], chosen, pending_signal=pending):  # type: ignore[arg-type]
                events.append(event)
        except InterruptedRunError:
            if cut is None:
                raise
    return events


def metrics(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def course_of_losses(out: Path) -> list[dict[str, object]]:
    """metrics.jsonl without what an interruption may change: saves, resumptions, times."""
    kept = (line for line in metrics(out) if line["event"] not in ("save", "resume"))
    return [{name: value for name, value in line.items() if name not in TIME_FIELDS} for line in kept]


def final_tensors(out: Path) -> dict[str, Tensor]:
    """Every tensor of the run's last state."""
    state, complaints = CheckpointStore(out / "resume", keep=2).latest()
    assert state is not None
    assert not complaints
    return state.tensors
