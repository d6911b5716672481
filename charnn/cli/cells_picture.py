"""What `inspect cells` found as an SVG or PNG file: what cells explain, and how often their gates are saturated."""

from typing import Any

from charnn.analysis.cell_reader import LEFT, RIGHT, GateSaturation
from charnn.analysis.cells import ExplainedCells
from charnn.cli.cells_view import cell_name
from charnn.cli.picture import Kind, no_traces, rendered
from charnn.outputs import write_output

_SIDE = 3.0  # inches of a diagram


def write_cells_picture(name: str, found: ExplainedCells, kind: Kind) -> None:
    """Draw it into a file, as `write_output` writes one. What was found the same gives the same bytes."""
    with no_traces():
        drawn = _drawn(found, kind)
    write_output(name, [drawn])


def _drawn(found: ExplainedCells, kind: Kind) -> bytes:
    from matplotlib.figure import Figure

    gates = list(dict.fromkeys(gate.gate for gate in found.gates))
    rows = 2 if gates else 1
    figure = Figure(figsize=(3 * _SIDE, rows * (_SIDE + 0.4)), layout="constrained")
    _draw_scores(figure.add_subplot(rows, 1, 1), found)
    for column, name in enumerate(gates, 1):
        axes = figure.add_subplot(rows, len(gates), len(gates) + column)
        _draw_gate(axes, name, [gate for gate in found.gates if gate.gate == name])
    return rendered(figure, kind)


def _draw_scores(axes: Any, found: ExplainedCells) -> None:
    """A bar for each cell."""
    scores = found.scores[::-1]
    names = [f"{score.feature} ({cell_name(score.cell)})" for score in scores]
    axes.barh(range(len(scores)), [max(score.r2, 0) for score in scores], color="C0")
    axes.set_yticks(range(len(scores)), names)
    axes.set(
        xlim=(0, 1), title="Share of the variance that a cell explains", xlabel="R², of text not chosen on"
    )
    axes.grid(axis="x", alpha=0.3)


def _draw_gate(axes: Any, name: str, layers: list[GateSaturation]) -> None:
    """Figure 3 of Karpathy et al. 2015: a point a cell."""
    for gate in layers:
        axes.scatter(gate.left, gate.right, s=12, alpha=0.5, label=f"layer {gate.layer}")
    axes.plot([0, 1], [1, 0], color="0.7", linewidth=0.8)
    axes.set(title=f"{name} gate", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set(xlabel=f"share of time under {LEFT:g}", ylabel=f"share of time over {RIGHT:g}")
    if len(layers) > 1:
        axes.legend()
