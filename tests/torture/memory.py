"""Memory that runs out at every size: a command's address space is limited to what it has and less and less more.

The libraries are loaded before, so that it is charnn's own loaders whose allocations fail.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from . import processes

_OPTIONS = ("--save-every", "2", "--sample-every", "0", "--seed", "1", *processes.TINY)
COMMANDS = (
    ("sample", "-m", "run", "-l", "5", "--seed", "1"),
    ("score", "-m", "run", "-f", "corpus.txt", "--whole"),
    ("fill", "-m", "run", "a_b"),
    ("info", "run"),
    ("train", "corpus.txt", "--out", "run", "--steps", "4", *_OPTIONS, "--overwrite"),
    ("train", "--resume", "--out", "run", "--steps", "8"),
)
MOST = 48 << 10  # kilobytes that a command gets at first; the smallest models need less


def starved(folder: Path, step: int = 256) -> tuple[int, int, list[str]]:
    """Lower the limit by `step` KB a time: how often it was tried, how often refused, and what wasn't as promised."""
    folder.mkdir(parents=True)
    processes.write_corpus(folder)
    if (
        ended := processes.run(folder, "train", "corpus.txt", "--out", "run", "--steps", "4", *_OPTIONS)
    ).code:
        raise RuntimeError(ended.stderr)
    tried, refused, odd = 0, 0, []
    for command in COMMANDS:
        for spare in range(MOST, -1, -step):
            ended = processes.fork(folder, _limited, command, spare).wait()
            tried += 1
            refused += bool(ended.code)
            odd += [f"{' '.join(command)} with {spare} KB: {complaint}" for complaint in _complaints(ended)]
    return tried, refused, odd


def _limited(arguments: tuple[str, ...], spare: int) -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + (spare << 10)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    processes._charnn(arguments, "")


def _complaints(ended: processes.Ended) -> Iterator[str]:
    told = [line for line in ended.stderr.splitlines() if line.startswith("charnn: ")]
    if ended.code not in (0, 1, 2) or "Traceback" in ended.stderr:
        yield f"it ended with {ended.code}: {ended.stderr[-500:]}"
    elif ended.code and len(told) != 1:
        yield f"it said {ended.stderr[-300:]!r}"
