"""The program: its commands, and what becomes of their errors."""

import os
import re
import signal
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from charnn.cli.commands import COMMANDS, LazyGroup
from charnn.cli.interrupts import current as interrupts
from charnn.cli.interrupts import die_of
from charnn.cli.terminal import escape, escape_line, guard_streams
from charnn.errors import CharnnError, InterruptedRunError, LostProcessError
from charnn.version import __version__

_TORCH_LACKS_MEMORY = r"DefaultCPUAllocator|bad_alloc|could not \w+ a primitive"  # the last as oneDNN says it


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a character-level recurrent network on any text, sample from it, score with it.",
)


def whole_program() -> Any:
    """The program with all of its commands imported, for whoever looks through them."""
    program: Any = get_command(app)
    for name in COMMANDS:
        program.get_command(None, name)
    return program


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
    """Run the command line and exit: 0 done, 2 bad usage or input, 1 a failure; or die of the signal that ended it."""
    guard_streams()
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # before NumPy: charnn.inference.thread_pool has threads of its own
    with interrupts.caught():
        exit_code = _exit_code()
    if exit_code == 128 + signal.SIGINT:  # typed at a prompt it is a key, not a signal
        die_of(signal.SIGINT)
    sys.exit(exit_code)


def _exit_code() -> int:
    """Run the command line; the exit code, once an error has been told."""
    try:
        try:
            return app(prog_name="charnn", standalone_mode=False) or 0
        finally:
            if interrupts.pending() is None:  # else nobody may be reading any more
                sys.stdout.flush()
    except TyperException as error:
        error.message = escape(error.message)
        error.show()  # type: ignore[attr-defined]
        return error.exit_code
    except InterruptedRunError as error:
        _tell(str(error))
        if interrupts.pending() is None:  # another of several processes got it
            die_of(error.signal_number)
        raise
    except LostProcessError as error:
        _tell(str(error))
        os._exit(error.exit_code)  # torch still waits for what will never come
    except CharnnError as error:
        _tell(str(error))
        return error.exit_code
    except OSError as error:
        _tell(f"cannot use {error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    except (MemoryError, RuntimeError, ImportError, SystemError) as error:
        if (lack := _lack(error)) is None:
            raise
        _tell(lack)
        return 1


def _lack(error: Exception) -> str | None:
    """What the machine lacked, where it is that which Python or a library says; None for an error of another kind."""
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "the system starts no more threads (see ulimit -u)"
    if isinstance(error, RuntimeError) and re.search(_TORCH_LACKS_MEMORY, str(error)):
        return "out of memory: torch can't allocate what it needs (see ulimit -v)"
    if isinstance(error, ImportError) and re.search(
        "failed to map segment|annot allocate memory", str(error)
    ):
        return "out of memory: a library could not be loaded (see ulimit -v)"
    if isinstance(error, SystemError) and re.search(
        "without (exception set|setting an exception)", str(error)
    ):  # C code that forgot to say what it lacked
        return "out of memory: a library failed without a word (see ulimit -v)"
    return None


def _tell(message: str) -> None:
    if message:
        print(f"charnn: {escape_line(message)}", file=sys.stderr)
