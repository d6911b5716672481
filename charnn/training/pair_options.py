"""Options that ask for pairs → the sources of a run and how they are read. Needs no torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from charnn.config import TRAIN_SETTINGS, ColumnConfig, SeparatorConfig, TrainOptions
from charnn.errors import InputError
from charnn.settings import settings_of

_OF_PAIRS = (
    *settings_of(ColumnConfig),
    *settings_of(SeparatorConfig),
    "encoder_hidden",
    "attention",
    "copy_gate",
    "label_smoothing",
    "recombination",
)
_OF_TEXT = ("documents", "column", "unique", "separator", "max_vocab", "bidirectional", "seq_length")


def with_pairs(corpus: Sequence[str], options: TrainOptions) -> tuple[Sequence[str], dict[str, Any]]:
    """The sources and options of a run, those of `--pairs`, `--source` and `--target` resolved into a `layout`.

    Raises InputError for options that contradict each other.
    """
    rest = dict(options)
    pairs, source, target = (rest.pop(name, None) for name in ("pairs", "source", "target"))
    if (source is None) is not (target is None):
        raise InputError("--source and --target name two files, line by line; give both, or --pairs FILE")
    if not pairs and source is None:
        if not options.get("resume"):
            _refuse(rest, _OF_PAIRS, "is for pairs of texts; add --pairs FILE")
        return corpus, rest
    if corpus:
        raise InputError(f"{corpus[0]} and --pairs: train on a text or on pairs, not on both")
    if pairs and source is not None:
        raise InputError(
            "--pairs names files of pairs, --source and --target one file each; give one or the other"
        )
    _refuse(rest, _OF_TEXT, "is for texts, not for pairs; leave it out")
    return (pairs, rest | {"layout": "pairs"}) if pairs else ((source, target), rest | {"layout": "parallel"})


def _refuse(options: Mapping[str, Any], names: Sequence[str], why: str) -> None:
    for name in names:
        if name in options:
            raise InputError(f"{TRAIN_SETTINGS[name].option} {why}")
