"""Scores as a web page that needs nothing from elsewhere: every character coloured by its surprisal."""

from collections.abc import Iterable, Iterator

from charnn.cli.surprisal_colors import COLOURS, band, band_names
from charnn.cli.web_page import END, head, legend, safe
from charnn.inference.comparison import Place, ScoredText
from charnn.inference.scores import Measured

_STYLE = ".skipped { text-decoration: line-through; opacity: 0.5; }"


def page(results: Iterable[ScoredText], model: str) -> Iterator[bytes]:
    """The page, piece by piece as the results come; `model` is what the model is called."""
    yield _head(model).encode()
    for result in results:
        yield _section(result).encode()
    yield END


def _head(model: str) -> str:
    return f"""{head("charnn: surprisal", COLOURS, _STYLE)}<h1>What surprised the model</h1>
<p>Model: {safe(model)}. Point at a character to see its surprisal.</p>
<p class="legend">Bits of surprisal: {legend(band_names())}</p>
"""


def _section(result: ScoredText) -> str:
    """A text and its figures; a stretch of a file without them, the figures of the whole file after its stretches."""
    text = "" if result.score is None else f"<pre>{''.join(map(_character, result.places()))}</pre>\n"
    if result.kind == "stretch":
        return text
    name = f"{safe(result.name)}: " if result.kind == "file" else ""
    return f'<section>\n{text}<p class="figures">{name}{_figures(result.measures[0])}</p>\n</section>\n'


def _character(place: Place) -> str:
    character, bits, likeliest = place
    shown = "↵\n" if character == "\n" else safe(character)
    if bits is None:
        return f'<span class="skipped" title="unknown to the model, skipped">{shown}</span>'
    choices = ", ".join(f"{safe(other)} {probability:.3f}" for other, probability in likeliest)
    title = f"{bits:.2f} bits, probability {2**-bits:.3g}" + (f"; likeliest: {choices}" if choices else "")
    return f'<span class="b{band(bits)}" title="{title}">{shown}</span>'


def _figures(measure: Measured) -> str:
    if measure.bits_per_char is None or measure.perplexity is None:
        return "empty"
    return (
        f"{measure.bits_per_char:.4f} bits per character, perplexity {measure.perplexity:.4f}, "
        f"log-probability {measure.log_prob:.4f} nats, {measure.chars:,} characters, {measure.unknown:,} unknown"
    )
