"""`charnn info`: what is known about a model."""

from typing import Annotated

import typer

from charnn.cli.announce import MODEL_DEFAULT
from charnn.cli.options import option
from charnn.config import OUTPUT

ModelPath = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL", help="A run's folder or a .safetensors file.", show_default=MODEL_DEFAULT
    ),
]
Json = Annotated[
    bool, option("--json", OUTPUT, None, "Everything as one JSON object, with the whole course of training.")
]


def info(model: ModelPath = None, as_json: Json = False) -> None:
    """Say what is known about a model. Its network, vocabulary and corpus, and how its training went."""
    from charnn.cli.announce import announced_description
    from charnn.cli.info_view import lines_of, value_of
    from charnn.cli.terminal import json_line, short_line
    from charnn.storage.description import describe

    described = announced_description() if model is None else describe(model)
    if as_json:
        print(json_line(value_of(described)))
    else:
        for line in lines_of(described):
            print(short_line(line))
