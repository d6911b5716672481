"""When this process began, on time.monotonic's scale: a budget in minutes counts from there."""

import os
import time
from contextlib import suppress
from pathlib import Path

_IMPORTED = time.monotonic()


def process_started() -> float:
    """The start of the process where the system tells it (Linux), else the moment charnn was imported."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        since_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot
        return min(time.monotonic() - age, _IMPORTED)
    return _IMPORTED


def clock_time(seconds: float) -> str:
    """A time as people read it: `9:05`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
