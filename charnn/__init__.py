"""charnn: train a character-level recurrent network on any text, sample from it, score with it."""

from typing import TYPE_CHECKING, Any

from charnn.version import __version__

if TYPE_CHECKING:
    from charnn.inference.model import Model, load
    from charnn.library import Run, train

__all__ = ["Model", "Run", "__version__", "load", "train"]

_HOMES = {
    "Model": "charnn.inference.model",
    "load": "charnn.inference.model",
    "Run": "charnn.library",
    "train": "charnn.library",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `charnn --help` needs neither NumPy nor torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
