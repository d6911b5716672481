"""`charnn inspect`: how far back a network learns, and how far back it remembers."""

from typing import Annotated

import typer

from charnn.cli.announce import MODEL_DEFAULT
from charnn.cli.options import CommandGroup, GroupedCommand, option
from charnn.config import GRADIENT_LAGS, GRADIENT_WINDOWS, MEMORY_LONGEST, MEMORY_PLACES

WHAT = "What is looked at"
OUTPUT = "What is shown"

inspect = typer.Typer(
    cls=CommandGroup,
    name="inspect",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look into trained networks.",
)

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL",
        help="Runs' folders or .safetensors files; several stand side by side.",
        show_default=MODEL_DEFAULT,
    ),
]
Corpus = Annotated[
    str | None,
    option(
        "--corpus",
        WHAT,
        "CORPUS",
        "A text, as for training; the end of it that training keeps for validation is read.",
        default="the bundled play",
    ),
]
Lags = Annotated[int, option("--lags", WHAT, "N", "The furthest lag, in characters.", least=1)]
Windows = Annotated[
    int, option("--windows", WHAT, "N", "Places of the text that the norms are averaged over.", least=1)
]
Longest = Annotated[
    int, option("--longest", WHAT, "N", "The longest history: 1, 2, 4, … up to N characters.", least=1)
]
Places = Annotated[
    int, option("--places", WHAT, "N", "Places of the text that the loss is averaged over.", least=1)
]
Json = Annotated[
    bool, option("--json", OUTPUT, None, "One JSON object a model and line, with the whole curve.")
]
Svg = Annotated[
    str | None, option("--svg", OUTPUT, "FILE", "Draw the curves into an SVG file too; - is standard output.")
]
Png = Annotated[
    str | None, option("--png", OUTPUT, "FILE", "Draw the curves into a PNG file too; - is standard output.")
]


@inspect.command(cls=GroupedCommand)
def gradients(
    models: Models = None,
    corpus: Corpus = None,
    lags: Lags = GRADIENT_LAGS,
    windows: Windows = GRADIENT_WINDOWS,
    as_json: Json = False,
    svg: Svg = None,
    png: Png = None,
) -> None:
    """Show how far back a loss is felt. Its gradient vanishes where a network can't learn from what is that far back.

    That is the norm of ∂loss(t)/∂h(t−k), k = 0, 1, 2, …, where loss(t) is that of the character after t and h are the
    hidden states of all layers together (of an LSTM without its cell states). Computed with torch.

    Example: charnn inspect gradients checkpoints/rnn checkpoints/lstm --corpus corpus.txt --svg gradients.svg
    """
    from charnn.cli.inspect_view import GRADIENTS, Finding, Output, show, subject

    output = Output(as_json, svg, png)
    inspected, text = subject(models or [], corpus)
    from charnn.analysis.gradients import gradient_norms  # torch

    found = [gradient_norms(model, text, lags=lags, windows=windows) for model in inspected]
    curves = zip(inspected, found, strict=True)
    show(GRADIENTS, [Finding(model, f.lags, f.norms, f.unknown) for model, f in curves], output)


@inspect.command(cls=GroupedCommand)
def memory(
    models: Models = None,
    corpus: Corpus = None,
    longest: Longest = MEMORY_LONGEST,
    places: Places = MEMORY_PLACES,
    as_json: Json = False,
    svg: Svg = None,
    png: Png = None,
) -> None:
    """Show how much context a model uses. Where more of it helps no more, the network remembers no further.

    That is the bits per character when each prediction begins at the zero state and reads only the k characters before
    it, k = 1, 2, 4, …

    Example: charnn inspect memory checkpoints/rnn checkpoints/lstm --corpus corpus.txt --svg memory.svg
    """
    from charnn.analysis.memory import memory_curve
    from charnn.cli.inspect_view import MEMORY, Finding, Output, show, subject

    output = Output(as_json, svg, png)
    inspected, text = subject(models or [], corpus)
    found = [memory_curve(model, text, longest=longest, places=places) for model in inspected]
    curves = zip(inspected, found, strict=True)
    show(MEMORY, [Finding(model, f.histories, f.bits_per_char, f.unknown) for model, f in curves], output)
