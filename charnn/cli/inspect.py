"""`charnn inspect`: how far back a network learns and remembers, where it looks, what its cells hold."""

from typing import Annotated, Any

import typer

from charnn.cli.announce import MODEL_DEFAULT
from charnn.cli.commands import CommandGroup, GroupedCommand
from charnn.cli.options import option, picture_option, setting_option, with_settings
from charnn.config import (
    ANALYSIS,
    OUTPUT,
    CellsConfig,
    EncodingConfig,
    GradientsConfig,
    MemoryConfig,
    Unknown,
)
from charnn.errors import InputError
from charnn.settings import settings_of

inspect = typer.Typer(
    cls=CommandGroup,
    name="inspect",
    add_completion=False,
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
        ANALYSIS,
        "CORPUS",
        "A text, as for training; the end of it that training keeps for validation is read.",
        default="the bundled play",
    ),
]
PairModel = Annotated[
    str, typer.Argument(metavar="MODEL", help="A run's folder or .safetensors file, of train --pairs.")
]
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="The text that is read.")]
Target = Annotated[
    str | None, option("--target", ANALYSIS, "TEXT", "The text that is written.", default="the likeliest")
]
Features = Annotated[str, option("--features", ANALYSIS, "TEXT", "The source's features.", default="none")]
UnknownPolicy = Annotated[
    Unknown,
    setting_option(
        settings_of(EncodingConfig)["unknown"]._replace(panel=ANALYSIS),
        "What becomes of a symbol that the model never saw: an error, left out, or read as an unknown one.",
    ),
]
Json = Annotated[
    bool, option("--json", OUTPUT, None, "One JSON object a model and line, with the whole curve.")
]
Svg = Annotated[str | None, picture_option("svg", "Draw the curves into {} too")]
Png = Annotated[str | None, picture_option("png", "Draw the curves into {} too")]

CellsModel = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="A run's folder or .safetensors file.", show_default=MODEL_DEFAULT),
]
CellsText = Annotated[
    str | None,
    typer.Argument(
        metavar="TEXT",
        help="The text that is read.",
        show_default="what the run kept for validation, where it is in the cache; else the bundled play's",
    ),
]
CellsFile = Annotated[
    str | None,
    option("-f --file", ANALYSIS, "FILE", "Read this file instead, compressed or not; - is standard input."),
]
OneCell = Annotated[
    str | None,
    option("--cell", OUTPUT, "L:N", "Show cell N of layer L over the text, both from 0.", default="the best"),
]
ShownChars = Annotated[
    int,
    option(
        "--show",
        OUTPUT,
        "N",
        "Show a cell over N characters of the text, where what it explains varies most.",
        least=0,
    ),
]
CellsHtml = Annotated[
    str | None,
    option(
        "--html", OUTPUT, "FILE", "Write a web page too, with every cell over the text; - is standard output."
    ),
]
CellsJson = Annotated[bool, option("--json", OUTPUT, None, "One JSON object, with every cell's gates.")]
CellsSvg = Annotated[str | None, picture_option("svg", "Draw what cells explain, and the gates, into {}")]
CellsPng = Annotated[str | None, picture_option("png", "Draw what cells explain, and the gates, into {}")]


@inspect.command(cls=GroupedCommand)
@with_settings(GradientsConfig)
def gradients(
    models: Models = None,
    corpus: Corpus = None,
    as_json: Json = False,
    svg: Svg = None,
    png: Png = None,
    **options: Any,
) -> None:
    """Show how far back a loss is felt. Its gradient vanishes where a network can't learn from what is that far back.

    That is the norm of ∂loss(t)/∂h(t−k), k = 0, 1, 2, …, where loss(t) is that of the character after t and h are the
    hidden states of all layers together (of an LSTM without its cell states). Computed with torch.
    """
    from charnn.cli.inspect_view import GRADIENTS, Finding, show, subject
    from charnn.cli.picture import Output

    output = Output(as_json, svg, png)
    inspected, text = subject(models or [], corpus)
    from charnn.analysis.gradients import gradient_norms  # torch

    found = [gradient_norms(model, text, **options) for model in inspected]
    curves = zip(inspected, found, strict=True)
    show(GRADIENTS, [Finding(model, f.lags, f.norms, f.unknown) for model, f in curves], output)


@inspect.command(cls=GroupedCommand)
def attention(
    model: PairModel,
    source: Source,
    target: Target = None,
    features: Features = "",
    unknown: UnknownPolicy = "error",
    as_json: Json = False,
    svg: Svg = None,
    png: Png = None,
) -> None:
    """Show where a decoder looks. A row for each symbol that it writes, a column for each of the source."""
    from charnn.cli.picture import Output
    from charnn.cli.translate_view import show_attention
    from charnn.inference.translator import load_translator

    output = Output(as_json, svg, png)
    translator = load_translator(model)
    if not translator.has_attention:
        raise InputError(f"{model} was trained with --attention none: it looks nowhere; name another")
    show_attention(translator.align(source, target, features=features, unknown=unknown), output)


@inspect.command(cls=GroupedCommand)
@with_settings(MemoryConfig)
def memory(
    models: Models = None,
    corpus: Corpus = None,
    as_json: Json = False,
    svg: Svg = None,
    png: Png = None,
    **options: Any,
) -> None:
    """Show how much context a model uses. Where more of it helps no more, the network remembers no further.

    That is the bits per character when each prediction begins at the zero state and reads only the k characters before
    it, k = 1, 2, 4, …
    """
    from charnn.analysis.memory import memory_curve
    from charnn.cli.inspect_view import MEMORY, Finding, show, subject
    from charnn.cli.picture import Output

    output = Output(as_json, svg, png)
    inspected, text = subject(models or [], corpus)
    found = [memory_curve(model, text, **options) for model in inspected]
    curves = zip(inspected, found, strict=True)
    show(MEMORY, [Finding(model, f.histories, f.bits_per_char, f.unknown) for model, f in curves], output)


@inspect.command(cls=GroupedCommand)
@with_settings(CellsConfig)
def cells(
    model: CellsModel = None,
    text: CellsText = None,
    file: CellsFile = None,
    cell: OneCell = None,
    show: ShownChars = 500,
    html: CellsHtml = None,
    svg: CellsSvg = None,
    png: CellsPng = None,
    as_json: CellsJson = False,
    **options: Any,
) -> None:
    """Show what single cells hold. Those whose value explains best whether a quotation is open, how long the line is …

    The text is cut into pieces; cells are chosen on every other one, and scores are of the rest: the share of the
    variance that is explained (R²), and for yes or no the area under the ROC curve (AUC), for numbers Spearman's ρ.
    Gates are counted as saturated under 0.1 and over 0.9 (Karpathy, Johnson and Fei-Fei, 2015). In a pipe the columns
    are: feature, layer, cell, binary or number, R², R² where it was chosen, AUC or ρ.
    """
    from charnn.cli.cells_request import CellsOutput, inspect_cells

    inspect_cells(model, text, file, CellsOutput(as_json, svg, png, html, cell, show), options)
