"""Which model serves when several could."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from charnn.bundled import bundled_model
from charnn.errors import InputError, ModelFileError
from charnn.inference.infill import Filler, load_filler
from charnn.inference.model import Model, load
from charnn.storage.description import Description, describe

MODEL_VARIABLE = "CHARNN_MODEL"
RUNS = Path("checkpoints")

Loaded = TypeVar("Loaded")
Load = Callable[[str | Path], Loaded]


@dataclass(frozen=True)
class Found(Generic[Loaded]):
    """A loaded model, why it is this one, and what was wrong with newer ones."""

    model: Loaded
    reason: str
    passed_over: tuple[str, ...] = ()


def find_model(path: str | None = None) -> Found[Model]:
    """Load the model at `path`, else at $CHARNN_MODEL, else the newest run's under ./checkpoints, else charnn's own.

    Raises ModelFileError when the one that is named can't be used, InputError when there is none at all.
    """
    return _found(path, load)


def find_filler(path: str | None = None) -> Found[Filler]:
    """As `find_model`, for filling gaps: a bidirectional model serves too."""
    return _found(path, load_filler)


def find_description() -> Found[Description]:
    """As `find_model` without a path, for a look: a bidirectional model serves too."""
    return _found(None, describe)


def _found(path: str | None, load_one: Load[Loaded]) -> Found[Loaded]:
    if path is not None:
        return Found(load_one(path), "--model")
    if named := os.environ.get(MODEL_VARIABLE):
        return Found(load_one(named), f"from ${MODEL_VARIABLE}")
    return _newest_run(load_one) or _shipped(load_one)


def _newest_run(load_one: Load[Loaded]) -> Found[Loaded] | None:
    passed_over: list[str] = []
    for candidate in _newest_first(RUNS.glob("*/model.safetensors")):
        try:
            return Found(load_one(candidate), f"the newest under {RUNS}", tuple(passed_over))
        except ModelFileError as error:
            passed_over.append(str(error))
    return None


def _newest_first(paths: Iterator[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path), reverse=True)


def _shipped(load_one: Load[Loaded]) -> Found[Loaded]:
    path = bundled_model()
    if not path.exists():
        raise InputError(
            f"no model: none to use under ./{RUNS} and none ships with this copy; "
            "run `charnn train` or name one with --model"
        )
    return Found(load_one(path), "ships with charnn")
