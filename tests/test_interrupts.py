"""Signals that end the program, wherever they come, and what shells see of it."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest
from cli import CHARNN, environment, shell
from helpers import random_model, written

from charnn.config import ModelConfig

SCRIPT = "import sys; from charnn.__main__ import main; sys.exit(main())"  # as pip writes it
START = """
import os, signal, sys
from charnn.cli import interrupts
interrupts.GRACE = 0.1
def send(name): os.kill(os.getpid(), getattr(signal, name))
with interrupts.current.caught():
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupts")
    return written(folder, random_model(ModelConfig(vocab_size=70, hidden=8)))


def ran(body: str) -> subprocess.CompletedProcess[str]:
    """A process with the handlers in place, and what it does then."""
    script = START + "".join(f"    {line}\n" for line in body.splitlines())
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU"])
def test_it_cleans_up_and_dies_of_the_signal(name: str) -> None:
    ended = ran(f"try:\n    send('{name}')\nfinally:\n    print('cleaned up', flush=True)")
    assert ended.returncode == -getattr(signal, name)
    assert (ended.stdout, ended.stderr) == ("cleaned up\n", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(
    "swallowed",
    [
        "except BaseException: pass",
        "except BaseException: raise ImportError('as the C code of a library says it') from None",
    ],
)
def test_a_signal_that_an_import_swallows_or_disguises_still_ends_it(name: str, swallowed: str) -> None:
    ended = ran(f"try: send('{name}')\n{swallowed}\nwhile True: signal.pause()")
    assert (ended.returncode, ended.stderr) == (-getattr(signal, name), "")


def test_a_signal_in_a_destructor_is_raised_again_quietly() -> None:
    body = (
        "class Dying:\n    def __del__(self): send('SIGINT')\n"
        "try:\n    Dying()\n    signal.pause()\nfinally: print('cleaned up', flush=True)"
    )
    ended = ran(body)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "cleaned up\n", "")


def test_cleaning_up_that_hangs_is_ended() -> None:
    ended = ran("try:\n    send('SIGTERM')\nfinally:\n    while True: signal.pause()")
    assert (ended.returncode, ended.stderr) == (-signal.SIGTERM, "")


def test_ctrl_c_again_ends_the_cleaning_up() -> None:
    ended = ran(
        "interrupts.GRACE = 60\ntry:\n    send('SIGINT')\nfinally:\n    send('SIGINT')\n    signal.pause()"
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


def test_a_signal_that_is_held_is_there_to_ask_for_and_ends_it_at_the_end() -> None:
    body = "interrupts.current.hold()\nsend('SIGTERM')\nprint(interrupts.current.pending(), flush=True)"
    ended = ran(body)
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, f"{signal.SIGTERM.value}\n")


def test_a_failure_to_save_what_a_signal_asked_for_is_a_failure() -> None:
    ended = ran("interrupts.current.hold()\nsend('SIGTERM')\nraise SystemExit(1)")
    assert ended.returncode == 1


def test_an_end_of_its_own_is_no_signal() -> None:
    assert ran("raise SystemExit(0)").returncode == 0
    assert ran("raise SystemExit(2)").returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "module", ["charnn.cli", "typer.core", "charnn.cli.terminal", "numpy.exceptions", "numpy"]
)
def test_a_signal_in_the_first_imports_leaves_no_traceback(model: Path, module: str, number: int) -> None:
    """Python says when it has imported a module; the next import is under way then."""
    command = [sys.executable, "-X", "importtime", *CHARNN[1:], "sample", "-m", str(model), "-l", "-1"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert any(line.split("|")[-1].strip() == module for line in child.stderr)
        child.send_signal(number)
        rest = [line for line in child.stderr if not line.startswith(("import time:", "model: ", "seed: "))]
    assert (child.returncode, rest) == (-number, [])


@pytest.mark.parametrize("command", [CHARNN, [sys.executable, "-c", SCRIPT]], ids=["module", "script"])
def test_a_signal_at_any_moment_of_the_start_leaves_no_traceback_of_ours(
    model: Path, command: list[str]
) -> None:
    """Only Python's own start, before it comes to us, is not in our hands: it ends as any Python program does."""
    kinds = []
    for moment in range(15):
        started = [*command, "sample", "-m", str(model), "-l", "-1"]
        with subprocess.Popen(
            started, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as child:
            assert child.stderr is not None
            time.sleep(moment / 50)
            child.send_signal(signal.SIGINT)
            said = child.stderr.read()
        frames = re.findall(r'File "(.*?)"', said)
        ours = [f for f in frames if Path(f).parent.name == "cli" or f.endswith("charnn/__main__.py")]
        assert not ours, said
        assert child.returncode in ((-signal.SIGINT, 1) if frames else (-signal.SIGINT,)), said
        kinds.append(bool(frames))
    assert not all(kinds)


def test_ctrl_c_stops_a_shells_loop(model: Path) -> None:
    loop = f"for i in 1 2 3; do echo begins $i; {' '.join(CHARNN)} sample -m {model} -l -1 >/dev/null; done"
    child = pexpect.spawn("bash", ["-c", loop], env=environment(), timeout=300, encoding="utf-8")
    child.expect("seed: ")
    child.sendintr()
    rest = child.read()
    child.close()
    assert "begins" not in rest
    assert child.signalstatus == signal.SIGINT


@pytest.mark.parametrize(("name", "code"), [("INT", 130), ("TERM", 143), ("HUP", 129)])
def test_a_shell_sees_the_code_of_the_signal(model: Path, name: str, code: int) -> None:
    ended = shell(
        f"trap - INT; coproc $CHARNN sample -m {model} -l -1; read -n 5 <&${{COPROC[0]}}; kill -{name} $COPROC_PID; "
        "wait $COPROC_PID; echo $?"
    )
    assert ended.stdout.decode() == f"{code}\n"


def test_what_nohup_ignores_stays_ignored(model: Path) -> None:
    script = f"trap '' HUP INT; exec {' '.join(CHARNN)} sample -m {model} -l -1"
    with subprocess.Popen(
        ["bash", "-c", script], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        for number in (signal.SIGHUP, signal.SIGINT):
            assert child.stdout.read(1000)
            child.send_signal(number)
        assert len(child.stdout.read(70_000)) == 70_000  # more than a pipe holds: it goes on
        child.send_signal(signal.SIGTERM)
        child.stdout.read()
    assert child.returncode == -signal.SIGTERM
