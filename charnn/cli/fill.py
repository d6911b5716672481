"""`charnn fill`: what may stand in the gaps of a text."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from charnn.cli.inputs import STDIN, read_pieces
from charnn.cli.models import MODEL_DEFAULT, announced_filler
from charnn.cli.options import option
from charnn.cli.seeds import said_seed
from charnn.cli.terminal import colours_in, escape_line, json_line, note
from charnn.config import FillConfig
from charnn.errors import InputError
from charnn.inference.blanks import joined

if TYPE_CHECKING:
    from charnn.inference.infill import Filled

DEFAULTS = FillConfig()
GAPS = "What is filled"
SEARCH = "How"
OUTPUT = "What is shown"
_FILL, _RESET = "\x1b[1;4m", "\x1b[0m"  # bold and underlined

Text = Annotated[
    str,
    typer.Argument(
        metavar="[TEXT]",
        help="A text with gaps: ___ is one of three characters, {} one of unknown length; no gap holds a newline, and "
        "the text stands between two. - is standard input, as is none.",
        show_default=False,
    ),
]
MaxLength = Annotated[int, option("--max-length", GAPS, "N", "Characters that a {} has at most.", least=1)]
Path = Annotated[
    str | None,
    option(
        "-m --model",
        SEARCH,
        "PATH",
        "A .safetensors file or a run's folder; one of train --bidirectional looks for fills from both sides.",
        default=MODEL_DEFAULT,
    ),
]
Beam = Annotated[
    int, option("--beam", SEARCH, "N", "Keep the N likeliest candidates at each character.", least=1)
]
Lookahead = Annotated[
    int,
    option(
        "--lookahead",
        SEARCH,
        "N",
        "Weigh candidates by N characters of what follows a gap; 0 goes by what precedes it alone.",
        least=0,
    ),
]
Temperature = Annotated[
    float,
    option(
        "-t --temp --temperature",
        SEARCH,
        "F",
        "Draw the ways to fill at random, no two alike: below 1 safer, above 1 wilder; 0 lists the likeliest.",
    ),
]
Seed = Annotated[
    int | None,
    option("--seed", SEARCH, "N", "The same seed, the same draw.", default="a fresh one, said", least=0),
]
Count = Annotated[int, option("-n --num-fills", OUTPUT, "N", "How many ways to fill.", least=1)]
Json = Annotated[
    bool,
    option(
        "--json",
        OUTPUT,
        None,
        "One JSON object a line: index, text, fills (one a gap), probability (among the candidates), log_prob (natural "
        "log, of the fills and what was read after them).",
    ),
]


def fill(
    text: Text = STDIN,
    max_length: MaxLength = DEFAULTS.max_length,
    model: Path = None,
    beam: Beam = DEFAULTS.beam,
    lookahead: Lookahead = DEFAULTS.lookahead,
    temperature: Temperature = DEFAULTS.temperature,
    seed: Seed = None,
    num_fills: Count = DEFAULTS.count,
    as_json: Json = False,
) -> None:
    """Find what may stand in the gaps of a text. In a pipe a line is a probability, a tab, the text.

    Example: charnn fill "I like to have a cup of ___ for breakfast"
    """
    if seed is not None and not temperature:
        raise InputError("--seed decides what is drawn at random; give --temp too")
    if text == STDIN:
        text = "".join(read_pieces(STDIN)).removesuffix("\n")
    filler = announced_filler(model)
    found = filler.fill(
        text,
        count=num_fills,
        max_length=max_length,
        temperature=temperature,
        beam=beam,
        lookahead=lookahead,
        seed=said_seed(seed) if temperature else None,
    )
    note(_how(filler.is_bidirectional, lookahead))
    show = _json if as_json else _row
    for index, filled in enumerate(found):
        print(show(index, filled))


def _how(is_bidirectional: bool, lookahead: int) -> str:
    if is_bidirectional:
        return "by the bidirectional model, candidates from both sides, scored by both directions"
    if lookahead:
        return "by the forward model, candidates rescored with what follows"
    return "by the forward model, from what precedes alone"


def _json(index: int, filled: "Filled") -> str:
    return json_line(
        {
            "index": index,
            "text": filled.text,
            "fills": filled.fills,
            "probability": filled.probability,
            "log_prob": filled.log_prob,
        }
    )


def _row(_: int, filled: "Filled") -> str:
    """A line of stdout: aligned on a terminal, tab-separated in a pipe; the fills stand out where colours can be."""
    terminal, mark = sys.stdout.isatty(), _marked if colours_in(sys.stdout) else str
    show = escape_line if terminal else _unbroken
    text = joined([show(known) for known in filled.known], [mark(show(fill)) for fill in filled.fills])
    return f"{filled.probability:6.1%}  {text}" if terminal else f"{filled.probability:.4f}\t{text}"


def _marked(fill: str) -> str:
    return f"{_FILL}{fill}{_RESET}"


def _unbroken(text: str) -> str:
    return text.replace("\n", "\\n")
