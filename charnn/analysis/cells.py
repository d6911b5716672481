"""Which cells hold something simple: whether a quotation is open, how long the line is, whose turn it is to speak.

Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent Networks" (2015), looked for such cells by eye
(their figure 2) and counted how often gates are saturated (figure 3). Here cells are ranked by what they explain, and
no torch is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charnn.analysis.cell_reader import (
    CellReader,
    GateSaturation,
    SaturationCounts,
    piece_starts,
    read_text,
)
from charnn.analysis.text_features import Feature, features_of_pieces
from charnn.config import MAX_VALIDATION, CellsConfig, ModelConfig
from charnn.errors import InputError
from charnn.inference.encoding import border
from charnn.inference.model import Model
from charnn.inference.softmax import Doubles
from charnn.inference.values import ArrayValue
from charnn.settings import checked, settings_of

LEAST_CHARS = 2000
_RAREST = 0.002  # of the characters of each half, at which a feature differs from its commonest value
_STILL = 1e-12  # of a cell's mean square: a smaller variance is rounding

Cell = tuple[int, int]
"""A layer and a number in it, each as in the weights, from 0."""


@dataclass(frozen=True)
class CellScore:
    """How well the value of a cell explains a feature of the text.

    `r2` is the share of the feature's variance that a straight line through the cell's value explains. Cell and line
    are chosen on every other piece of the text, `fitted_r2`, and tried on the rest, `r2`, which below 0 says that they
    explain nothing. `rank` asks for no straight line: of a binary feature it is the area under the ROC curve (½ is
    chance), else Spearman's ρ, of the rest too.
    """

    feature: str
    is_binary: bool
    cell: Cell
    r2: float
    fitted_r2: float
    rank: float


@dataclass(frozen=True, eq=False)
class ExplainedCells(ArrayValue):
    """What was found on `text` (n characters), which is pieces of the given one that begin at its `starts` (P,).

    Cells are chosen on the first piece, the third and so on; `scores` are of the others, the best explained feature
    first. `values` (n, m) are those of the m `cells`: tanh(c) of an LSTM, else h. `features` are those that the text
    has. `unknown` counts the characters that the model never saw and that were replaced.
    """

    text: str
    starts: tuple[int, ...]
    scores: tuple[CellScore, ...]
    gates: tuple[GateSaturation, ...]
    features: tuple[Feature, ...]
    cells: tuple[Cell, ...]
    values: Doubles
    unknown: int

    def values_of(self, cell: Cell) -> Doubles:
        """The values (n,) of one of `cells`."""
        values: Doubles = self.values[:, self.cells.index(cell)]
        return values


def explained_cells(model: Model, text: str, *, cell: Cell | None = None, **options: Any) -> ExplainedCells:
    """The cells of a model from which simple features of `text` are read best; the values of `cell` too, if given.

    At most MAX_VALIDATION characters of the text count. Options as CellsConfig's. Raises InputError for one out of its
    range, a text that is too short, or a cell that the model hasn't.
    """
    config = CellsConfig(**checked(settings_of(CellsConfig), options, "inspect cells"))
    extra = set() if cell is None else {_index(model.config, cell)}
    read = read_text(model, text[:MAX_VALIDATION])
    if len(read.ids) < LEAST_CHARS:
        raise InputError(
            f"the text has {len(read.ids):,} characters: {LEAST_CHARS:,} or more tell what a cell holds"
        )
    starts = piece_starts(len(read.ids), config.chars)
    pieces = len(starts)
    length = min(len(read.ids), config.chars) // pieces
    reader = CellReader(model.config, model.weights(), border(model.vocabulary), read.ids, starts, length)
    features = [one for one in features_of_pieces(read.text, starts.tolist(), length) if _varies(one, pieces)]
    saturation = reader.saturation()
    fits = _fits(reader, features, pieces, saturation)
    best = [fits.best(number, config.top) for number in range(len(features))]
    shown = sorted({index for indices in best for index in indices} | extra)
    values = reader.values(np.array(shown, np.intp)).reshape(pieces * length, len(shown))
    held = dict(zip(shown, values.T, strict=True))
    cells = {index: _cell(model.config, index) for index in shown}
    scores = [
        fits.score(number, index, features[number], cells[index], held[index])
        for number, indices in enumerate(best)
        for index in indices
    ]
    return ExplainedCells(
        "".join(read.text[start : start + length] for start in starts),
        tuple(starts.tolist()),
        tuple(sorted(scores, key=lambda score: -score.r2)),
        saturation.shares(),
        tuple(features),
        tuple(cells.values()),
        values,
        read.unknown,
    )


def _index(config: ModelConfig, cell: Cell) -> int:
    """Which of all cells it is. Raises InputError where the model hasn't it."""
    layer, number = cell
    if not (0 <= layer < config.layers and 0 <= number < config.hidden):
        raise InputError(
            f"cell {layer}:{number}: the model's go from 0:0 to {config.layers - 1}:{config.hidden - 1} (layer:cell)"
        )
    return layer * config.hidden + number


def _cell(config: ModelConfig, index: int) -> Cell:
    layer, number = divmod(index, config.hidden)
    return layer, number


def _varies(feature: Feature, pieces: int) -> bool:
    """Whether there is something to explain in both halves of the pieces."""
    return all((half != np.median(half)).mean() >= _RAREST for half in _halves(feature.values, pieces))


def _halves(values: Doubles, pieces: int) -> tuple[Doubles, Doubles]:
    """The values (n,) of the pieces that cells are chosen on, and of those that they are tried on."""
    by_piece = values.reshape(pieces, -1)
    return by_piece[0::2].ravel(), by_piece[1::2].ravel()


@dataclass(frozen=True)
class _Fits:
    """Of C cells and K features, (C, K) each; `signs` are those of the lines' slopes."""

    r2: Doubles
    fitted_r2: Doubles
    signs: Doubles
    pieces: int

    def best(self, feature: int, count: int) -> list[int]:
        """The cells that explain a feature best where they are chosen."""
        order: list[int] = np.argsort(-self.fitted_r2[:, feature], kind="stable")[:count].tolist()
        return order

    def score(self, number: int, index: int, feature: Feature, cell: Cell, values: Doubles) -> CellScore:
        """How well the cell with this index, which holds `values` (n,), explains the feature with this number."""
        r2, fitted = float(self.r2[index, number]), float(self.fitted_r2[index, number])
        rank = _rank(feature, self.signs[index, number] * values, self.pieces)
        return CellScore(feature.name, feature.is_binary, cell, r2, fitted, rank)


def _fits(
    reader: CellReader, features: Sequence[Feature], pieces: int, saturation: SaturationCounts
) -> _Fits:
    """Least squares of each feature on each cell by one half of the pieces, tried on the other."""
    wanted = _standard(features, pieces)
    halves = [_Sums(), _Sums()]
    for steps, values in reader.chunks(saturation.add):
        for number, half in enumerate(halves):
            half.add(values[:, number::2], wanted[steps, number::2])
    first, second = halves
    line = first.line()
    return _Fits(second.r2(*line), first.r2(*line), np.sign(line[0]), pieces)


def _standard(features: Sequence[Feature], pieces: int) -> Doubles:
    """The features with mean 0 and variance 1, by the characters of the pieces, (T, P, K)."""
    values = np.array([feature.values for feature in features]).reshape(len(features), -1)
    standard = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    by_step: Doubles = standard.reshape(len(features), pieces, -1).transpose(2, 1, 0)
    return by_step


class _Sums:
    """What least squares needs of cells x (N, C) and features f (N, K)."""

    def __init__(self) -> None:
        self._n = 0
        self._x: Any = 0.0
        self._xx: Any = 0.0
        self._f: Any = 0.0
        self._ff: Any = 0.0
        self._xf: Any = 0.0

    def add(self, x: Doubles, f: Doubles) -> None:
        """x (T, B, C), f (T, B, K)."""
        x, f = x.reshape(-1, x.shape[-1]), f.reshape(-1, f.shape[-1])
        self._n += len(x)
        self._x, self._f = self._x + x.sum(axis=0), self._f + f.sum(axis=0)
        self._xx, self._ff = self._xx + (x * x).sum(axis=0), self._ff + (f * f).sum(axis=0)
        self._xf = self._xf + x.T @ f

    def line(self) -> tuple[Doubles, Doubles]:
        """Slopes and intercepts (C, K) of f on x; a cell that never changes has slope 0."""
        covariance = self._xf - self._x[:, None] * self._f / self._n
        variance = self._xx - self._x**2 / self._n
        moves = variance > _STILL * self._xx
        slope = np.where(moves[:, None], covariance / np.where(moves, variance, 1)[:, None], 0.0)
        return slope, (self._f - slope * self._x[:, None]) / self._n

    def r2(self, slope: Doubles, intercept: Doubles) -> Doubles:
        """1 − squared error of the lines / variance of f, (C, K)."""
        x, xx = self._x[:, None], self._xx[:, None]
        squares = self._ff + self._n * intercept**2 + slope**2 * xx
        error = squares + 2 * (slope * intercept * x - intercept * self._f - slope * self._xf)
        r2: Doubles = 1 - error / (self._ff - self._f**2 / self._n)
        return r2


def _rank(feature: Feature, values: Doubles, pieces: int) -> float:
    """The area under the ROC curve, or Spearman's ρ, where it is tried: values (n,) that should grow with it."""
    wanted, mine = _halves(feature.values, pieces)[1], _ranks(_halves(values, pieces)[1])
    if not feature.is_binary:
        return float(np.corrcoef(_ranks(wanted), mine)[0, 1]) if np.ptp(mine) else 0.0
    is_so = wanted > 0
    positive, negative = int(is_so.sum()), int((~is_so).sum())
    return float((mine[is_so].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _ranks(values: Doubles) -> Doubles:
    """1 … n in the values' order; equal ones share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Doubles = (last - (counts - 1) / 2)[which]
    return ranks
