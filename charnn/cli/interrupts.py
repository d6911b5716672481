"""Signals that end the program. It cleans up and then dies of the signal itself, so that shells and schedulers see it.

Training holds the first one until its state is saved; a second one, and any in other commands, ends it at once. What
was ignored when the program was started (`nohup`, `trap '' INT`) stays ignored.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from charnn.errors import CharnnError, InterruptedRunError

GRACE = 3.0  # seconds to clean up in
_ECHO = 1.0  # seconds in which the same signal is taken for the same wish
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_ALARM = getattr(signal, "SIGALRM", None)  # Windows has none


class Interrupts:
    """The signal that came, if one did. `pending` is what the training loop polls."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._came = 0.0
        self._is_held = False
        self._has_echoes = False
        self._is_leaving = False
        self._was_swallowed = False

    def pending(self) -> int | None:
        """The number of the signal that came, or None."""
        return self._number

    def hold(self, *, echoes: bool = False) -> None:
        """From now on the first signal waits for whoever asks `pending`; before, each is a KeyboardInterrupt.

        With `echoes` SIGINT may come twice too: from the terminal, and from what started several processes.
        """
        self._is_held, self._has_echoes = True, echoes

    def forget(self) -> None:
        """The program goes on after all: a KeyboardInterrupt ended a part of it."""
        if self._is_leaving:
            self._set_alarm(0.0)
        self._number, self._is_leaving = None, False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Handle the signals inside the block; once one came, its end is the program's, whatever it ends with.

        But an error that has nothing to do with the signal, as of a save that failed, is raised.
        """
        numbers = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._handle) for number in numbers}
        hook, sys.unraisablehook = sys.unraisablehook, self._look_at_unraisable
        try:
            yield
        except BaseException as error:
            if self._number is not None and (self._is_leaving or not _is_failure(error)):
                die_of(self._number)
            raise
        else:
            if self._number is not None:
                die_of(self._number)
        finally:
            sys.unraisablehook = hook
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._number is not None and self._is_echo(number):
            return
        is_first, self._number, self._came = self._number is None, number, time.monotonic()
        if is_first and self._is_held:
            return
        if self._is_leaving:
            die_of(number)
        self._is_leaving = True
        self._set_alarm(GRACE)
        raise KeyboardInterrupt

    def _is_echo(self, number: int) -> bool:
        """Whether it is the same wish: `timeout` and closed terminals signal twice, a CPU time limit each second."""
        if number == signal.SIGINT and not self._has_echoes:
            return False
        return number not in (signal.SIGTERM, signal.SIGINT) or time.monotonic() - self._came < _ECHO

    def _set_alarm(self, seconds: float) -> None:
        if _ALARM is not None:
            signal.signal(_ALARM, self._handle_alarm)
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def _handle_alarm(self, _number: int, _frame: FrameType | None) -> None:
        assert self._number is not None
        if not self._was_swallowed:
            die_of(self._number)
        self._was_swallowed = False
        self._set_alarm(GRACE)
        raise KeyboardInterrupt

    def _look_at_unraisable(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """A signal that comes in a destructor, as imports have them, is raised again a moment later."""
        if self._is_leaving and isinstance(unraisable.exc_value, KeyboardInterrupt):
            self._was_swallowed = True
            self._set_alarm(0.01)
        else:
            sys.__unraisablehook__(unraisable)


current = Interrupts()  # a process has one set of handlers


def _is_failure(error: BaseException) -> bool:
    """Whether it is an error to be told, not the end that the signal asked for."""
    if isinstance(error, SystemExit):
        return error.code not in (None, 0)
    return isinstance(error, CharnnError) and not isinstance(error, InterruptedRunError)


def die_of(number: int) -> NoReturn:
    """End this process at once as if the signal had not been handled; nothing is flushed."""
    if os.name == "posix":
        _leave_no_core()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(128 + number)  # as process 1 of a container, which its signals spare


def _leave_no_core() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
