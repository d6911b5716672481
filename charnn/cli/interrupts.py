"""Ctrl-C and SIGTERM during training: the first asks the run to save and end, a second Ctrl-C leaves at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Remembers the first signal; `pending` is what the training loop polls."""

    def __init__(self) -> None:
        self._number: int | None = None

    def pending(self) -> int | None:
        """The number of the signal that came, or None."""
        return self._number

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Handle the signals inside the block, as before after it."""
        before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._number is not None:
            raise KeyboardInterrupt
        self._number = number
