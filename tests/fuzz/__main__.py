"""The long campaign: `python -m tests.fuzz`. Exits with 1 when anything but our errors came out; keeps what did it."""

import multiprocessing
import os
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from .campaign import Outcome, Target, memory_folder
from .targets import TARGETS
from .worker import prepare, try_block

BLOCK = 250  # cases a process is given at a time


def main() -> None:
    """Try what was asked for, and print a table of it."""
    given = _arguments()
    print(f"{'target':<10}{'inputs':>10}{'accepted':>10}{'seconds':>9}{'surprises':>11}", flush=True)
    surprises = 0
    for name in given.target or TARGETS:
        start = time.monotonic()
        outcome = _tried(TARGETS[name], given)
        seconds = time.monotonic() - start
        found = len(outcome.surprises)
        print(
            f"{name:<10}{outcome.tried:>10,}{outcome.accepted:>10,}{seconds:>9,.0f}{found:>11,}", flush=True
        )
        for line in outcome.surprises[:20]:
            print(f"  NOT AS PROMISED: {line!a}", flush=True)
        surprises += found
    sys.exit(surprises > 0)


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="default: all of them")
    parser.add_argument("--inputs", type=int, default=100_000, help="how many each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs (default: %(default)s)")
    parser.add_argument("--case", type=int, help="try this one alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one a core")
    return parser.parse_args()


def _tried(target: Target, given: Namespace) -> Outcome:
    cases = range(given.inputs) if given.case is None else range(given.case, given.case + 1)
    blocks = [range(cases.stop)[start : start + BLOCK] for start in cases[::BLOCK]]
    total = Outcome()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="charnn-fuzz-", dir=memory_folder()) as name:
        work = partial(try_block, target.name, given.seed, Path(name))
        with context.Pool(min(given.processes, len(blocks)), prepare) as pool:
            for outcome in pool.imap_unordered(work, blocks):
                total.add(outcome)
    return total


if __name__ == "__main__":
    main()
