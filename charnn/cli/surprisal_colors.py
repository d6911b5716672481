"""Surprisal as colour: from what was expected (plain) to what surprised most (deep red)."""

import sys
from bisect import bisect_right
from collections.abc import Iterable
from itertools import groupby, pairwise

from charnn.cli.terminal import colours_in

BOUNDS = (1.0, 2.0, 3.0, 5.0, 8.0)  # bits; a band begins at each
COLOURS = ("", "#ffffd7", "#ffd7af", "#ffaf87", "#ff875f", "#ff5f5f")  # one a band, the first is plain
_TERMINAL_COLOURS = (0, 230, 223, 216, 209, 203)  # the same of the 256-colour palette
_RESET = "\x1b[0m"
_STRUCK = "\x1b[9m"


def band(bits: float) -> int:
    """Which colour `bits` of surprisal has, counted from 0."""
    return bisect_right(BOUNDS, bits)


def band_names() -> list[str]:
    """What each band means, in order."""
    between = [f"{low:g}–{high:g}" for low, high in pairwise(BOUNDS)]
    return [f"under {BOUNDS[0]:g}", *between, f"{BOUNDS[-1]:g} or more"]


def paint(text: str, colour: int) -> str:
    """`text` on the background of a band, for a terminal. Newlines stay unpainted, or the colour would run on."""
    if not colour:
        return text
    start = f"\x1b[30;48;5;{_TERMINAL_COLOURS[colour]}m"
    return "\n".join(f"{start}{line}{_RESET}" if line else "" for line in text.split("\n"))


def heat_map(characters: Iterable[tuple[str, float | None]]) -> str:
    """Characters, as they are to be shown, each painted by its surprisal in bits; one escape sequence a run.

    Those of None, which the model skipped, are struck through.
    """
    runs = groupby(characters, key=lambda place: None if place[1] is None else band(place[1]))
    return "".join(_run("".join(shown for shown, _ in run), colour) for colour, run in runs)


def _run(text: str, colour: int | None) -> str:
    return f"{_STRUCK}{text}{_RESET}" if colour is None else paint(text, colour)


def note_legend() -> None:
    """Say on stderr what the colours mean, where they can be shown."""
    if colours_in(sys.stderr):
        bands = " ".join(paint(f" {name} ", number) for number, name in enumerate(band_names()))
        print(f"bits of surprisal: {bands}", file=sys.stderr)
