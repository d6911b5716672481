"""The long campaign: `python -m tests.torture`. Exits with 1 when anything wasn't as promised."""

import os
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from .campaign import (
    Report,
    cuts_report,
    faults_report,
    hostile_report,
    kills_report,
    memory_report,
    strikes_report,
)
from .strikes import can_strike


def main() -> None:
    """Run what was asked for and print a table of it."""
    parser = ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs at random moments of a run")
    parser.add_argument(
        "--every", type=int, default=1, help="try every so-many-th strike, cut, fault, limit, folder"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--only", action="append", metavar="CAMPAIGN", help="strikes, kills, cuts, …")
    given = parser.parse_args()
    if not can_strike():
        parser.error("strace isn't installed, or may not trace here")
    with tempfile.TemporaryDirectory(prefix="charnn-torture-") as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        campaigns: dict[str, Callable[[], Report]] = {
            "strikes": lambda: strikes_report(folder / "strikes", given.every),
            "kills": lambda: kills_report(folder / "kills", given.kills, given.seed),
            "cuts": lambda: cuts_report(folder / "cuts", given.every),
            "hostile": lambda: hostile_report(folder / "hostile", given.every),
            "memory": lambda: memory_report(folder / "memory", 256 * given.every),
            "faults": lambda: faults_report(folder / "faults", given.every),
        }
        reports = [_timed(make) for name, make in campaigns.items() if not given.only or name in given.only]
    sys.exit(any(report.odd for report in reports))


def _timed(make: Callable[[], Report]) -> Report:
    start = time.monotonic()
    report = make()
    for what, count in report.counts:
        print(f"{what:<60}{count:>8,}")
    for line in report.odd:
        print(f"  NOT AS PROMISED: {line}")
    print(f"{'  seconds':<60}{time.monotonic() - start:>8,.0f}", flush=True)
    return report


if __name__ == "__main__":
    main()
