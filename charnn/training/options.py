"""What a user said about a run, checked before anything is read or imported."""

from math import inf, isfinite
from typing import Any

from charnn.config import CELLS, NONLINEARITIES, TrainOptions
from charnn.errors import InputError

_CHOICES: dict[str, tuple[str, ...]] = {
    "cell": CELLS,
    "nonlinearity": NONLINEARITIES,
    "errors": ("strict", "replace"),
    "precision": ("auto", "fp32", "bf16"),
}
_RANGES: dict[str, tuple[float, float]] = {  # least, and what it must stay below
    "max_vocab": (2, inf),
    "minutes": (0, 1e9),  # millennia
    "steps": (1, 2**62),
    "epochs": (0, 1e9),
    "layers": (1, 65),
    "hidden": (1, 65_537),
    "embedding": (0, 65_537),
    "ngrams": (0, 17),
    "ngram_rows": (2, 2**24 + 1),
    "ngram_dropout": (0, 1),
    "dropout": (0, 1),
    "batch_size": (1, 2**20),
    "seq_length": (1, 2**20),
    "lr": (0, 1e6),
    "clip": (0, inf),
    "weight_decay": (0, 1e6),
    "val_fraction": (0, 1),
    "threads": (1, 4097),
    "seed": (0, 2**63),
    "keep": (1, inf),
}
_POSITIVE = ("minutes", "epochs", "lr")  # and not 0
_TEXTS = ("out", "val", "init_from", "device")


def option_name(name: str) -> str:
    """`batch_size` → `--batch-size`."""
    return "--" + name.replace("_", "-")


def check_options(options: TrainOptions) -> None:
    """Raise InputError naming the first option whose value makes no sense."""
    for name, value in options.items():
        if name not in TrainOptions.__annotations__:
            raise InputError(f"{option_name(name)} is no option of train")
        if name in _TEXTS and not (isinstance(value, str) and value):
            raise InputError(f"{option_name(name)} {value!r}: give a name")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise InputError(f"{option_name(name)} {value!r} is unknown; use {', '.join(_CHOICES[name])}")
        if name in _POSITIVE and not _number(name, value) > 0:
            raise InputError(f"{option_name(name)} {value}: give a number above 0")
        if name in _RANGES:
            _check_range(name, value, *_RANGES[name])
    if not isinstance(options.get("bidirectional", False), bool):
        raise InputError(f"--bidirectional {options['bidirectional']!r}: give true or false")
    if "nonlinearity" in options and options.get("cell") != "rnn":
        raise InputError("--nonlinearity is for the vanilla network; add --cell rnn")
    if options.get("resume") and options.get("overwrite"):
        raise InputError("--resume keeps a run and --overwrite removes it; give one of them")


def _check_range(name: str, value: Any, least: float, below: float) -> None:
    if not (isfinite(_number(name, value)) and least <= value < below):
        bound = f"from {least:g} up" if below == inf else f"from {least:g} up to, not including, {below:g}"
        raise InputError(f"{option_name(name)} {value}: give a number {bound}")


def _number(name: str, value: Any) -> float:
    is_whole = TrainOptions.__annotations__[name] is int
    if isinstance(value, bool) or not isinstance(value, int if is_whole else (int, float)):
        raise InputError(f"{option_name(name)} {value!r}: give a {'whole ' * is_whole}number")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{option_name(name)}: give a smaller number") from None
