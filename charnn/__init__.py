"""charnn: train a character-level recurrent network on any text, sample from it, score with it."""

from charnn.version import __version__

TYPE_CHECKING = False  # as typing has it, which takes a while to import

if TYPE_CHECKING:
    from typing import Any

    from charnn.analysis.cells import ExplainedCells, explained_cells
    from charnn.analysis.gradients import GradientNorms, gradient_norms
    from charnn.analysis.learning_curves import LearningCurves, learning_curves
    from charnn.analysis.memory import MemoryCurve, memory_curve
    from charnn.data.held_out import held_out
    from charnn.inference.infill import Filled, Filler, load_filler
    from charnn.inference.loading import load
    from charnn.inference.model import Model
    from charnn.inference.translator import Alignment, Candidate, Translation, Translator
    from charnn.library import Run, train
    from charnn.storage.description import Description, describe

__all__ = [
    "Alignment",
    "Candidate",
    "Description",
    "ExplainedCells",
    "Filled",
    "Filler",
    "GradientNorms",
    "LearningCurves",
    "MemoryCurve",
    "Model",
    "Run",
    "Translation",
    "Translator",
    "__version__",
    "describe",
    "explained_cells",
    "gradient_norms",
    "held_out",
    "learning_curves",
    "load",
    "load_filler",
    "memory_curve",
    "train",
]

_HOMES = {
    "Filled": "charnn.inference.infill",
    "Filler": "charnn.inference.infill",
    "load_filler": "charnn.inference.infill",
    "Model": "charnn.inference.model",
    "load": "charnn.inference.loading",
    "Alignment": "charnn.inference.translator",
    "Candidate": "charnn.inference.translator",
    "Translation": "charnn.inference.translator",
    "Translator": "charnn.inference.translator",
    "Run": "charnn.library",
    "train": "charnn.library",
    "Description": "charnn.storage.description",
    "describe": "charnn.storage.description",
    "held_out": "charnn.data.held_out",
    "GradientNorms": "charnn.analysis.gradients",
    "gradient_norms": "charnn.analysis.gradients",
    "ExplainedCells": "charnn.analysis.cells",
    "explained_cells": "charnn.analysis.cells",
    "LearningCurves": "charnn.analysis.learning_curves",
    "learning_curves": "charnn.analysis.learning_curves",
    "MemoryCurve": "charnn.analysis.memory",
    "memory_curve": "charnn.analysis.memory",
}


def __getattr__(name: str) -> "Any":
    """Import what is asked for when it is asked for: `charnn --help` needs neither NumPy nor torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
