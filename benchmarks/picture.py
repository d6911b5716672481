"""A picture of curves, as SVG: validation loss against seconds, drawn by matplotlib (`pip install 'charnn[plot]'`).

python -m benchmarks.picture CURVES.jsonl PICTURE.svg    a line a curve: {"name": …, "curve": [[seconds, loss], …]}
"""

import json
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

Curve = Sequence[tuple[float, float]]  # seconds, nats per character

SIZE = (8, 4.6)  # inches
ROOM = 0.25  # above the worst curve's end, as a share of what lies between it and the best
LEAST_SPAN = 0.1  # nats


def picture(curves: Sequence[tuple[str, Curve]]) -> bytes:
    """One line for each named curve; those of one name share a colour. The same curves give the same bytes."""
    names = list(dict.fromkeys(name for name, _ in curves))
    axes = Figure(figsize=SIZE, layout="constrained").add_subplot()
    axes.set_xlabel("seconds since the process started")
    axes.set_ylabel("validation loss, nats per character")
    axes.set_xlim(0, max(seconds for _, curve in curves for seconds, _ in curve))
    axes.set_ylim(*_shown([min(loss for _, loss in curve) for _, curve in curves]))
    for name, curve in curves:
        seconds, losses = zip(*curve, strict=True)
        first = all(name != line.get_label() for line in axes.lines)
        axes.plot(seconds, losses, color=f"C{names.index(name)}", label=name if first else f"_{name}")
    axes.grid(alpha=0.3)
    axes.legend()
    return _svg(axes.figure)


def _shown(bests: Sequence[float]) -> tuple[float, float]:
    """The losses from the lowest of all to a little above the highest end; what is above is cut off."""
    span = max((1 + ROOM) * (max(bests) - min(bests)), LEAST_SPAN)
    return min(bests) - ROOM * span / 10, min(bests) + span


def _svg(figure: Figure) -> bytes:
    drawn = BytesIO()
    with rc_context({"svg.hashsalt": "charnn"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


if __name__ == "__main__":
    lines = map(json.loads, Path(sys.argv[1]).read_text().splitlines())
    Path(sys.argv[2]).write_bytes(picture([(line["name"], line["curve"]) for line in lines]))
