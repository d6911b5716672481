"""How often something happens that doesn't shape the run: every so many steps or seconds."""

from dataclasses import dataclass, field

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass
class Interval:
    """Every `steps` steps or every `seconds` seconds, from where it was restarted; never when both are None."""

    steps: int | None = None
    seconds: float | None = None
    _last_step: int = field(default=0, init=False)
    _last_seconds: float = field(default=0.0, init=False)

    @staticmethod
    def parse(text: str) -> "Interval":
        """`10m`, `30s`, `2h`, `500` (steps), `0` (never): what has the form of `charnn.config.INTERVAL`."""
        text = text.strip()
        if text[-1] in _UNITS:
            return Interval(seconds=float(text[:-1]) * _UNITS[text[-1]] or None)
        return Interval(steps=int(text) or None)

    def is_due(self, step: int, seconds: float) -> bool:
        """At `step`, and `seconds` on any clock that runs on."""
        if self.steps is not None:
            return step - self._last_step >= self.steps
        return self.seconds is not None and seconds - self._last_seconds >= self.seconds

    def restart(self, step: int, seconds: float) -> None:
        self._last_step, self._last_seconds = step, seconds
