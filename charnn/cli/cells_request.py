"""What `charnn inspect cells` is asked for: which text, which cell, in which form."""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from charnn.analysis.cells import Cell, ExplainedCells, explained_cells
from charnn.cli.announce import announced_model
from charnn.cli.cells_view import print_json, print_report, print_rows
from charnn.cli.inputs import STDIN, read_pieces
from charnn.cli.picture import Kind, Output
from charnn.cli.terminal import note
from charnn.config import MAX_VALIDATION
from charnn.data.held_out import held_out
from charnn.errors import InputError
from charnn.inference.model import Model, load
from charnn.outputs import is_stdout, write_output
from charnn.storage.own_text import own_validation_text


@dataclass(frozen=True)
class CellsOutput(Output):
    """The form in which findings are wanted: a page too, `cell` as `--cell` gives it, over `show` characters."""

    html: str | None
    cell: str | None
    show: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_picture and is_stdout(self.html):
            raise InputError(
                "--html and a picture can't both be standard output; give one of them a file's name"
            )

    @property
    def is_file(self) -> bool:
        """Whether standard output is taken by a picture or the page."""
        return self.is_picture or is_stdout(self.html)


def inspect_cells(
    path: str | None, text: str | None, file: str | None, output: CellsOutput, options: Mapping[str, Any]
) -> None:
    """Find cells, and show them in the form that is wanted."""
    cell = _parsed_cell(output.cell)
    model = announced_model(None) if path is None else load(path)
    read, called = _text(model, text, file)
    found = explained_cells(model, read, cell=cell, **options)
    _note_text(called, found)
    if output.as_json and not output.is_file:
        print_json(model, found, cell, output.show)
    elif not output.is_file:
        print_report(found, cell, output.show) if sys.stdout.isatty() else print_rows(found)
    _write_files(model, found, output)


def _parsed_cell(given: str | None) -> Cell | None:
    if given is None:
        return None
    if not re.fullmatch(r"\d{1,9}:\d{1,9}", given, re.ASCII):
        raise InputError(f"--cell is {given!r}: it must be a layer and a cell, both from 0, such as 0:37")
    layer, number = map(int, given.split(":"))
    return layer, number


def _text(model: Model, text: str | None, file: str | None) -> tuple[str, str]:
    """The text to read and what it is called: the one that is given, the run's own, or the bundled play."""
    if text is not None and file is not None:
        raise InputError("TEXT and --file both say what is read; give one of them")
    if text is not None:
        return text, "the given text"
    if file is not None:
        return _beginning(read_pieces(file), MAX_VALIDATION), "standard input" if file == STDIN else file
    if own := own_validation_text(model.path, model.provenance):
        return own, "the run's validation part"
    return held_out(), "the bundled play's validation part"


def _beginning(pieces: Iterable[str], chars: int) -> str:
    """As many characters at least, if there are so many."""
    parts, length = [], 0
    for piece in pieces:
        parts.append(piece)
        length += len(piece)
        if length >= chars:
            break
    return "".join(parts)


def _write_files(model: Model, found: ExplainedCells, output: CellsOutput) -> None:
    if output.html:
        from charnn.cli.cells_page import cells_page

        write_output(output.html, cells_page(found, str(model.path)))
    pictures: tuple[tuple[str | None, Kind], ...] = ((output.svg, "svg"), (output.png, "png"))
    for name, kind in pictures:
        if name:
            from charnn.cli.cells_picture import write_cells_picture

            write_cells_picture(name, found, kind)


def _note_text(called: str, found: ExplainedCells) -> None:
    """Say which text was read."""
    note(f"text: {len(found.text):,} characters of {called}")
    if found.unknown:
        note(f"{found.unknown:,} characters that the model never saw were replaced")
