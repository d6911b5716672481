"""The library's door to training: `charnn.train`."""

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charnn.config import TrainOptions
from charnn.data.collected_texts import store_texts
from charnn.data.sources import listed_paths
from charnn.errors import InputError
from charnn.inference.loading import load
from charnn.notebook import notebook_display
from charnn.training.events import Event, Finished, RunSummary
from charnn.training.options import checked_options
from charnn.training.pair_options import with_pairs
from charnn.training.place import find_place, with_processes
from charnn.training.run_lock import absolute_options, lock_run


@dataclass(frozen=True)
class Run:
    """A finished run. `best_val_nats_per_char` is None when nothing was kept for validation."""

    folder: Path
    best_val_nats_per_char: float | None
    steps: int
    reason: str

    def model(self) -> Any:
        """The best model of the run, as `charnn.load` loads it."""
        return load(self.folder)


def train(
    corpus: str | Path | Sequence[str | Path] | Iterator[str] = (),
    *,
    texts: Iterable[str] | None = None,
    on_event: Callable[[Event], None] | None = None,
    progress: bool = True,
    **options: Any,
) -> Run:
    """Train a character-level model on `corpus` (a path or several: files, folders, globs; none: the
    bundled one), or on `texts`, each of which is a document. An iterator is taken for texts.

    The options are the settings of `charnn train` (`charnn.config.TRAIN_SETTINGS`); what is left out is chosen by the
    recipe. `on_event` is called with each event of the run. In a notebook a progress bar and the losses so far are
    shown below the cell, unless `progress` is false. Raises CharnnError.
    """
    finished: Finished | None = None
    folder = ""
    display = notebook_display() if progress else None
    if isinstance(corpus, Iterator):
        corpus, texts = (), corpus
    if texts is not None:
        if corpus:
            raise InputError("corpus and texts are both given: train on one of them")
        corpus = store_texts([texts] if isinstance(texts, str) else texts)
    try:
        for event in train_events(
            listed_paths(corpus), options, on_read=display.reading if display else None
        ):
            if isinstance(event, RunSummary):
                folder = event.folder
            if isinstance(event, Finished):
                finished = event
            if display:
                display.show(event)
            if on_event:
                on_event(event)
    finally:
        if display:
            display.close()
    if finished is None:
        raise InputError(f"the run in {folder} is over already; give a larger budget to go on with it")
    return Run(Path(folder), finished.best_val_nats_per_char, finished.step, finished.reason)


def train_events(
    corpus: Sequence[str],
    options: TrainOptions,
    *,
    started: float | None = None,
    pending_signal: Callable[[], int | None] = lambda: None,
    on_read: Callable[[int, int | None], None] | None = None,
    dry_run: bool = False,
) -> Generator[Event, None, None]:
    """The events of a run, as they happen; closing the iterator ends the run at once.

    `started` is the moment a budget in minutes counts from, on time.monotonic's scale (default: now).
    """
    corpus, options = with_pairs(corpus, checked_options(options))
    place = find_place()
    options = with_processes(options, place)
    begun = time.monotonic() if started is None else started
    with ExitStack() as stack:
        if place is None:  # else a refusal waits until the others can be told
            run_lock = stack.enter_context(lock_run(corpus, options, dry_run=dry_run))
        # waiting threads spin for moments only: spinning longer makes a busy machine several times slower
        os.environ.setdefault("GOMP_SPINCOUNT", "5000")
        if place is not None:  # what torch logs of a lost process, charnn says in one line
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
        from charnn.training.context import TrainRequest  # torch
        from charnn.training.distributed import joined
        from charnn.training.follow import follow
        from charnn.training.run import run_events

        group = stack.enter_context(joined(place, options, pending_signal))
        request = TrainRequest(corpus, absolute_options(options), begun, pending_signal, on_read, group)
        if not group.leads:
            yield from follow(request)
            return
        if place is not None:
            run_lock = stack.enter_context(lock_run(corpus, options, dry_run=dry_run))
        yield from run_events(request, run_lock, dry_run=dry_run)
