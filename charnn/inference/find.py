"""Which model serves when several could."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from charnn.bundled import bundled_model
from charnn.errors import InputError, ModelFileError
from charnn.inference.model import Model, load

MODEL_VARIABLE = "CHARNN_MODEL"
RUNS = Path("checkpoints")


@dataclass(frozen=True)
class Found:
    """A loaded model, why it is this one, and what was wrong with newer ones."""

    model: Model
    reason: str
    passed_over: tuple[str, ...] = ()


def find_model(path: str | None = None) -> Found:
    """Load the model at `path`, else at $CHARNN_MODEL, else the newest run's under ./checkpoints, else charnn's own.

    Raises ModelFileError when the one that is named can't be used, InputError when there is none at all.
    """
    if path is not None:
        return Found(load(path), "--model")
    if named := os.environ.get(MODEL_VARIABLE):
        return Found(load(named), f"from ${MODEL_VARIABLE}")
    return _newest_run() or _shipped()


def _newest_run() -> Found | None:
    passed_over: list[str] = []
    for candidate in _newest_first(RUNS.glob("*/model.safetensors")):
        try:
            return Found(load(candidate), f"the newest under {RUNS}", tuple(passed_over))
        except ModelFileError as error:
            passed_over.append(str(error))
    return None


def _newest_first(paths: Iterator[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path), reverse=True)


def _shipped() -> Found:
    path = bundled_model()
    if not path.exists():
        raise InputError(
            f"no model: nothing to sample from under ./{RUNS} and none ships with this copy; "
            "run `charnn train` or name one with --model"
        )
    return Found(load(path), "ships with charnn")
