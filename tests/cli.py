"""The charnn program as tests start it: in this process, in a child with pipes, or in a pseudo-terminal."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pexpect
import pytest

from charnn.cli.app import app

CHARNN = [sys.executable, "-m", "charnn"]
ROOT = Path(__file__).parent.parent
PATIENCE = 300.0  # seconds until a child counts as hung
_UNSET = ("NO_COLOR", "FORCE_COLOR", "CHARNN_MODEL", "LC_ALL", "PYTHONUTF8", "PYTHONIOENCODING")


def environment(**changes: str) -> dict[str, str]:
    """A child's environment: one thread, a capable terminal, nothing of the tester's own wishes."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TERM": "xterm-256color", **changes}


def unmeasured(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """That environment for a child whose files have a limit, which those of coverage would exceed."""
    return {name: value for name, value in environ.items() if not name.startswith("COVERAGE_")}


def piped(*arguments: str | bytes, **options) -> subprocess.CompletedProcess[bytes]:
    """Run a child with pipes for its output; `env` is added to its environment."""
    env = environment(**options.pop("env", {}))
    return subprocess.run([*CHARNN, *arguments], env=env, capture_output=True, timeout=PATIENCE, **options)


def shell(script: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a bash script in which $CHARNN is the program; its status is the program's, not the pipe's end's."""
    env = environment(CHARNN=" ".join(CHARNN), **env)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], env=env, capture_output=True, timeout=PATIENCE, check=False
    )


def in_terminal(
    *arguments: str, columns: int = 100, stderr_too: bool = False, **env: str
) -> tuple[bytes, int]:
    """What a child writes to a pseudo-terminal, newlines as the program wrote them, and its exit code."""
    script = '"$@"' if stderr_too else '"$@" 2>/dev/null'
    child = pexpect.spawn(
        "bash",
        ["-c", script, "charnn", *CHARNN, *arguments],
        env=environment(**env),
        dimensions=(24, columns),
        timeout=PATIENCE,
    )
    written = child.read()
    child.close()
    return written.replace(b"\r\n", b"\n"), child.exitstatus


def in_process(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """Run a command in this process: its stdout and stderr. Errors come out as they are raised."""
    capsys.readouterr()
    app([*arguments], standalone_mode=False)
    return capsys.readouterr()
