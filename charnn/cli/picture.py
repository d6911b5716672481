"""Charts as SVG and PNG files, drawn by matplotlib, which is optional and slow to import."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from charnn.cli.chart import Chart
from charnn.errors import InputError
from charnn.outputs import is_stdout, write_output

Kind = Literal["svg", "png"]

_SIZE = (8, 5)  # inches
_DOTS = 150  # an inch, of a PNG


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
    with no_traces():
        drawn = _drawn(chart, kind)
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


def _drawn(chart: Chart, kind: Kind) -> bytes:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot(title=chart.title, xlabel=chart.x.name, ylabel=chart.y.name)
    for axis, set_scale in ((chart.x, axes.set_xscale), (chart.y, axes.set_yscale)):
        if axis.log_base is not None:
            set_scale("log", base=axis.log_base)
    axes.xaxis.set_major_formatter("{x:g}")
    for line in chart.lines:
        axes.plot(line.x, line.y, label=line.name)
    axes.grid(alpha=0.3)
    for text in axes.legend().get_texts():
        text.set_parse_math(False)  # a path may hold the $ that begins a formula
    drawn = BytesIO()
    with rc_context({"svg.hashsalt": "charnn"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks; it draws boxes for them
        figure.savefig(drawn, format=kind, dpi=_DOTS, metadata={"Date": None} if kind == "svg" else None)
    return drawn.getvalue()
