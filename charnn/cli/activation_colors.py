"""What a cell holds as colour: red below 0, plain around it, blue above (as in Karpathy et al. 2015)."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise

BOUNDS = (-0.8, -0.6, -0.4, -0.2, 0.2, 0.4, 0.6, 0.8)  # a band begins at each but the first
COLOURS = (
    "#ff5f5f",
    "#ff8787",
    "#ffafaf",
    "#ffd7d7",
    "",
    "#d7d7ff",
    "#afafff",
    "#8787ff",
    "#5f87ff",
)  # one a band
_TERMINAL_COLOURS = (203, 210, 217, 224, 0, 189, 147, 105, 69)  # the same of the 256-colour palette
_PLAIN = COLOURS.index("")
_LEVELS = "▁▂▃▄▅▆▇█"
_RESET = "\x1b[0m"


def band(value: float) -> int:
    """Which colour a value between −1 and 1 has, counted from 0."""
    return bisect_right(BOUNDS, value)


def band_names() -> list[str]:
    """About which value each band is, in order."""
    middles = [sum(pair) / 2 for pair in pairwise((-1.0, *BOUNDS, 1.0))]
    return [f"{middle:g}" for middle in middles]


def runs(shown: Iterable[str], values: Iterable[float]) -> Iterator[tuple[int, str]]:
    """Characters, as they are to be shown, in stretches of one band."""
    for number, stretch in groupby(zip(shown, values, strict=True), key=lambda place: band(place[1])):
        yield number, "".join(character for character, _ in stretch)


def heat_map(shown: Sequence[str], values: Sequence[float]) -> str:
    """Characters, as a terminal shows them, each on the colour of its value."""
    return "".join(_painted(text, number) for number, text in runs(shown, values))


def _painted(text: str, colour: int) -> str:
    """Newlines stay unpainted, or the colour would run on."""
    if colour == _PLAIN:
        return text
    start = f"\x1b[30;48;5;{_TERMINAL_COLOURS[colour]}m"
    return "\n".join(f"{start}{line}{_RESET}" if line else "" for line in text.split("\n"))


def legend() -> str:
    """What the colours mean, for a terminal."""
    return "value: " + " ".join(_painted(f" {name} ", number) for number, name in enumerate(band_names()))


def levels(values: Iterable[float]) -> str:
    """Values between −1 and 1 as blocks of eight heights, for terminals without colours."""
    last = len(_LEVELS) - 1
    return "".join(_LEVELS[min(max(round((value + 1) / 2 * last), 0), last)] for value in values)
