"""Files whose names are no UTF-8: their bytes are what they are, for every command."""

import json
import os
import sys
from pathlib import Path

import pytest
from cli import piped
from helpers import random_model, written
from training_helpers import metrics, run

from charnn.config import ModelConfig

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are bytes on Linux")


def odd(folder: Path, name: bytes = b"caf\xe9") -> Path:
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    odd(tmp_path).mkdir()
    return written(odd(tmp_path), random_model(ModelConfig(vocab_size=30, hidden=4)))


def test_such_a_model_and_such_a_file_are_read(tmp_path: Path, model: Path) -> None:
    text = odd(tmp_path, b"t\xff.txt")
    text.write_text("a line\nanother\n")
    for path in (model, model.parent):
        scored = piped("score", "-m", os.fsencode(path), "-f", os.fsencode(text), "--json")
        assert scored.returncode == 0, scored.stderr
        assert [json.loads(line)["text"] for line in scored.stdout.splitlines()] == ["a line", "another"]


def test_such_a_corpus_measures_novelty(tmp_path: Path, model: Path) -> None:
    text = odd(tmp_path, b"t\xff.txt")
    text.write_text("a line\nanother\n")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    sampled = piped("sample", "-m", model, "-l", "20", "--novelty", os.fsencode(text), env=env)
    assert sampled.returncode == 0 and b"copied" in sampled.stderr


def test_such_a_corpus_is_trained_on_and_resumed(tmp_path: Path) -> None:
    text = odd(tmp_path, b"t\xff.txt")
    text.write_text("to be or not to be " * 30)
    run(str(text), odd(tmp_path, b"run\xff"), steps=2)
    run(None, odd(tmp_path, b"run\xff"), steps=3, resume=True)
    assert metrics(odd(tmp_path, b"run\xff"))[-1]["event"] == "finish"


def test_such_a_model_is_started_from(tmp_path: Path, model: Path) -> None:
    (tmp_path / "t.txt").write_text("a line\n" * 30)
    options = ("--steps", "2", "--threads", "1", "--out", tmp_path / "run", "--dry-run")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    trained = piped("train", tmp_path / "t.txt", "--init-from", os.fsencode(model), *options, env=env)
    assert trained.returncode == 0, trained.stderr


def test_what_is_no_name_and_no_text_is_refused(tmp_path: Path, model: Path) -> None:
    refused = piped("score", "-m", model, b"\xff\xfe")
    assert refused.returncode == 2 and b"not valid text" in refused.stderr
