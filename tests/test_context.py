"""What a run writes of itself is bounded, whatever it was given."""

from pathlib import Path

import pytest
from cli import in_process
from training_helpers import TINY, run

import charnn
from charnn.errors import InputError
from charnn.training.context import few_names


def test_a_few_names_stand_for_many():
    assert few_names(["a.txt"]) == "a.txt"
    assert few_names([f"{number}.txt" for number in range(3)]) == "0.txt, 1.txt, 2.txt"
    assert few_names([f"{number}.txt" for number in range(2203)]) == "0.txt, 1.txt, 2.txt and 2,200 more"
    assert len(few_names(["x" * 255] * 9)) < 300


@pytest.fixture
def many_files(tmp_path: Path) -> list[str]:
    """Files whose names alone would not fit a model's header."""
    (tmp_path / "t").mkdir()
    for number in range(2200):
        (tmp_path / "t" / f"{number:04d}-{'n' * 235}").write_text("some text, ")
    return sorted(map(str, (tmp_path / "t").iterdir()))


def test_a_run_on_thousands_of_files_gives_a_model_that_can_be_read(
    many_files, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    charnn.train(many_files, out=str(tmp_path / "run"), steps=2, **TINY)
    model = charnn.load(tmp_path / "run")
    assert model.provenance["corpus"]["files"] == 2200
    assert len(str(model.provenance)) < 3000
    arguments = ("train", *many_files, "--dry-run", "--steps", "2", "--device", "cpu")
    for command in (arguments, ("info", str(tmp_path / "run")), ("cache",)):
        out, err = in_process(capsys, *command)
        assert 0 < max(map(len, (out + err).splitlines())) <= 500, command
    events = run(None, tmp_path / "run", resume=True, steps=4)
    assert events[-1].reason == "steps"


def test_a_vocabulary_that_no_model_file_holds_is_refused_before_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = tmp_path / "many.txt"
    text.write_text("".join(map(chr, range(0x10000, 0x10000 + 280_000))), encoding="utf-8")
    options = {**TINY, "hidden": 1, "batch_size": 1, "seq_length": 2, "val_fraction": 0.0, "steps": 1}
    with pytest.raises(InputError, match=r"280,000 different characters are too many.*--max-vocab"):
        charnn.train(str(text), out=str(tmp_path / "run"), **options)
    assert not (tmp_path / "run/metrics.jsonl").exists()
