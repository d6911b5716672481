"""The commands and their examples, in the order of the help; and the classes that show them.

The program's help needs no more than this: a command is imported when it is asked for. Typer's own help needs Rich's
Markdown renderer, which alone takes longer to import than all else.
"""

import os
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from charnn.errors import InputError

COMMANDS = {
    "train": "Train a character-level recurrent network on a text.",
    "sample": "Write new text, character by character as it is made.",
    "score": "Say how likely each text is.",
    "fill": "Find what may stand in the gaps of a text.",
    "translate": "Translate each text by a model of train --pairs.",
    "export": "Write a web page that holds a model and runs it.",
    "info": "Say what is known about a model.",
    "curves": "Show how training went.",
    "cache": "Show or clear the corpora that are kept encoded.",
    "inspect": "Look into trained networks.",
}
EXAMPLES = (  # each is shown by the command that it begins with, and by those above it
    "charnn train corpus.txt --minutes 10",
    'charnn sample --prompt "ROMEO:" --temp 0.8 --length 500',
    'charnn score "To be, or not to be" "To be, or be to not"',
    'charnn fill "I like to have a cup of ___ for breakfast"',
    'charnn translate "charnn" --model checkpoints/pairs',
    "charnn export checkpoints/corpus -o page.html",
    "charnn info checkpoints/corpus",
    "charnn curves checkpoints/a checkpoints/b --png curves.png",
    "charnn cache --clear",
    "charnn inspect gradients checkpoints/rnn checkpoints/lstm --corpus corpus.txt --svg gradients.svg",
    'charnn inspect attention checkpoints/pairs "source"',
    "charnn inspect memory checkpoints/rnn checkpoints/lstm --corpus corpus.txt --svg memory.svg",
    "charnn inspect cells checkpoints/corpus --file corpus.txt --html cells.html",
)
NAMES_OF_FILES = ("FILE", "PATH", "DIR", "CORPUS", "MODEL")  # metavars


class GroupedCommand(TyperCommand):
    """A command whose help lists its options under the names of their groups, and ends with an example."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises InputError where a text isn't valid text; a file's name may be any bytes."""
        for parameter in self.get_params(ctx):
            if parameter.make_metavar(ctx).strip("[].").partition("|")[0] not in NAMES_OF_FILES:
                _refuse_undecodable(parameter.get_error_hint(ctx), ctx.params.get(parameter.name))
        return super().invoke(ctx)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the command does, and the example."""
        super().format_help_text(ctx, formatter)
        for example in _examples(ctx):
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(f"Example: {example}")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, and the arguments before them."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                name = (
                    getattr(parameter, "rich_help_panel", None)
                    or f"{parameter.param_type_name}s".capitalize()
                )
                groups.setdefault(name, []).append(record)
        groups.setdefault("Options", groups.pop("Options", []))  # --help last
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)


class CommandGroup(TyperGroup):
    """A group of commands whose help ends with the examples of each."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, unwrapped: they are there to be pasted."""
        with formatter.section("Examples"):
            for example in _examples(ctx):
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class LazyGroup(CommandGroup):
    """The commands, each imported when it is asked for: running one doesn't wait for the others."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the names of the commands and what they do, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for name in (
            (cmd_name,) if cmd_name in COMMANDS else COMMANDS
        ):  # of a misspelt one all others are suggested
            if name not in self.commands:
                self.commands[name] = _command(name)
        return super().get_command(ctx, cmd_name)


def _command(name: str) -> Any:
    declared = getattr(import_module(f"charnn.cli.{name}"), name)
    if not isinstance(declared, typer.Typer):
        one = typer.Typer(add_completion=False, rich_markup_mode=None)
        one.command(cls=GroupedCommand)(declared)
        declared = one
    command = get_command(declared)
    command.name = name
    return command


def _examples(ctx: Any) -> list[str]:
    return [example for example in EXAMPLES if example.startswith(f"{ctx.command_path} ")]


def _refuse_undecodable(called: str, value: object) -> None:
    """Python hides bytes that aren't text in the locale's encoding as lone surrogates; no model knows those."""
    for text in value if isinstance(value, list | tuple) else [value]:
        if isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text):
            raise InputError(f"argument {called} is not valid text: {os.fsencode(text)!r}; give it as UTF-8")
