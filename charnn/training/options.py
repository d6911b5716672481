"""What a user said about a run, checked before anything is read or imported."""

from typing import Any

from charnn.config import TRAIN_SETTINGS, TrainOptions
from charnn.errors import InputError
from charnn.settings import checked


def checked_options(options: TrainOptions) -> dict[str, Any]:
    """The options, parsed. Raises InputError naming the first whose value makes no sense."""
    parsed = checked(TRAIN_SETTINGS, options, "train")
    if "nonlinearity" in parsed and parsed.get("cell") != "rnn":
        raise InputError("--nonlinearity is for the vanilla network; add --cell rnn")
    if parsed.get("resume") and parsed.get("overwrite"):
        raise InputError("--resume keeps a run and --overwrite removes it; give one of them")
    return parsed
