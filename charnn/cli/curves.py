"""`charnn curves`: how training went, or goes."""

from typing import Annotated, Any

import typer

from charnn.cli.options import option, picture_option, with_settings
from charnn.config import ANALYSIS, OUTPUT, CurvesConfig

Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DIR",
        help="Runs' folders; several stand in one chart.",
        show_default="the newest under ./checkpoints",
    ),
]
Follow = Annotated[
    bool,
    option(
        "--follow",
        ANALYSIS,
        None,
        "Go on until every run is over, or Ctrl-C: a terminal's chart is drawn again as they go on, a pipe gets a line "
        "for each evaluation.",
    ),
]
Json = Annotated[
    bool,
    option(
        "--json",
        OUTPUT,
        None,
        "One JSON object a run and line, with the whole curves; of --follow an evaluation.",
    ),
]
Svg = Annotated[str | None, picture_option("svg", "Draw the curves into {} too")]
Png = Annotated[str | None, picture_option("png", "Draw the curves into {} too")]


@with_settings(CurvesConfig)
def curves(
    runs: Runs = None,
    svg: Svg = None,
    png: Png = None,
    follow: Follow = False,
    as_json: Json = False,
    **options: Any,
) -> None:
    """Show how training went. Losses, learning rate and speed of one run or several, and each one's best loss.

    In a pipe the columns are: run, best validation loss in nats, in bits, its step, its seconds, steps, characters,
    seconds, parameters, why the run ended. An interrupted and resumed run is one curve.
    """
    from charnn.analysis.learning_curves import CurveReader
    from charnn.cli.curves_view import named_runs, show
    from charnn.cli.picture import Output

    output = Output(as_json, svg, png)
    config = CurvesConfig(**options)
    readers = [CurveReader(run) for run in named_runs(runs or [])]
    if follow:
        from charnn.cli.curves_follow import follow_runs

        follow_runs(readers, config, output)
    else:
        show([reader.read() for reader in readers], config, output)
