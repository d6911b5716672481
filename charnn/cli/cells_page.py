"""What `inspect cells` found as a web page: each feature's best cell over a piece of the text, and the gates."""

from collections.abc import Iterator

from charnn.analysis.cell_reader import LEFT, RIGHT, GateSaturation
from charnn.analysis.cells import CellScore, ExplainedCells
from charnn.cli.activation_colors import COLOURS, band_names, runs
from charnn.cli.cells_view import cell_name, excerpt
from charnn.cli.web_page import END, head, legend, safe

CHARS = 800  # of each piece of the text
_SIDE = 180  # pixels of a diagram
_STYLE = "svg { margin: 0 1rem 1rem 0; } circle { fill: #5f87ff; opacity: .5; } text { font-size: 12px; fill: #444; }"


def cells_page(found: ExplainedCells, model: str) -> Iterator[bytes]:
    """The page, piece by piece; `model` is what the model is called."""
    yield f"""{head("charnn: cells", COLOURS, _STYLE)}<h1>What cells hold</h1>
<p>Model: {safe(model)}. Below each heading stands a cell, over that part of the text in which what it explains varies
most: of an LSTM tanh(c), else h, after each character.</p>
<p class="legend">Its value is about {legend(band_names())}</p>
""".encode()
    for score in found.scores:
        yield _section(found, score).encode()
    if found.gates:
        yield _gates(found).encode()
    yield END


def _section(found: ExplainedCells, score: CellScore) -> str:
    shown = excerpt(found, score, score.cell, CHARS)
    text = "".join(
        f'<span class="b{number}">{stretch}</span>'
        for number, stretch in runs(map(_character, shown.text), shown.values)
    )
    rank = (
        f"area under the ROC curve {score.rank:.3f}" if score.is_binary else f"Spearman’s ρ {score.rank:.3f}"
    )
    figures = (
        f"explains {100 * max(score.r2, 0):.1f} % of the variance in text that it wasn’t chosen on; {rank}"
    )
    return f"""<section>
<h2>{safe(score.feature)}: cell {cell_name(score.cell)}</h2>
<p class="figures">{figures}</p>
<pre>{text}</pre>
</section>
"""


def _character(character: str) -> str:
    return "↵\n" if character == "\n" else safe(character)


def _gates(found: ExplainedCells) -> str:
    diagrams = "\n".join(map(_diagram, found.gates))
    return f"""<section>
<h2>How often gates are saturated</h2>
<p class="figures">A point is a cell: to the right, the share of characters at which its gate is under {LEFT:g};
upwards, at which it is over {RIGHT:g}.</p>
{diagrams}
</section>
"""


def _diagram(gate: GateSaturation) -> str:
    points = "".join(
        f'<circle cx="{_SIDE * left:.1f}" cy="{_SIDE * (1 - right):.1f}" r="3"/>'
        for left, right in zip(gate.left, gate.right, strict=True)
    )
    name = f"layer {gate.layer}, {gate.gate} gate"
    width, height = _SIDE + 30, _SIDE + 45
    return f"""<svg role="img" aria-label="{name}" width="{width}" height="{height}" viewBox="-15 -25 {width} {height}">
<text x="0" y="-10">{name}</text>
<path d="M0 0V{_SIDE}H{_SIDE}M0 0L{_SIDE} {_SIDE}" fill="none" stroke="#999"/>
{points}
<text x="0" y="{_SIDE + 15}">0</text><text x="{_SIDE}" y="{_SIDE + 15}" text-anchor="end">under {LEFT:g}: 1</text>
</svg>"""
