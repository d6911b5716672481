"""The tour of docs/tour.md: its commands run one after another, as they stand."""

import re

import pytest
from doc_commands import commands_of, run_all

COMMANDS = commands_of("tour.md")
TEXT = "What light through yonder window breaks? To be, or not to be: that is the question. Be it so.\n"
LITTLE = ["--steps", "6", "--batch-size", "2", "--seq-length", "16", "--hidden", "8"]
QUICK = {("inspect", "gradients"): ["--windows", "2"], ("inspect", "memory"): ["--places", "3"]}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each command wrote, by the command; every one of them succeeds where the ones before it ran."""
    home = tmp_path_factory.mktemp("tour")
    (home / "corpus.txt").write_text(TEXT * 150)
    return run_all(home, COMMANDS, LITTLE, QUICK)


def test_ten_commands_each_of_the_family(outputs: dict[str, str]) -> None:
    assert len(outputs) == len(COMMANDS) == 10
    tour = "\n".join(outputs)
    for idea in (
        "--cell rnn --embedding 0 --layers 1",
        "--cell gru",
        "--cell lstm",
        "--layers 2",
        "sample",
        "score",
        "inspect gradients",
        "inspect memory",
        "--bidirectional",
        "fill",
        "info",
    ):
        assert idea in tour


def test_what_they_write_is_what_they_are_for(outputs: dict[str, str]) -> None:
    by_name = {re.split(r" (?:--|checkpoints)", command)[0]: text for command, text in outputs.items()}
    assert len(by_name["sample"]) == 1000
    assert len(by_name["score"].splitlines()) == 2
    assert len(by_name["inspect gradients"].splitlines()[0].split("\t")) == 4
    assert by_name["inspect memory"].startswith("1\t")
    assert by_name["fill"]
    assert "in each direction" in by_name["info"]
