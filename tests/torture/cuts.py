"""Exact resume: a run interrupted anywhere, twice, equals the undisturbed one to the bit."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from charnn.config import TrainOptions
from charnn.errors import InterruptedRunError
from charnn.library import train_events
from charnn.storage.run_folder import RunFolder

from .outcome import outcome_of

SECOND_CUT = 3  # polls after the first
NETWORKS: tuple[TrainOptions, ...] = (
    {"cell": "lstm", "layers": 2, "dropout": 0.3},
    {"cell": "gru", "dropout": 0.3},
    {"cell": "rnn", "nonlinearity": "relu", "embedding": 5},
    {"embedding": 8, "ngrams": 3, "ngram_rows": 64, "ngram_dropout": 0.5, "skip_connection": "input"},
    {"embedding": 8, "bidirectional": True, "dropout": 0.3},
)
_RUN: TrainOptions = {
    "steps": 14,  # of 10 an epoch
    "hidden": 8,
    "batch_size": 2,
    "seq_length": 16,
    "threads": 1,
    "device": "cpu",
    "val_fraction": 0.9,  # an evaluation polls at each of its windows
    "save_every": "5",
    "sample_every": "0",
}


@dataclass(frozen=True)
class Cut:
    """An interruption at the so-many-th time that the run asks whether there is one."""

    poll: int
    is_equal: bool


def cuts(folder: Path, network: TrainOptions, every: int = 1) -> Iterator[Cut]:
    """Cut at each poll in turn (or every so-many-th), until the run ends before it is reached."""
    corpus = folder / "corpus.txt"
    corpus.write_text("".join(chr(97 + i * i % 23) for i in range(3000)), encoding="utf-8")
    undisturbed = _run(corpus, RunFolder(folder / "undisturbed"), network, None)
    poll = 1
    while True:
        run = RunFolder(folder / f"cut-{poll}")
        if _run(corpus, run, network, poll):
            return
        _run(corpus, run, network, SECOND_CUT, resume=True)
        yield Cut(poll, _run(corpus, run, network, None, resume=True) == undisturbed)
        poll += every


def _run(
    corpus: Path, run: RunFolder, network: TrainOptions, poll: int | None, *, resume: bool = False
) -> str:
    """The outcome; empty when the run was interrupted."""
    options: TrainOptions = {**_RUN, **network, "out": str(run.path), "resume": resume}
    try:
        for _ in train_events([str(corpus)], options, pending_signal=_at(poll)):
            pass
    except InterruptedRunError:
        return ""
    return outcome_of(run)


def _at(poll: int | None) -> Callable[[], int | None]:
    """A signal that is there from the so-many-th question on."""
    asked = 0

    def pending() -> int | None:
        nonlocal asked
        asked += 1
        return signal.SIGINT if poll is not None and asked >= poll else None

    return pending
