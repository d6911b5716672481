"""How options are declared: one line each, grouped in panels, defaults shown."""

from typing import Any

import typer


def option(
    names: str,
    panel: str,
    metavar: str | None,
    text: str,
    *,
    default: str | bool = True,
    least: int | None = None,
) -> Any:
    """A Typer option. `names` are separated by spaces; `default` is what the help shows, if not the real one."""
    return typer.Option(
        *names.split(),
        rich_help_panel=panel,
        metavar=metavar,
        help=text,
        show_default=default,
        min=least,
    )
