"""What all web pages have in common: they need nothing from elsewhere, run nothing, and text in them is data."""

from collections.abc import Iterable, Sequence
from html import escape as html_escape

from charnn.cli.terminal import escape_line

END = b"</body>\n</html>\n"
_STYLE = (
    "body { font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;",
    "  color: #222; background: #fff; }",
    "pre { font: 15px/1.7 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }",
    "section { margin: 1.5rem 0; } .figures { color: #666; font-size: 13px; } .legend span { padding: .2em .6em; }",
)


def head(title: str, colours: Sequence[str], style: str) -> str:
    """A page up to its body. Class `b0`, `b1`, … has the background of a band of colours; "" is none."""
    bands = (f".b{number} {{ background: {colour}; }}" for number, colour in enumerate(colours) if colour)
    styles = "\n".join((*_STYLE, style, *bands))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{styles}
</style>
</head>
<body>
"""


def legend(names: Iterable[str]) -> str:
    """What each band of colours means."""
    return " ".join(f'<span class="b{number}">{safe(name)}</span>' for number, name in enumerate(names))


def safe(text: str) -> str:
    """Text as HTML shows it, on one line, its control characters escaped."""
    return html_escape(escape_line(text))
