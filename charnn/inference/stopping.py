"""Where a text ends: criteria that its characters pass one after another, as they are drawn."""

from collections.abc import Sequence
from typing import Literal, Protocol

from charnn.config import SampleConfig

Token = tuple[str, float]
"""A character that was drawn, and its log-probability: natural log, untempered, untruncated; NaN if not asked for."""
Reason = Literal["length", "lines", "stop", "end", "exhausted"]
"""`end`: a document's end was drawn; `exhausted`: the filters left nothing to draw."""

ENDLESS = -1


class StoppingCriterion(Protocol):
    """Lets a text's characters through until it ends; `reason` is then why."""

    reason: Reason | None

    def passed(self, tokens: Sequence[Token], *, last: bool) -> Sequence[Token]:
        """What of the text is certain now that `tokens` follow, and hasn't been let through before.

        With `last` nothing comes after them.
        """


class StopStrings:
    """The text ends before the first of `stops`; what may begin one is held back."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self.reason: Reason | None = None
        self._stops = stops
        self._held: list[Token] = []

    def passed(self, tokens: Sequence[Token], *, last: bool) -> Sequence[Token]:
        passed: list[Token] = []
        for token in tokens:
            passed += self._push(token)
            if self.reason:
                return passed
        return passed + self._release(len(self._held)) if last else passed

    def _push(self, token: Token) -> list[Token]:
        self._held.append(token)
        text = "".join(character for character, _ in self._held)
        if ended := [stop for stop in self._stops if text.endswith(stop)]:
            self.reason = "stop"
            return self._release(len(text) - max(map(len, ended)))
        free = 0
        while free < len(text) and not any(stop.startswith(text[free:]) for stop in self._stops):
            free += 1
        return self._release(free)

    def _release(self, count: int) -> list[Token]:
        released, self._held = self._held[:count], self._held[count:]
        return released


class MaxLines:
    """The text ends with the newline of its line number `lines`."""

    def __init__(self, lines: int) -> None:
        self._left = lines
        self.reason: Reason | None = None

    def passed(self, tokens: Sequence[Token], *, last: bool) -> Sequence[Token]:
        for place, (character, _) in enumerate(tokens, 1):
            self._left -= character == "\n"
            if not self._left:
                self.reason = "lines"
                return tokens[:place]
        return tokens


class Text:
    """One text while it is drawn. `reason` is why it ended, None while it goes on.

    Its length ends it, or one of the other criteria, which its tokens pass one after another.
    """

    def __init__(self, config: SampleConfig) -> None:
        self.reason: Reason | None = None if config.length else "length"
        self.end_log_prob: float | None = None  # of the document's end, where that was drawn
        self._left = config.length  # below 0 it never comes to 0
        self._tokens: list[Token] = []  # certain to belong to the text, and not taken yet
        self._criteria: list[StoppingCriterion] = []
        if config.stop:
            self._criteria.append(StopStrings(config.stop))
        if config.lines is not None:
            self._criteria.append(MaxLines(config.lines))

    def push(self, token: Token) -> None:
        """Take the token that was drawn next."""
        self._left -= 1
        if not self._left:
            self.reason = "length"
        if self._criteria:
            self._tokens += self._passed((token,))
        else:
            self._tokens.append(token)

    def end(self, reason: Reason, log_prob: float | None = None) -> None:
        """No token comes any more; `log_prob` is that of a document's end."""
        self.reason, self.end_log_prob = reason, log_prob
        self._tokens += self._passed(())

    def pop(self) -> list[Token]:
        """What has become certain to belong to the text since the last time."""
        tokens, self._tokens = self._tokens, []
        return tokens

    def _passed(self, tokens: Sequence[Token]) -> Sequence[Token]:
        for criterion in self._criteria:
            tokens = criterion.passed(tokens, last=self.reason is not None)
            self.reason = criterion.reason or self.reason
        return tokens
