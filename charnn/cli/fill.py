"""`charnn fill`: what may stand in the gaps of a text."""

from typing import Annotated, Any

import typer

from charnn.cli.announce import MODEL_DEFAULT, announced_filler, announced_seed
from charnn.cli.inputs import STDIN, read_pieces
from charnn.cli.options import option, setting_option, with_settings
from charnn.config import OUTPUT, SEARCH, DrawConfig, FillConfig
from charnn.errors import InputError
from charnn.settings import configured, settings_of

Text = Annotated[
    str,
    typer.Argument(
        metavar="[TEXT]",
        help="A text with gaps: ___ is one of three characters, {} one of unknown length; no gap holds a newline, and "
        "the text stands between two. - is standard input, as is none.",
        show_default=False,
    ),
]
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
Seed = Annotated[
    int | None,
    setting_option(settings_of(DrawConfig)["seed"]._replace(panel=SEARCH), "The same seed, the same draw."),
]
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


@with_settings(FillConfig)
def fill(
    text: Text = STDIN, model: Path = None, seed: Seed = None, as_json: Json = False, **options: Any
) -> None:
    """Find what may stand in the gaps of a text. In a pipe a line is a probability, a tab, the text.

    Example: charnn fill "I like to have a cup of ___ for breakfast"
    """
    from charnn.cli.fill_view import note_method, show

    config = configured(FillConfig, options)
    if seed is not None and not config.temperature:
        raise InputError("--seed decides what is drawn at random; give --temp too")
    if text == STDIN:
        text = "".join(read_pieces(STDIN)).removesuffix("\n")
    filler = announced_filler(model)
    found = filler.fill(text, seed=announced_seed(seed) if config.temperature else None, **options)
    note_method(filler.is_bidirectional, config.lookahead)
    show(found, as_json=as_json)
