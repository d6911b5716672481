"""How often something happens that doesn't shape the run: every so many steps or seconds."""

import re
import time
from dataclasses import dataclass, field

from charnn.errors import InputError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass
class Interval:
    """Every `steps` steps or every `seconds` seconds; never when both are None."""

    steps: int | None = None
    seconds: float | None = None
    _last_step: int = field(default=0, init=False)
    _last_time: float = field(default_factory=time.monotonic, init=False)

    @staticmethod
    def parse(text: str, option: str) -> "Interval":
        """`10m`, `30s`, `2h`, `500` (steps), `0` (never). Raises InputError naming `option`."""
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smh])|(\d{1,18})", text.strip())
        if not match:
            raise InputError(f"{option} {text!r}: give a time (30s, 10m, 2h) or a number of steps (500)")
        amount, unit, steps = match.groups()
        if steps is not None:
            return Interval(steps=int(steps) or None)
        return Interval(seconds=float(amount) * _UNITS[unit] or None)

    def is_due(self, step: int) -> bool:
        if self.steps is not None:
            return step - self._last_step >= self.steps
        return self.seconds is not None and time.monotonic() - self._last_time >= self.seconds

    def restart(self, step: int) -> None:
        self._last_step, self._last_time = step, time.monotonic()
