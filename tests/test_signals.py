import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

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


def events(run: RunFolder) -> list[str]:
    return [json.loads(line)["event"] for line in run.metrics.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_says_how_to_go_on_and_ends(home: Path, number: int, code: int) -> None:
    child, run = begun(home, *ENDLESS)
    child.send(number)
    ended = child.wait()
    assert ended.code == code
    assert ended.stdout == ""
    *_, saved, last = ended.stderr.splitlines()
    assert "  saved my run/resume/" in saved
    assert last == "charnn: interrupted; to go on: charnn train --resume --out 'my run'"
    assert events(run)[-1] == "save"
    assert list(complaints(run)) == []


def test_the_command_that_it_says_goes_on_to_the_end(home: Path) -> None:
    child, run = begun(home, "--steps", "600", "--save-every", "100")
    child.send(signal.SIGINT)
    ended = child.wait()
    assert ended.code == 130
    _, *command = shlex.split(ended.stderr.splitlines()[-1].partition("to go on: ")[2])
    ended = processes.run(home, *command)
    assert ended.code == 0
    assert "going on from step" in ended.stderr
    kinds = events(run)
    assert kinds[-1] == "finish" and kinds.count("finish") == kinds.count("start") == 1
    assert "resume" in kinds


@pytest.mark.parametrize("pause", [0.0, 0.002, 0.01])
def test_a_second_signal_leaves_at_once_with_nothing_torn(home: Path, pause: float) -> None:
    child, run = begun(home, *ENDLESS)
    child.send(signal.SIGINT)
    time.sleep(pause)
    child.send(signal.SIGINT)
    ended = child.wait()
    assert ended.code == 130
    assert "Traceback" not in ended.stderr
    assert list(complaints(run)) == []


def test_a_signal_in_an_evaluation_abandons_it(home: Path) -> None:
    """An evaluation of 300,000 characters takes a second or so; the signal comes in the first."""
    processes.write_corpus(home, "val.txt", 300_000)
    run = RunFolder(home / "run")
    options = ("--steps", "20", "--val", "val.txt", "--hidden", "400", "--out", "run")
    child = processes.start(home, "train", "corpus.txt", *processes.TINY, *options)
    until(lambda: run.metrics.exists() and '"train"' in run.metrics.read_text(encoding="utf-8"))
    time.sleep(0.3)
    child.send(signal.SIGTERM)
    ended = child.wait()
    assert ended.code == 143
    assert events(run)[-1] == "save" and "eval" not in events(run)


def test_a_signal_before_there_is_anything_to_save_leaves_at_once(home: Path) -> None:
    """A whole interpreter waits for the end of a corpus that is piped in."""
    command = [sys.executable, "-m", "charnn", "train", "-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=home, env=processes.environment(home), stdin=pipe, stderr=pipe, encoding="utf-8"
    ) as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write("half a corpus")
        process.stdin.flush()
        until(lambda: any((home / "cache").rglob(".tmp-*")))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == ""
    assert not (home / "checkpoints").exists()
    assert not [p for p in (home / "cache").rglob("*") if p.is_file() or p.name.startswith(".tmp-")]
