"""Where the models and the corpus that ship with charnn are: in a wheel inside the package, in a checkout beside it."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


BUNDLED_MODELS = ("english", "shakespeare")
DEFAULT_MODEL = "shakespeare"


def bundled_model(name: str = DEFAULT_MODEL) -> Path:
    """A model that ships with charnn: the one that samples by default, or one of BUNDLED_MODELS by its name."""
    return _first(
        _PACKAGE / f"bundled/{name}.safetensors", _checkout(f"checkpoints/{name}/model.safetensors")
    )


def bundled_corpus() -> Path:
    """The default corpus."""
    return _first(_PACKAGE / "bundled/lantern.txt", _checkout("corpora/lantern.txt"))


def _checkout(name: str) -> Path:
    return _PACKAGE.parent / name


def _first(installed: Path, beside: Path) -> Path:
    return installed if installed.exists() else beside
