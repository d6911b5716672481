"""Real charnn processes: one thread each, a cache of their own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TINY = (
    *("--cell", "lstm", "--layers", "1", "--hidden", "8", "--embedding", "0"),
    *("--batch-size", "2", "--seq-length", "16", "--threads", "1", "--device", "cpu"),
)
CHARNN = (sys.executable, "-m", "charnn")
CHECKOUT = Path(__file__).parent.parent


def environment(folder: Path) -> dict[str, str]:
    """Of a child: one thread, a cache in `folder`, no colours forced or forbidden."""
    kept = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "NO_COLOR", "CHARNN_MODEL")}
    ours = {"PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    return {**kept, **ours}


def run(
    folder: Path, *arguments: str, command: Sequence[str] = CHARNN, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run charnn in `folder` to its end."""
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [*command, *arguments],
        **{
            "cwd": folder,
            "env": environment(folder),
            "capture_output": True,
            "encoding": "utf-8",
            "timeout": 120,
            "stdin": subprocess.DEVNULL,
            **options,
        },
    )


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start charnn in `folder`, its stderr in a pipe."""
    return subprocess.Popen(
        [*CHARNN, *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def write_corpus(folder: Path, name: str = "corpus.txt", characters: int = 4000) -> Path:
    """A small text with some structure."""
    line = "the quick brown fox jumps over the lazy dog; "
    path = folder / name
    path.write_text((line * (characters // len(line) + 1))[:characters], encoding="utf-8")
    return path
