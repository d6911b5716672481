"""Scores as a web page that needs nothing from elsewhere: every character coloured by its surprisal."""

from collections.abc import Iterable, Iterator
from html import escape as html_escape

from charnn.cli.surprisal_colors import COLOURS, band, band_names
from charnn.cli.terminal import escape_line
from charnn.inference.comparison import Place, ScoredText
from charnn.inference.scores import Measured

_STYLE = "\n".join(
    (
        "body { font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;",
        "  color: #222; background: #fff; }",
        "pre { font: 15px/1.7 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }",
        "section { margin: 1.5rem 0; } .figures { color: #666; font-size: 13px; } .legend span { padding: .2em .6em; }",
        ".skipped { text-decoration: line-through; opacity: 0.5; }",
        *(f".b{number} {{ background: {colour}; }}" for number, colour in enumerate(COLOURS) if colour),
    )
)


def page(results: Iterable[ScoredText], model: str) -> Iterator[bytes]:
    """The page, piece by piece as the results come; `model` is what the model is called."""
    yield _head(model).encode()
    for result in results:
        yield _section(result).encode()
    yield b"</body>\n</html>\n"


def _head(model: str) -> str:
    legend = " ".join(f'<span class="b{number}">{name}</span>' for number, name in enumerate(band_names()))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>charnn: surprisal</title>
<style>
{_STYLE}
</style>
</head>
<body>
<h1>What surprised the model</h1>
<p>Model: {_safe(model)}. Point at a character to see its surprisal.</p>
<p class="legend">Bits of surprisal: {legend}</p>
"""


def _section(result: ScoredText) -> str:
    """A text and its figures; a stretch of a file without them, the figures of the whole file after its stretches."""
    text = "" if result.score is None else f"<pre>{''.join(map(_character, result.places()))}</pre>\n"
    if result.kind == "stretch":
        return text
    name = f"{_safe(result.name)}: " if result.kind == "file" else ""
    return f'<section>\n{text}<p class="figures">{name}{_figures(result.measures[0])}</p>\n</section>\n'


def _character(place: Place) -> str:
    character, bits, likeliest = place
    shown = "↵\n" if character == "\n" else _safe(character)
    if bits is None:
        return f'<span class="skipped" title="unknown to the model, skipped">{shown}</span>'
    choices = ", ".join(f"{_safe(other)} {probability:.3f}" for other, probability in likeliest)
    title = f"{bits:.2f} bits, probability {2**-bits:.3g}" + (f"; likeliest: {choices}" if choices else "")
    return f'<span class="b{band(bits)}" title="{title}">{shown}</span>'


def _figures(measure: Measured) -> str:
    if measure.bits_per_char is None or measure.perplexity is None:
        return "empty"
    return (
        f"{measure.bits_per_char:.4f} bits per character, perplexity {measure.perplexity:.4f}, "
        f"log-probability {measure.log_prob:.4f} nats, {measure.chars:,} characters, {measure.unknown:,} unknown"
    )


def _safe(text: str) -> str:
    return html_escape(escape_line(text))
