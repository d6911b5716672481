"""Which model serves a command, said on stderr."""

from typing import TYPE_CHECKING

from charnn.cli.terminal import note

if TYPE_CHECKING:
    from charnn.inference.model import Model

MODEL_DEFAULT = "$CHARNN_MODEL, else the newest run under ./checkpoints, else the one that ships"


def announced_model(path: str | None) -> "Model":
    """Load the model at `path`, or the one that `find_model` prefers, and say which."""
    from charnn.inference.find import find_model

    found = find_model(path)
    for reason in found.passed_over:
        note(f"passed over: {reason}")
    note(f"model: {found.model.path} ({found.reason})")
    return found.model
