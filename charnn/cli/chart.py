"""Charts in characters: a line chart for a terminal, and a curve of one line."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charnn.inference.softmax import Doubles

MARKS = "123456789abcdefghijklmnopqrstuvwxyz"
ROWS = 15
_BLOCKS = "▁▂▃▄▅▆▇█"
_MARGIN = 10  # columns of the numbers at the left
_NARROWEST = 40  # columns between the axes
_COLOURS = (31, 32, 34, 35, 36, 33)  # of the terminal's own palette, one a line

_Grid = list[list[str]]  # rows of cells


@dataclass(frozen=True)
class Axis:
    """What a direction of a chart means. With `log_base` it is logarithmic and shows values above 0 only.

    What is above `most` is left out.
    """

    name: str
    log_base: int | None = None
    most: float = np.inf

    def shows(self, values: Doubles) -> NDArray[np.bool_]:
        """Which of the values have a place on the axis."""
        return (values > (-np.inf if self.log_base is None else 0)) & (values <= self.most)

    def places(self, values: Doubles) -> Doubles:
        """Where on the axis values stand."""
        return values if self.log_base is None else np.log(values)

    def value(self, place: float) -> float:
        """The inverse of `places`."""
        return place if self.log_base is None else float(np.exp(place))


@dataclass(frozen=True)
class Line:
    """One curve: x (n,) ascending, y (n,). Of one `colour` are those that belong together.

    It is drawn with `mark`, by default the number that it has in its chart, which gives the colour too. `is_faint` is
    what stands behind others in a picture.
    """

    name: str
    x: Doubles
    y: Doubles
    mark: str = ""
    colour: int | None = None
    is_faint: bool = False


@dataclass(frozen=True)
class Chart:
    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line]


def line_chart(chart: Chart, width: int, *, colours: bool) -> str:
    """A chart `width` columns wide, each line drawn with its number; "" where there is nothing to draw."""
    placed = [_placed(chart, line) for line in chart.lines]
    x, y = (np.concatenate(values) for values in zip(*placed, strict=True))
    if not len(x):
        return ""
    columns = np.linspace(x.min(), x.max(), max(width - _MARGIN - 2, _NARROWEST))
    heights = np.linspace(y.max(), y.min(), ROWS)
    grid = [[" "] * len(columns) for _ in heights]
    for number, line in enumerate(placed):
        _draw(grid, line, columns, heights, _mark(chart.lines[number], number, colours))
    return "\n".join(_framed(chart, grid, columns, heights)) + "\n"


def sparkline(values: Sequence[float], width: int) -> str:
    """Values as blocks of eight heights, at most `width`: where there are more, each is the mean of several."""
    if not values:
        return ""
    means = np.array([part.mean() for part in np.array_split(values, min(width, len(values)))])
    span = float(np.ptp(means)) or 1.0
    heights = ((means - means.min()) / span * (len(_BLOCKS) - 1)).round().astype(int)
    return "".join(_BLOCKS[height] for height in heights)


def _placed(chart: Chart, line: Line) -> tuple[Doubles, Doubles]:
    """The places of those of a line's points that both axes can show."""
    shown = chart.x.shows(line.x) & chart.y.shows(line.y)
    return chart.x.places(line.x[shown]), chart.y.places(line.y[shown])


def _draw(grid: _Grid, line: tuple[Doubles, Doubles], columns: Doubles, heights: Doubles, mark: str) -> None:
    """Put `mark` in every column that the line spans."""
    if not len(line[0]):
        return
    y = np.interp(columns, *line, left=np.nan, right=np.nan)
    for column in np.flatnonzero(~np.isnan(y)):
        grid[np.abs(heights - y[column]).argmin()][column] = mark


def _mark(line: Line, number: int, colours: bool) -> str:
    mark = line.mark or MARKS[number % len(MARKS)]
    return coloured(mark, number if line.colour is None else line.colour) if colours else mark


def coloured(text: str, colour: int) -> str:
    """`text` in the colour of a line, for a terminal."""
    return f"\x1b[{_COLOURS[colour % len(_COLOURS)]}m{text}\x1b[0m"


def _number(value: float) -> str:
    """For an axis: three digits, whole numbers as people write them."""
    return f"{value:,.0f}" if 100 <= abs(value) < 1e7 else f"{value:.3g}"


def _framed(chart: Chart, grid: _Grid, columns: Doubles, heights: Doubles) -> list[str]:
    """The chart's rows with its axes; values stand at the ends and in the middle."""
    named = (0, ROWS // 2, ROWS - 1)
    labels = [_number(chart.y.value(height)) if row in named else "" for row, height in enumerate(heights)]
    rows = [
        f"{label:>{_MARGIN}} │{''.join(cells)}".rstrip() for label, cells in zip(labels, grid, strict=True)
    ]
    first, last = (_number(chart.x.value(place)) for place in (columns[0], columns[-1]))
    indent = " " * (_MARGIN + 2)
    bottom = f"{first}{chart.x.name:^{len(columns) - len(first) - len(last)}}{last}"
    return [f"{indent}{chart.y.name}", *rows, f"{indent[:-1]}└{'─' * len(columns)}", indent + bottom]
