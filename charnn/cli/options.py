"""How options are declared: one line each, or by a configuration's settings."""

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, get_args

import typer

from charnn.config import OUTPUT
from charnn.settings import Range, Setting, checked, settings_of

Command = Callable[..., None]


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

    `choices` are the values there are, where they are few; shells complete them. `least` bounds a whole number, which
    is then refused as a setting's is.
    """
    return typer.Option(
        *names.split(),
        rich_help_panel=group,
        metavar=metavar or "|".join(choices) or None,
        autocompletion=(lambda: choices) if choices else None,
        help=f"{text}  [default: {default}]" if isinstance(default, str) else text,
        show_default=default if isinstance(default, bool) else False,
        callback=None if least is None else _checked_by(Setting(flags=names, within=Range(least), type=int)),
    )


def setting_option(one: Setting, text: str | None = None) -> Any:
    """The Typer option of a setting, with its own help or this."""
    return option(
        " ".join(one.names),
        one.panel,
        one.placeholder,
        text or one.help,
        choices=one.choices,
        default=one.default_shown or False,
    )


def picture_option(form: str, drawn: str) -> Any:
    """--svg or --png, the `form` of a picture; in `drawn` {} stands for such a file."""
    file = {"svg": "an SVG file", "png": "a PNG file"}[form]
    return option(f"--{form}", OUTPUT, "FILE", f"{drawn.format(file)}; - is standard output.")


def with_settings(*configs: type) -> Callable[[Command], Command]:
    """Let a command that takes `**options` take an option for each setting of these configurations.

    Only those that were given are passed on, parsed. They stand before the command's own flags; what it declares
    itself is left to it. Raises InputError for a value out of its bounds.
    """
    settings = settings_of(*configs)

    def derive(command: Command) -> Command:
        *own, _ = inspect.signature(command, eval_str=True).parameters.values()
        own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        names = {parameter.name for parameter in own}
        derived = [_parameter(one) for name, one in settings.items() if one.help and name not in names]
        flags = [parameter for parameter in own if _is_flag(parameter)]
        parameters = [*(one for one in own if one not in flags), *derived, *flags]

        def run(**values: Any) -> None:
            given = {parameter.name: values.pop(parameter.name) for parameter in own}
            options = {
                name: value for name, value in values.items() if value is not None and value is not False
            }
            command(**given, **checked(settings, options, command.__name__))

        run.__doc__, run.__name__ = command.__doc__, command.__name__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return derive


def _is_flag(parameter: inspect.Parameter) -> bool:
    return get_args(parameter.annotation)[0] is bool


def _parameter(one: Setting) -> inspect.Parameter:
    """None, or False of a flag, says that it wasn't given."""
    is_flag = one.kind is bool
    kind = list[one.kind] if one.is_repeated else one.kind  # type: ignore[name-defined]
    annotation = Annotated[bool if is_flag else kind | None, setting_option(one)]  # type: ignore[valid-type]
    default = False if is_flag else None
    return inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _checked_by(one: Setting) -> Callable[[Any], Any]:
    """A callback that refuses a value out of the setting's bounds. Raises InputError."""

    def check(value: Any) -> Any:
        return value if value is None else one.require(value)

    return check
