"""What `inspect cells` found, shown: tables and a heat map on a terminal, rows in a pipe, JSON for scripts."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from charnn.analysis.cell_reader import LEFT, RIGHT, GateSaturation
from charnn.analysis.cells import Cell, CellScore, ExplainedCells
from charnn.cli.activation_colors import heat_map, legend, levels
from charnn.cli.inspect_view import network_name
from charnn.cli.terminal import colours_in, escape, escape_line, json_line
from charnn.inference.model import Model
from charnn.inference.softmax import Doubles

MOSTLY = 0.9  # of the characters
_WINDOW_STEP = 20  # characters between the excerpts that are compared
_WIDEST_WORDS = 26  # columns of a feature's name


@dataclass(frozen=True)
class Excerpt:
    """A cell over a piece of the text: `values` (n,) between −1 and 1; `feature` is what the cell is shown for."""

    cell: Cell
    feature: str | None
    start: int
    text: str
    values: list[float]


def excerpt(found: ExplainedCells, score: CellScore | None, cell: Cell, length: int) -> Excerpt:
    """A cell over about `length` characters of a piece it wasn't chosen on, there where its feature varies most."""
    name = score.feature if score else None
    pieces, size = len(found.starts), len(found.text) // len(found.starts)
    values = next((f.values for f in found.features if f.name == name), np.zeros(len(found.text)))
    piece, begin = _most_varied(values.reshape(pieces, size), min(length, size))
    text = found.text[piece * size : (piece + 1) * size]
    begin = text.rfind("\n", 0, begin) + 1
    held = scaled(found.values_of(cell)).reshape(pieces, size)[piece, begin : begin + length]
    return Excerpt(cell, name, found.starts[piece] + begin, text[begin : begin + length], held.tolist())


def shown_excerpt(found: ExplainedCells, cell: Cell | None, length: int) -> Excerpt:
    """Of the cell that is named, or of the one that explains most."""
    score = next((score for score in found.scores if cell in (None, score.cell)), None)
    shown = cell or (score.cell if score else None)
    assert shown is not None  # a text long enough has words
    return excerpt(found, score, shown, length)


def _most_varied(pieces: Doubles, length: int) -> tuple[int, int]:
    """The piece, of those that cells weren't chosen on, and the place in it where `length` values vary most."""
    tried = pieces[1::2]
    sums, squares = (np.cumsum(np.pad(part, ((0, 0), (1, 0))), axis=1) for part in (tried, tried**2))
    begins = np.arange(0, tried.shape[1] - length + 1, _WINDOW_STEP)
    mean, square = ((part[:, begins + length] - part[:, begins]) / max(length, 1) for part in (sums, squares))
    piece, place = np.unravel_index((square - mean**2).argmax(), mean.shape)
    return 2 * int(piece) + 1, int(begins[place])


def scaled(values: Doubles) -> Doubles:
    """Values between −1 and 1: those of a ReLU are divided by their largest."""
    largest = float(np.abs(values).max(initial=0.0))
    return values / largest if largest > 1 else values


def print_rows(found: ExplainedCells) -> None:
    """A row for each cell, for scripts."""
    for score in found.scores:
        layer, cell = score.cell
        kind = "binary" if score.is_binary else "number"
        figures = (f"{figure:.4f}" for figure in (score.r2, score.fitted_r2, score.rank))
        print("\t".join((score.feature, str(layer), str(cell), kind, *figures)))


def print_json(model: Model, found: ExplainedCells, cell: Cell | None, length: int) -> None:
    """Everything, but of the values only those of one cell over the piece of text that is shown."""
    shown = shown_excerpt(found, cell, length)
    layer, number = shown.cell
    value = {
        "model": str(model.path),
        "network": network_name(model.config),
        "chars": len(found.text),
        "unknown": found.unknown,
        "cells": [_score_value(score) for score in found.scores],
        "gates": [_gate_value(gate) for gate in found.gates],
        "shown": {**asdict(shown), "cell": number, "layer": layer},
    }
    print(json_line(value))


def _score_value(score: CellScore) -> dict[str, Any]:
    return {
        "feature": score.feature,
        "layer": score.cell[0],
        "cell": score.cell[1],
        "r2": score.r2,
        "fitted_r2": score.fitted_r2,
        "auc" if score.is_binary else "spearman": score.rank,
    }


def _gate_value(gate: GateSaturation) -> dict[str, Any]:
    shares = {"left_saturated": gate.left.tolist(), "right_saturated": gate.right.tolist()}
    return {"layer": gate.layer, "gate": gate.gate, **shares}


def print_report(found: ExplainedCells, cell: Cell | None, length: int) -> None:
    """For a person: the tables, and one cell over a piece of the text."""
    print("".join(f"{line}\n" for line in (*_score_lines(found), *_gate_lines(found))), end="")
    if length:
        print("\n" + "\n".join(_shown_lines(shown_excerpt(found, cell, length))))


def _score_lines(found: ExplainedCells) -> Iterator[str]:
    yield f"{'feature of the text':<{_WIDEST_WORDS}}  layer:cell   explained   by rank"
    for score in found.scores:
        rank = f"AUC {score.rank:.3f}" if score.is_binary else f"ρ {score.rank:.3f}"
        explained = f"{max(score.r2, 0):.1%}".replace("%", " %")
        yield f"{score.feature:<{_WIDEST_WORDS}}  {cell_name(score.cell):>10} {explained:>11}   {rank:>9}"


def _gate_lines(found: ExplainedCells) -> Iterator[str]:
    if not found.gates:
        return
    yield ""
    yield f"{'gate':<14}{f'under {LEFT:g}':>12}{f'over {RIGHT:g}':>12}{'cells mostly under':>20}{'mostly over':>14}"
    for gate in found.gates:
        shares = (f"{100 * share.mean():.1f} %" for share in (gate.left, gate.right))
        counts = (f"{int((share > MOSTLY).sum()):,}" for share in (gate.left, gate.right))
        left, right = shares
        mostly_left, mostly_right = counts
        yield f"{f'{gate.layer} {gate.gate}':<14}{left:>12}{right:>12}{mostly_left:>20}{mostly_right:>14}"


def _shown_lines(shown: Excerpt) -> Iterator[str]:
    yield f"cell {cell_name(shown.cell)}" + (f", {shown.feature}:" if shown.feature else ":")
    if colours_in(sys.stdout):
        yield legend()
        yield heat_map([escape(character) for character in shown.text], shown.values)
    else:
        yield from _levelled(shown, shutil.get_terminal_size().columns)


def _levelled(shown: Excerpt, columns: int) -> Iterator[str]:
    """Each line of the text, and below it its values as heights."""
    begin = 0
    for line in shown.text.split("\n"):
        pieces = [
            (escape_line(character), value)
            for character, value in zip(line, shown.values[begin:], strict=False)
        ]
        for start in range(0, len(pieces) or 1, columns):
            piece = pieces[start : start + columns]
            yield "".join(text for text, _ in piece)
            if piece:
                yield "".join(levels([value]) * len(text) for text, value in piece)
        begin += len(line) + 1


def cell_name(cell: Cell) -> str:
    """As `--cell` takes it."""
    return f"{cell[0]}:{cell[1]}"
