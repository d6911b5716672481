"""`charnn score --pairs`: how well a model translates pairs whose targets are known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from charnn.cli.announce import announced_translator
from charnn.cli.terminal import json_line, note
from charnn.config import ColumnConfig, ReadConfig, Unknown
from charnn.settings import configured

_NAME = 20  # columns


@dataclass(frozen=True)
class PairsRequest:
    """Pairs in files, the models that translate them together, and how."""

    files: Sequence[str]
    models: Sequence[str]
    beam: int
    unknown: Unknown
    as_json: bool
    options: dict[str, Any]


def score_pairs_of(request: PairsRequest) -> None:
    """Print the scores of all pairs together."""
    from charnn.data.pair_files import PairOptions, read_pairs
    from charnn.data.sources import list_sources
    from charnn.data.streams import Tally
    from charnn.inference.pair_scores import score_pairs

    model = announced_translator(request.models)
    columns, reading = configured(ColumnConfig, request.options), configured(ReadConfig, request.options)
    if model.is_reversed and not columns.reverse:
        note("the model was trained with --reverse: pairs are read from target to source")
        columns = replace(columns, reverse=True)
    pairs = read_pairs(list_sources(request.files), PairOptions.of("pairs", columns, reading), Tally())
    scores = score_pairs(model, pairs, unknown=request.unknown, beam=request.beam)
    values = {
        "pairs": scores.pairs,
        "sources": scores.sources,
        "accuracy": scores.accuracy,
        "wer": scores.wer,
        "symbol_error_rate": scores.symbol_error_rate,
        "nats_per_symbol": scores.nats_per_symbol,
    }
    if request.as_json:
        print(json_line(values))
        return
    shares = ("accuracy", "wer", "symbol_error_rate")
    for name, value in values.items():
        shown = (
            f"{value:.2%}" if name in shares else f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
        )
        print(f"{name.replace('_', ' '):<{_NAME}}{shown}")
