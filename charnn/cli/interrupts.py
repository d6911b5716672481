"""Ctrl-C and SIGTERM during training: the first asks the run to save and end, a second one leaves at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Remembers the first signal once there is something to save; `pending` is what the training loop polls."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._are_held = False

    def pending(self) -> int | None:
        """The number of the signal that came, or None."""
        return self._number

    def hold(self) -> None:
        """From now on the first signal waits for whoever asks `pending`; before, each leaves at once."""
        self._are_held = True

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Handle the signals inside the block, as before after it; once one came the program is ending already."""
        before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if self._number is None else signal.SIG_IGN)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._number is not None or not self._are_held:
            raise SystemExit(128 + number)
        self._number = number
