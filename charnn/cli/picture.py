"""Charts as SVG and PNG files, drawn by matplotlib, which is optional and slow to import."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from charnn.cli.chart import Chart
from charnn.errors import InputError
from charnn.outputs import is_stdout, write_output

Kind = Literal["svg", "png"]

_WIDTH = 8  # inches
_HEIGHTS = {1: 5.0}  # of a picture of so many charts, else
_HEIGHT = 3.0  # of each
_DOTS = 150  # an inch, of a PNG
_FAINT = 0.4  # opacity


@dataclass(frozen=True)
class Output:
    """The form in which a command's findings are wanted."""

    as_json: bool
    svg: str | None
    png: str | None

    def __post_init__(self) -> None:
        """Refuse what can't be drawn before anything is computed."""
        if self.svg or self.png:
            check_matplotlib()
        if is_stdout(self.svg) and is_stdout(self.png):
            raise InputError("--svg and --png can't both be standard output; give one of them a file's name")

    @property
    def is_picture(self) -> bool:
        """Whether standard output is taken by a picture."""
        return is_stdout(self.svg) or is_stdout(self.png)


def check_matplotlib() -> None:
    """Raise InputError, with the remedy, unless matplotlib is there."""
    if find_spec("matplotlib") is None:
        raise InputError("--svg and --png need matplotlib: pip install 'charnn[plot]'")


def write_picture(name: str | Path, chart: Chart, kind: Kind) -> None:
    """Draw a chart into a file, as `write_output` writes one. The same chart gives the same bytes."""
    write_pictures(name, [chart], kind)


def write_pictures(name: str | Path, charts: Sequence[Chart], kind: Kind) -> None:
    """As `write_picture`, of several charts, one below the other, with the legend of the first."""
    with no_traces():
        drawn = _drawn(charts, kind)
    write_output(name, [drawn])


@contextmanager
def no_traces() -> Iterator[None]:
    """matplotlib keeps a list of fonts in a cache folder, and reads settings there: here in one that goes again."""
    if "MPLCONFIGDIR" in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="charnn-") as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            yield
        finally:
            del os.environ["MPLCONFIGDIR"]


def _drawn(charts: Sequence[Chart], kind: Kind) -> bytes:
    from matplotlib.figure import Figure

    height = _HEIGHTS.get(len(charts), _HEIGHT * len(charts))
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    for number, chart in enumerate(charts, 1):
        axes = figure.add_subplot(len(charts), 1, number)
        _draw(axes, chart)
        if number == 1:
            for text in axes.legend().get_texts():
                text.set_parse_math(False)  # a path may hold the $ that begins a formula
    return rendered(figure, kind)


def rendered(figure: Any, kind: Kind) -> bytes:
    """A figure of matplotlib's as the content of a file."""
    from matplotlib import rc_context

    drawn = BytesIO()
    with rc_context({"svg.hashsalt": "charnn"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks; it draws boxes for them
        figure.savefig(drawn, format=kind, dpi=_DOTS, metadata={"Date": None} if kind == "svg" else None)
    return drawn.getvalue()


def _draw(axes: Any, chart: Chart) -> None:
    axes.set(title=chart.title, xlabel=chart.x.name, ylabel=chart.y.name)
    for axis, set_scale in ((chart.x, axes.set_xscale), (chart.y, axes.set_yscale)):
        if axis.log_base is not None:
            set_scale("log", base=axis.log_base)
    axes.xaxis.set_major_formatter("{x:g}")
    for number, line in enumerate(chart.lines):
        colour = f"C{number if line.colour is None else line.colour}"
        y = np.where(line.y <= chart.y.most, line.y, np.nan)
        axes.plot(line.x, y, label=line.name, color=colour, alpha=_FAINT if line.is_faint else None)
    axes.grid(alpha=0.3)
