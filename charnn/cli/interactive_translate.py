"""`charnn translate -i`: sources typed at a prompt, each answered."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from charnn.cli.terminal import note
from charnn.cli.translate_view import TranslationOutput, show
from charnn.errors import InputError
from charnn.inference.translator import Translator

_PROMPT = "> "


def converse(translator: Translator, options: Mapping[str, Any], output: TranslationOutput) -> None:
    """Answer each source that is typed, with its features after a tab, until Ctrl-D.

    Of draws each turn's seed is one more than the last.
    """
    session: PromptSession[str] = PromptSession(_PROMPT, key_bindings=_tab())
    for index in count():
        try:
            line = session.prompt()
        except EOFError:
            return
        source, _, features = line.partition("\t")
        given = {**options, "features": features or options["features"]}
        if "seed" in options:
            given["seed"] = options["seed"] + index
        try:
            show(index, translator.translate(source, **given), output)
        except InputError as error:
            note(str(error))


def _tab() -> KeyBindings:
    """Tab is a tab: there is nothing to complete, and features stand after one."""
    bindings = KeyBindings()

    @bindings.add("tab")
    def insert(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\t")

    return bindings
