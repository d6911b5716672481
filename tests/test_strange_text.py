"""Text of any script and any manner, in file names, corpora and samples, through every command and any locale."""

import json
from pathlib import Path

import pytest
from cli import in_terminal, piped
from helpers import random_model, written
from torture import processes

from charnn import load
from charnn.config import ModelConfig

SCRIPTS = "中文字符 emoji 🙂👩\u200d🚀 e\u0301 ж ي\u202e \x1b[31m[red]:smile:[/red]\x00\x9b\n"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SHORT = (*processes.TINY, "--steps", "6", "--sample-every", "2")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "scripts.txt").write_bytes((SCRIPTS * 60).encode())
    return tmp_path


@pytest.mark.parametrize(
    "locale", [ASCII, {"PYTHONIOENCODING": "cp1252"}, {"TERM": "dumb"}], ids=["C", "cp1252", "dumb"]
)
def test_training_survives_printing_any_sample_in_any_locale(home: Path, locale: dict[str, str]) -> None:
    wanted = {"XDG_CACHE_HOME": str(home / "cache"), **locale}
    ended = piped("train", "scripts.txt", *SHORT, env=wanted, cwd=home)
    said = ended.stderr.decode()  # a pipe is UTF-8 in every locale
    assert ended.returncode == 0, said
    assert said.count("--- sample at step ") == 2


def test_a_terminal_gets_live_samples_escaped_and_no_colours_where_they_are_not_wanted(home: Path) -> None:
    corpus = str(home / "scripts.txt")
    arguments = ("train", corpus, *SHORT, "--out", str(home / "run"))
    wishes = {"NO_COLOR": "1", "TERM": "dumb", "XDG_CACHE_HOME": str(home / "cache")}
    shown, code = in_terminal(*arguments, columns=20, stderr_too=True, **wishes)
    assert code == 0, shown
    assert b"--- sample at step" in shown
    assert not {"\x1b", "\x00", "\x9b", "\u202e"} & set(shown.decode())


def test_every_code_point_of_a_corpus_is_in_the_model_that_was_trained_on_it(home: Path) -> None:
    assert processes.run(home, "train", "scripts.txt", *SHORT).code == 0
    model = load(home / "checkpoints/scripts")
    assert set(model.vocabulary.characters) == set(SCRIPTS)
    assert model.score(SCRIPTS).chars == len(SCRIPTS)


@pytest.mark.parametrize(
    "name", ["\x1b[31mred.txt", "a\nb.txt", "[red]x:smile:.txt", "\u202etxt.exe", "пьеса 🙂.txt"]
)
def test_a_corpus_may_be_called_anything(home: Path, name: str) -> None:
    (home / name).write_bytes(b"the cat sat on the mat\n" * 60)
    ended = processes.run(home, "train", name, *SHORT, "--sample-every", "0")
    assert ended.code == 0, ended.stderr
    assert not {"\x1b", "\u202e"} & set(ended.stderr)
    (run,) = (home / "checkpoints").iterdir()
    start = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    assert start["corpus"].endswith(name)
    assert load(run).sample(length=5, seed=1)


def test_a_vocabulary_of_tens_of_thousands_is_stored_and_read(tmp_path: Path) -> None:
    characters = "".join(map(chr, (*range(0x4E00, 0x9FFF), *range(0xAC00, 0xD7A0), *range(0x1F300, 0x1F600))))
    assert len(characters) > 30_000
    config = ModelConfig(vocab_size=len(characters), hidden=2, embedding=2)
    stored = random_model(config, characters=characters)
    model = load(written(tmp_path, stored))
    assert model.vocabulary.characters == characters
    assert model.score(characters[::1000]).chars == len(characters[::1000])
