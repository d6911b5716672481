"""The program: its commands, and what becomes of their errors."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from charnn.cli.cache import cache
from charnn.cli.fill import fill
from charnn.cli.info import info
from charnn.cli.inspect import inspect
from charnn.cli.options import CommandGroup, GroupedCommand
from charnn.cli.sample import sample
from charnn.cli.score import score
from charnn.cli.terminal import escape_line, guard_streams
from charnn.cli.train import train
from charnn.errors import CharnnError, InputError
from charnn.version import __version__

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a character-level recurrent network on any text, sample from it, score with it.",
)
for command in (train, sample, score, fill, info, cache):
    app.command(cls=GroupedCommand)(command)
app.add_typer(inspect)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"charnn {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the program itself; Typer shows the help given above."""


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 2 bad usage or input, 1 a failure, 130 after Ctrl-C."""
    guard_streams()
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # before NumPy: charnn.inference.thread_pool has threads of its own
    try:
        try:
            _refuse_undecodable(sys.argv[1:])
            app(prog_name="charnn")
        finally:
            sys.stdout.flush()
    except CharnnError as error:
        _fail(str(error), error.exit_code)
    except MemoryError:
        _fail("out of memory", 1)
    except OSError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _fail(message: str, exit_code: int) -> NoReturn:
    print(f"charnn: {escape_line(message)}", file=sys.stderr)
    sys.exit(exit_code)


def _refuse_undecodable(arguments: list[str]) -> None:
    """Python hides bytes that aren't text in the locale's encoding as lone surrogates; no model knows those."""
    for place, argument in enumerate(arguments, 1):
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise InputError(
                f"argument {place} is not valid text: {os.fsencode(argument)!r}; give it as UTF-8"
            )
