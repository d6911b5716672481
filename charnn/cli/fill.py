"""`charnn fill`: what may stand in the gaps of a text."""

from typing import Annotated

import typer

from charnn.cli.announce import MODEL_DEFAULT, announced_filler, announced_seed
from charnn.cli.inputs import STDIN, read_pieces
from charnn.cli.options import option
from charnn.config import FillConfig
from charnn.errors import InputError

DEFAULTS = FillConfig()
GAPS = "What is filled"
SEARCH = "How"
OUTPUT = "What is shown"

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
    from charnn.cli.fill_view import note_method, show

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
        seed=announced_seed(seed) if temperature else None,
    )
    note_method(filler.is_bidirectional, lookahead)
    show(found, as_json=as_json)
