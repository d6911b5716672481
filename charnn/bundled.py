"""Where the model and the corpus that ship with charnn are: in a wheel inside the package, in a checkout beside it."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def bundled_model() -> Path:
    """The model that ships with charnn."""
    return _first(
        _PACKAGE / "bundled/shakespeare.safetensors", _checkout("checkpoints/shakespeare/model.safetensors")
    )


def bundled_corpus() -> Path:
    """The default corpus."""
    return _first(_PACKAGE / "bundled/lantern.txt", _checkout("corpora/lantern.txt"))


def _checkout(name: str) -> Path:
    return _PACKAGE.parent / name


def _first(installed: Path, beside: Path) -> Path:
    return installed if installed.exists() else beside
