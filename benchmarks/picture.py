"""A picture of curves, as SVG: validation loss against seconds."""

from collections.abc import Sequence

Curve = Sequence[tuple[float, float]]  # seconds, nats per character

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 440, 60, 50, 20, 110
COLOURS = ("#0b62c4", "#c2410c", "#15803d", "#7e22ce", "#a16207")
ABOVE = 1.0  # nats: how much of the losses above the least is shown
TICKS = 6


def picture(curves: Sequence[tuple[str, Curve]]) -> str:
    """One line for each named curve; those of one name share a colour."""
    points = [point for _, curve in curves for point in curve]
    frame = Frame(max(seconds for seconds, _ in points), min(loss for _, loss in points))
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
    """Where seconds from 0 to `longest` and losses from `least` upwards stand."""

    def __init__(self, longest: float, least: float) -> None:
        self.longest, self.least = longest, least

    def x(self, seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * seconds / self.longest

    def y(self, loss: float) -> float:
        share = min(max((loss - self.least) / ABOVE, 0), 1)
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share

    def axes(self) -> list[str]:
        """Grid lines with their figures, and what they mean."""
        parts = [
            text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "seconds from process start", "middle"),
            text(LEFT, TOP - 6, "validation, nats per character", "start"),
        ]
        for i in range(TICKS):
            seconds, loss = (part * i / (TICKS - 1) for part in (self.longest, ABOVE))
            height = self.y(self.least + loss)
            parts += [
                f'<path d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
                text(LEFT - 8, height + 4, f"{self.least + loss:.2f}", "end"),
                text(self.x(seconds), HEIGHT - BOTTOM + 18, f"{seconds:.0f}", "middle"),
            ]
        return parts

    def line(self, curve: Curve, colour: str) -> str:
        places = " ".join(f"{self.x(seconds):.1f},{self.y(loss):.1f}" for seconds, loss in curve)
        return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>'


def text(x: float, y: float, content: str, anchor: str, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{content}</text>'
