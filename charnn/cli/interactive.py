"""`charnn sample -i`: beginnings typed at a prompt, each continued; Tab offers the likeliest next characters."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from charnn.cli.interrupts import current as interrupts
from charnn.cli.sample_view import print_texts
from charnn.cli.terminal import escape_line, note
from charnn.errors import UnknownCharacterError

if TYPE_CHECKING:
    from charnn.cli.sample_request import Request
    from charnn.inference.model import Model

OFFERED = 10  # characters
_PROMPT = "> "
_NAMES = {"\n": "↵", " ": "␣"}


class NextCharacters(Completer):
    """Offers the characters that the model finds likeliest after the text before the cursor."""

    def __init__(self, model: "Model") -> None:
        self._model = model

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """The likeliest first, each with its probability; none after a character that the model never saw."""
        try:
            offered = self._model.next(document.text_before_cursor).top(OFFERED)
        except UnknownCharacterError:
            return
        for character, probability in offered:
            if character in self._model.vocabulary:
                shown = _NAMES.get(character, escape_line(character))
                yield Completion(character, display=shown, display_meta=f"{probability:.1%}")


def converse(request: "Request", *, echo: bool, color: bool) -> None:
    """Continue each beginning that is typed, until Ctrl-D; the first one offered is the request's prompt.

    Ctrl-C ends a continuation; at the prompt it is a KeyboardInterrupt. Each turn's seed is one more than the last.
    """
    context: PromptSession[str] = PromptSession(
        _PROMPT, completer=NextCharacters(request.model), complete_while_typing=False
    )
    for seed in count(request.seed):
        try:
            beginning = context.prompt(default=request.prompts[0] if seed == request.seed else "")
        except EOFError:
            return
        _continue(replace(request, prompts=(beginning,), seed=seed), echo=echo, color=color)


def _continue(request: "Request", *, echo: bool, color: bool) -> None:
    try:
        print_texts(request, echo=echo, color=color)
    except KeyboardInterrupt:
        interrupts.forget()
        print()
    except UnknownCharacterError as error:
        note(str(error))
