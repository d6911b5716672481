"""What a command chose by itself, said on stderr: the model, the seed."""

from typing import TYPE_CHECKING, TypeVar

from charnn.cli.terminal import note

if TYPE_CHECKING:
    from charnn.inference.find import Found
    from charnn.inference.infill import Filler
    from charnn.inference.model import Model
    from charnn.storage.description import Description

Loaded = TypeVar("Loaded", "Model", "Filler", "Description")

MODEL_DEFAULT = "$CHARNN_MODEL, else the newest run under ./checkpoints, else the one that ships"


def announced_model(path: str | None) -> "Model":
    """Load the model at `path`, or the one that `find_model` prefers, and say which."""
    from charnn.inference.find import find_model

    return _announced(find_model(path))


def announced_filler(path: str | None) -> "Filler":
    """Load the model at `path`, or the one that `find_filler` prefers, and say which."""
    from charnn.inference.find import find_filler

    return _announced(find_filler(path))


def announced_description() -> "Description":
    """The description of the model that `find_description` prefers, and say which that is."""
    from charnn.inference.find import find_description

    return _announced(find_description())


def _announced(found: "Found[Loaded]") -> Loaded:
    for reason in found.passed_over:
        note(f"passed over: {reason}")
    note(f"model: {found.model.path} ({found.reason})")
    return found.model


def announced_seed(seed: int | None) -> int:
    """The seed, or a random one, which is printed."""
    from charnn.inference.sampler import fresh_seed

    if seed is None:
        seed = fresh_seed()
        note(f"seed: {seed}")
    return seed
