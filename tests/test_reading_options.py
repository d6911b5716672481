"""--encoding, --errors and --newlines of the commands that read files."""

import gzip
import json
from functools import partial
from pathlib import Path

import pytest
from cli import in_process, piped
from helpers import random_model, written
from torture import processes

from charnn.config import ModelConfig

CHARACTERS = "\n abcdefghijklmnopqrstuvwxyzé_\r"


@pytest.fixture
def model(tmp_path: Path) -> str:
    config = ModelConfig(vocab_size=len(CHARACTERS), hidden=4)
    return str(written(tmp_path, random_model(config, characters=CHARACTERS)))


def scored(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    out, _ = in_process(capsys, "score", *arguments, "--json")
    return [json.loads(line)["text"] for line in out.splitlines()]


def test_a_file_in_another_encoding_is_scored(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress("un café\nou deux\n".encode("latin-1")))
    name = str(tmp_path / "x.txt.gz")
    assert scored(capsys, "-m", model, "-f", name, "--encoding", "latin-1") == ["un café", "ou deux"]
    refused = piped("score", "-m", model, "-f", name)
    assert refused.returncode == 2 and b"--encoding cp1252" in refused.stderr
    refused = piped("score", "-m", model, "-f", name, "--encoding", "utf-9")
    assert refused.returncode == 2 and b"--encoding 'utf-9' is unknown" in refused.stderr


def test_bytes_that_are_no_text_may_be_replaced(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").write_bytes(b"caf\xe9")
    assert scored(
        capsys, "-m", model, "-f", str(tmp_path / "x"), "--errors", "replace", "--unknown", "skip"
    ) == ["caf\ufffd"]


def test_line_ends_are_unified_or_kept(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").write_bytes(b"one\rtwo\r\nthree")
    name = str(tmp_path / "x")
    assert scored(capsys, "-m", model, "-f", name) == ["one", "two", "three"]
    assert scored(capsys, "-m", model, "-f", name, "--newlines", "keep") == ["one\rtwo", "three"]
    (row,) = in_process(capsys, "score", "-m", model, "-f", name, "--whole", "--json")[0].splitlines()
    assert json.loads(row)["chars"] == len("one\ntwo\nthree")


def test_a_prompt_file_is_read_so_too(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress("café\r\n".encode("cp1252")))
    arguments = ("-m", model, "--prompt-file", str(tmp_path / "x.txt.gz"), "-l", "3", "--seed", "1")
    out, _ = in_process(capsys, "sample", *arguments, "--encoding", "cp1252")
    assert out.startswith("café\n")


def test_a_file_has_gaps_filled(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress("un caf_ noir\r\n".encode("cp1252")))
    name = str(tmp_path / "x.txt.gz")
    out, _ = in_process(capsys, "fill", "-m", model, "-f", name, "--json")
    assert json.loads(out.splitlines()[0])["text"].startswith("un caf")
    refused = piped("fill", "-m", model, "a_b", "-f", name)
    assert refused.returncode == 2 and b"give one of them" in refused.stderr


def test_a_corpus_in_another_encoding_is_trained_on(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes("un café noir, un café crème\r\n".encode("cp1252") * 30)
    options = ("--steps", "1", "--hidden", "4", "-o", "run", "--dry-run")
    train = partial(processes.run, tmp_path, "train", "x.txt", *options)
    planned = train("--encoding", "cp1252")
    assert planned.code == 0, planned.stderr
    assert "30 made LF" in planned.stderr
    kept = train("--encoding", "cp1252", "--newlines", "keep")
    assert kept.code == 0 and "made LF" not in kept.stderr
    refused = train()
    assert refused.code == 2 and "--encoding cp1252" in refused.stderr


def test_the_plan_says_what_was_left_out_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in ("a.txt", "b.txt", ".hidden"):
        (folder / name).write_text("to be or not to be\n" * 30)
    (folder / "image.png").write_bytes(b"\0")
    for _ in range(2):  # and from the cache
        planned = processes.run(tmp_path, "train", "texts", "--steps", "1", "-o", "run", "--dry-run")
        (line,) = [line for line in planned.stderr.splitlines() if line.split()[:1] == ["files"]]
        assert "2 read" in line and "1 hidden" in line and "1 binary" in line
