"""Which model serves when several could. What only some kinds of model need is imported for them alone."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from charnn.bundled import bundled_model
from charnn.errors import CharnnError, InputError
from charnn.inference.model import Model, load
from charnn.storage.model_file import MODEL_FILE, ModelFile, model_path, read_model
from charnn.storage.run_folder import CHECKPOINTS, newest_first

if TYPE_CHECKING:
    from charnn.inference.infill import Filler
    from charnn.inference.translator import Translator
    from charnn.storage.description import Description

MODEL_VARIABLE = "CHARNN_MODEL"

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


def find_filler(path: str | None = None) -> "Found[Filler]":
    """As `find_model`, for filling gaps: a bidirectional model serves too."""
    from charnn.inference.infill import load_filler

    return _found(path, load_filler)


def find_translator(path: str | None = None) -> "Found[Translator]":
    """As `find_model`, for models of pairs, of which none ships with charnn."""
    from charnn.inference.translator import load_translator

    return _found(path, load_translator, is_shipped=False)


def find_description() -> "Found[Description]":
    """As `find_model` without a path, for a look: a bidirectional model serves too."""
    from charnn.storage.description import describe

    return _found(None, describe)


@dataclass(frozen=True)
class Stored:
    """What a model file holds, and which file that is."""

    path: Path
    model: ModelFile

    @classmethod
    def read(cls, path: str | Path) -> "Stored":
        """Of a .safetensors file or a run's folder. Raises ModelFileError, naming it and what is wrong."""
        file = model_path(Path(path))
        return cls(file, read_model(file))

    @property
    def name(self) -> str:
        """What to call it: its run, or its file where that has a name of its own."""
        return self.path.absolute().parent.name if self.path.name == MODEL_FILE else self.path.stem


def find_stored() -> Found[Stored]:
    """As `find_model` without a path, for what a file holds, whatever kind of model that is."""
    return _found(None, Stored.read)


def _found(path: str | None, load_one: Load[Loaded], *, is_shipped: bool = True) -> Found[Loaded]:
    if path is not None:
        return Found(load_one(path), "--model")
    if named := os.environ.get(MODEL_VARIABLE):
        return Found(load_one(named), f"from ${MODEL_VARIABLE}")
    passed_over: list[str] = []
    for run in newest_first():
        try:
            return Found(load_one(run.model), f"the newest under {CHECKPOINTS}", tuple(passed_over))
        except CharnnError as error:
            passed_over.append(str(error))
    if not is_shipped:
        raise InputError(
            f"no model of pairs under ./{CHECKPOINTS}; run `charnn train --pairs FILE` or name one with --model"
        )
    return _shipped(load_one, tuple(passed_over))


def _shipped(load_one: Load[Loaded], passed_over: tuple[str, ...]) -> Found[Loaded]:
    path = bundled_model()
    if not path.exists():
        raise InputError(
            f"no model: none to use under ./{CHECKPOINTS} and none ships with this copy; "
            "run `charnn train` or name one with --model"
        )
    return Found(load_one(path), "ships with charnn", passed_over)
