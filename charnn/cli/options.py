"""How options are declared, one line each, and how help shows them: in groups, as plain text.

Typer's own help needs Rich's Markdown renderer, which alone takes longer to import than all else.
"""

from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


def option(
    names: str,
    group: str,
    metavar: str | None,
    text: str,
    *,
    choices: Sequence[str] = (),
    default: str | bool = True,
    least: int | None = None,
) -> Any:
    """A Typer option. `names` are separated by spaces; `default` is what the help shows, if not the real one.

    `choices` are the values there are, where they are few; shells complete them.
    """
    return typer.Option(
        *names.split(),
        rich_help_panel=group,
        metavar=metavar or "|".join(choices) or None,
        autocompletion=(lambda: choices) if choices else None,
        help=text,
        show_default=default,
        min=least,
    )


class GroupedCommand(TyperCommand):
    """A command whose help lists its options under the names of their groups."""

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
    """A group of commands whose help ends with the example of each."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, unwrapped: they are there to be pasted."""
        with formatter.section("Examples"):
            for example in examples(self):
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def examples(command: Any) -> list[str]:
    """What stands after "Example:" in the help of a command, or of each command of a group."""
    if isinstance(command, TyperGroup):
        return [example for below in command.commands.values() for example in examples(below)]
    return (command.help or "").split("Example: ")[1:]
