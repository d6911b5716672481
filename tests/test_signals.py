import fcntl
import json
import shlex
import signal
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from torture import processes
from torture.kills import complaints

from charnn.storage.run_folder import RunFolder

ENDLESS = ("--steps", "100000000", "--save-every", "30")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    processes.write_corpus(tmp_path)
    return tmp_path


def begun(home: Path, *options: str) -> tuple[processes.Child, RunFolder]:
    """A run that has saved its first state."""
    run = RunFolder(home / "my run")
    arguments = ("corpus.txt", "--out", "my run", *processes.TINY, *options)
    child = processes.start(home, "train", *arguments)
    until(lambda: run.metrics.exists() and '"save"' in run.metrics.read_text(encoding="utf-8"))
    return child, run


def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def unread(pipe: IO[str]) -> int:
    """Bytes that were written to a pipe and that nobody has read yet."""
    count = array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def saves(run: RunFolder) -> int:
    return run.metrics.read_text(encoding="utf-8").count('"save"') if run.metrics.exists() else 0


def events(run: RunFolder) -> list[str]:
    return [json.loads(line)["event"] for line in run.metrics.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU])
def test_a_signal_saves_says_how_to_go_on_and_is_what_the_run_dies_of(home: Path, number: int) -> None:
    child, run = begun(home, *ENDLESS)
    child.send(number)
    ended = child.wait()
    assert ended.code == -number
    assert ended.stdout == ""
    *_, saved, last = ended.stderr.splitlines()
    assert "  saved my run/resume/" in saved
    assert last == "charnn: interrupted; to go on: charnn train --resume --out 'my run'"
    assert events(run)[-1] == "save"
    assert list(complaints(run)) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU])
def test_a_signal_that_is_sent_twice_is_one(home: Path, number: int) -> None:
    """`timeout` signals its child and its group; a shell, its jobs after the terminal did."""
    child, run = begun(home, *ENDLESS)
    for _ in range(5):
        child.send(number)
    assert child.wait().code == -number
    assert events(run)[-1] == "save"


@pytest.mark.parametrize("ignored", [signal.SIGINT, signal.SIGHUP])
def test_what_was_ignored_stays_ignored(home: Path, ignored: int) -> None:
    run = RunFolder(home / "run")
    arguments = ("train", "corpus.txt", "--out", "run", *processes.TINY, *ENDLESS)
    child = processes.fork(home, _ignoring, ignored, arguments)
    until(lambda: saves(run) >= 1)
    child.send(ignored)
    before = saves(run)
    until(lambda: saves(run) >= before + 2)
    child.send(signal.SIGTERM)
    assert child.wait().code == -signal.SIGTERM
    assert "resume" not in events(run)


def _ignoring(number: int, arguments: tuple[str, ...]) -> None:
    signal.signal(number, signal.SIG_IGN)
    processes._charnn(arguments, "")


def test_the_command_that_it_says_goes_on_to_the_end(home: Path) -> None:
    child, run = begun(home, "--steps", "600", "--save-every", "100")
    child.send(signal.SIGINT)
    ended = child.wait()
    assert ended.code == -signal.SIGINT
    _, *command = shlex.split(ended.stderr.splitlines()[-1].partition("to go on: ")[2])
    ended = processes.run(home, *command)
    assert ended.code == 0
    assert "going on from step" in ended.stderr
    kinds = events(run)
    assert kinds[-1] == "finish" and kinds.count("finish") == kinds.count("start") == 1
    assert "resume" in kinds


@pytest.mark.parametrize("moment", ["at once", "in the save"])
def test_a_second_ctrl_c_leaves_at_once_with_nothing_torn(home: Path, moment: str) -> None:
    child, run = begun(home, *ENDLESS)
    child.send(signal.SIGINT)
    if moment == "in the save":
        until(lambda: any(run.resume.glob(".tmp-*")) or child.process.exitcode is not None)
    child.send(signal.SIGINT)
    ended = child.wait()
    assert ended.code == -signal.SIGINT
    assert "Traceback" not in ended.stderr
    assert list(complaints(run)) == []


def test_a_signal_in_an_evaluation_abandons_it(home: Path) -> None:
    """An evaluation of a million characters takes seconds; it begins when the last step has been told."""
    processes.write_corpus(home, "val.txt", 1_000_000)
    run = RunFolder(home / "run")
    options = ("--steps", "20", "--val", "val.txt", "--hidden", "400", "--out", "run")
    child = processes.start(home, "train", "corpus.txt", *processes.TINY, *options)
    until(lambda: run.metrics.exists() and '"train", "step": 20' in run.metrics.read_text(encoding="utf-8"))
    child.send(signal.SIGTERM)
    ended = child.wait()
    assert ended.code == -signal.SIGTERM
    assert events(run)[-1] == "save" and "eval" not in events(run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_there_is_anything_to_save_leaves_at_once(home: Path, number: int) -> None:
    """A whole interpreter waits for the end of a corpus that is piped in."""
    command = [sys.executable, "-m", "charnn", "train", "-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=home, env=processes.environment(home), stdin=pipe, stderr=pipe, encoding="utf-8"
    ) as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write("half a corpus")
        process.stdin.flush()
        try:
            until(lambda: unread(process.stdin) == 0)
            process.send_signal(number)
            assert process.wait(30) == -number
        finally:
            process.kill()
        assert process.stderr.read() == ""
    assert not (home / "checkpoints").exists()
    assert not [p for p in (home / "cache").rglob("*") if p.is_file() or p.name.startswith(".tmp-")]
