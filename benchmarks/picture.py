"""A picture of curves, as SVG: validation loss against seconds."""

from collections.abc import Sequence

Curve = Sequence[tuple[float, float]]  # seconds, nats per character

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 440, 60, 50, 20, 110
COLOURS = ("#0b62c4", "#c2410c", "#15803d", "#7e22ce", "#a16207")
ROOM = 0.25  # above the worst curve's end, as a share of what lies between it and the best
LEAST_SPAN = 0.1  # nats
TICKS = 6


def picture(curves: Sequence[tuple[str, Curve]]) -> str:
    """One line for each named curve; those of one name share a colour."""
    bests = [min(loss for _, loss in curve) for _, curve in curves]
    longest = max(seconds for _, curve in curves for seconds, _ in curve)
    frame = Frame(longest, min(bests), max((1 + ROOM) * (max(bests) - min(bests)), LEAST_SPAN))
    names = list(dict.fromkeys(name for name, _ in curves))
    colours = dict(zip(names, COLOURS, strict=False))
    lines = [frame.line(curve, colours[name]) for name, curve in curves]
    legend = [
        text(WIDTH - RIGHT + 12, TOP + 20 * (1 + i), name, "start", colours[name])
        for i, name in enumerate(names)
    ]
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    style = 'font-family="sans-serif" font-size="13"'
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    parts = [background, *frame.axes(), *lines, *legend]
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n' + "\n".join(parts) + "\n</svg>\n"


class Frame:
    """Where seconds from 0 to `longest` and losses from `least` to `span` above it stand; the rest is cut off."""

    def __init__(self, longest: float, least: float, span: float) -> None:
        self.longest, self.least, self.span = longest, least, span

    def x(self, seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * seconds / self.longest

    def y(self, loss: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (loss - self.least) / self.span

    def axes(self) -> list[str]:
        """Grid lines with their figures, and what they mean."""
        shown = f'x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - BOTTOM - TOP + 2}"'
        parts = [
            f'<clipPath id="shown"><rect {shown}/></clipPath>',
            text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "seconds from process start", "middle"),
            text(LEFT, TOP - 6, "validation, nats per character", "start"),
        ]
        for i in range(TICKS):
            seconds, loss = (part * i / (TICKS - 1) for part in (self.longest, self.span))
            height = self.y(self.least + loss)
            parts += [
                f'<path d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
                text(LEFT - 8, height + 4, f"{self.least + loss:.2f}", "end"),
                text(self.x(seconds), HEIGHT - BOTTOM + 18, f"{seconds:.0f}", "middle"),
            ]
        return parts

    def line(self, curve: Curve, colour: str) -> str:
        places = " ".join(f"{self.x(seconds):.1f},{self.y(loss):.1f}" for seconds, loss in curve)
        style = f'fill="none" stroke="{colour}" stroke-width="2" clip-path="url(#shown)"'
        return f'<polyline points="{places}" {style}/>'


def text(x: float, y: float, content: str, anchor: str, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{content}</text>'
