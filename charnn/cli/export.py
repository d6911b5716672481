"""`charnn export`: a model as a page that runs it, or as a graph for other programs."""

import os
from typing import Annotated

import typer

from charnn.cli.announce import MODEL_DEFAULT
from charnn.cli.options import option
from charnn.config import OUTPUT
from charnn.errors import InputError

ModelPath = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]", help="A run's folder or a .safetensors file.", show_default=MODEL_DEFAULT
    ),
]
Out = Annotated[
    str,
    option("-o --out", OUTPUT, "FILE", "The file that is written; - is standard output."),
]
Onnx = Annotated[
    bool,
    option(
        "--onnx",
        OUTPUT,
        None,
        "Instead of a page one step of the network as an ONNX graph: a character's id and the state in, logits and "
        "the state out. Needs pip install 'charnn[onnx]'.",
    ),
]


def export(out: Out, model: ModelPath = None, onnx: Onnx = False) -> None:
    """Write a web page that holds a model and runs it. One file, to open in any browser, or to pass on: it writes,
    measures, fills or translates, as the model can, loads nothing from elsewhere and sends nothing.
    """
    from charnn.cli.announce import announced_file
    from charnn.inference.find import Stored
    from charnn.outputs import write_output

    found = announced_file() if model is None else Stored.read(model)
    if os.path.exists(out) and os.path.samefile(found.path, out):  # noqa: PTH110, PTH121 - pathlib raises for long names
        raise InputError(f"{out} is the model itself; give another file's name")
    if onnx:
        from charnn.export.onnx import graph

        write_output(out, [graph(found.model)])
    else:
        from charnn.export.page import page

        write_output(out, page(found.model, found.name))
