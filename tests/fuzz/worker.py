"""One of the processes that share a campaign."""

import logging
import os
from pathlib import Path

from .campaign import REGRESSIONS, Outcome, campaign, limit_memory
from .targets import TARGETS


def prepare() -> None:
    """A worker: bounded, silent, on one thread."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    logging.disable()
    limit_memory()


def try_block(name: str, seed: int, base: Path, numbers: range) -> Outcome:
    folder = base / str(os.getpid())
    folder.mkdir(exist_ok=True)
    return campaign(TARGETS[name], seed, numbers, folder, keep=REGRESSIONS)
