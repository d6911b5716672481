"""`charnn fill`: what may stand in the gaps of a text."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from charnn.cli.announce import MODEL_DEFAULT, announced_filler, announced_seed, note_reading
from charnn.cli.inputs import STDIN, read_pieces
from charnn.cli.options import option, setting_option, with_settings
from charnn.config import GAPS, OUTPUT, SEARCH, DrawConfig, EncodingConfig, FillConfig, ReadConfig, Unknown
from charnn.errors import InputError
from charnn.settings import configured, settings_of

Text = Annotated[
    str | None,
    typer.Argument(
        metavar="[TEXT]",
        help="A text with gaps: ___ is one of three characters, {} one of unknown length; \\_ and \\{} are none. No "
        "gap holds a newline, and the text stands between two. - is standard input, as is none.",
        show_default=False,
    ),
]
File = Annotated[
    str | None,
    option(
        "-f --file", GAPS, "FILE", "Read the text from this file, compressed or not; - is standard input."
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
UnknownPolicy = Annotated[
    Unknown, setting_option(settings_of(EncodingConfig)["unknown"]._replace(panel=GAPS))
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


@with_settings(FillConfig, ReadConfig)
def fill(
    text: Text = None,
    file: File = None,
    model: Path = None,
    unknown: UnknownPolicy = "error",
    seed: Seed = None,
    as_json: Json = False,
    **options: Any,
) -> None:
    r"""Find what may stand in the gaps of a text. In a pipe a line is a probability, a tab, the text.

    A backslash, tab, newline and carriage return in the text are written \\ \t \n \r there, other control characters
    and line separators \xNN or \uNNNN.
    """
    from charnn.cli.fill_view import note_method, show
    from charnn.inference.blanks import unmarked

    config = configured(FillConfig, options)
    if seed is not None and not config.temperature:
        raise InputError("--seed decides what is drawn at random; give --temp too")
    reading = configured(ReadConfig, options)
    text = _text(text, file, asdict(reading))
    filler = announced_filler(model)
    note_reading(filler.vocabulary, unmarked(text), "the text")
    seed = announced_seed(seed) if config.temperature else None
    found = filler.fill(text, seed=seed, unknown=unknown, **asdict(config))
    note_method(filler.is_bidirectional, config.lookahead)
    show(found, as_json=as_json)


def _text(text: str | None, file: str | None, reading: Mapping[str, Any]) -> str:
    """What is given as an argument, or read; there the last line's end is left out."""
    if text is not None and file is not None:
        raise InputError("a text and --file both say what has gaps; give one of them")
    name = file or (STDIN if text in (None, STDIN) else None)
    if name is None:
        assert text is not None
        return text
    return "".join(read_pieces(name, **reading)).removesuffix("\n")
