"""Shell completion, in a real bash: the script that charnn prints, sourced and asked as Tab asks it."""

import subprocess
from pathlib import Path

import pexpect
import pytest
from cli import CHARNN, environment

ASK = """
source <(charnn --show-completion bash)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_charnn_completion charnn
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def bash_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With `charnn` on the PATH; NumPy and torch are there, but end whoever imports them."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "charnn"
    program.write_text(f'#!/bin/sh\nexec {CHARNN[0]} -m charnn "$@"\n')
    program.chmod(0o755)
    for heavy in ("torch", "numpy"):
        (folder / f"{heavy}.py").write_text(f"raise SystemExit('{heavy} was imported')\n")
    env = environment()
    return {**env, "PATH": f"{folder}:{env['PATH']}", "PYTHONPATH": f"{folder}:{env['PYTHONPATH']}"}


def completed(env: dict[str, str], *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    asked = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", *words], env=env, capture_output=True, text=True, timeout=300
    )
    assert asked.stderr == ""
    return set(asked.stdout.split())


def test_commands(bash_environment):
    assert {"train", "sample", "score", "cache"} <= completed(bash_environment, "charnn", "")
    assert completed(bash_environment, "charnn", "sa") == {"sample"}


def test_options(bash_environment):
    offered = completed(bash_environment, "charnn", "sample", "--t")
    assert {"--temp", "--temperature", "--top-k", "--top-p"} <= offered
    assert all(option.startswith("--t") for option in offered)
    assert {"--minutes", "--resume", "--cell"} <= completed(
        bash_environment, "charnn", "train", "a.txt", "--"
    )


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("score", "--unknown", {"error", "skip", "replace"}),
        ("train", "--cell", {"lstm", "gru", "rnn"}),
        ("train", "--errors", {"strict", "replace"}),
    ],
)
def test_values(bash_environment, command, option, values):
    assert completed(bash_environment, "charnn", command, option, "") == values


def test_file_names_are_left_to_bash(bash_environment):
    assert completed(bash_environment, "charnn", "train", "") == set()


def test_tab(bash_environment, tmp_path: Path):
    bash = pexpect.spawn(
        "bash", ["--norc", "-i"], env={**bash_environment, "PS1": "$ "}, cwd=tmp_path, timeout=300
    )
    bash.sendline("source <(charnn --show-completion bash); echo rea''dy")
    bash.expect_exact("ready\r\n")
    bash.send("charnn sam\t")
    bash.expect_exact("charnn sample ")
    bash.send("--inter\t")
    bash.expect_exact("--interactive ")
    bash.close(force=True)
