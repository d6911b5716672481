"""Which model serves when several could."""

import os

import pytest
from cli import in_process
from helpers import random_model, written

from charnn.bundled import bundled_corpus, bundled_model
from charnn.config import ModelConfig
from charnn.errors import InputError, ModelFileError
from charnn.inference import find
from charnn.inference.find import find_model


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARNN_MODEL", raising=False)


def a_model(folder, seconds=0.0):
    """A model file in `folder`, written that long ago."""
    folder.mkdir(parents=True)
    path = written(folder, random_model(ModelConfig(vocab_size=20, hidden=4)))
    os.utime(path, (1e9 - seconds, 1e9 - seconds))
    return path


def test_the_one_that_is_named_comes_first(tmp_path, monkeypatch):
    named, variable = a_model(tmp_path / "named"), a_model(tmp_path / "variable")
    monkeypatch.setenv("CHARNN_MODEL", str(variable))
    assert find_model(str(named)).model.path == named
    assert find_model(str(named.parent)).model.path == named


def test_the_variable_comes_before_runs(tmp_path, monkeypatch):
    a_model(tmp_path / "checkpoints/run")
    variable = a_model(tmp_path / "variable")
    monkeypatch.setenv("CHARNN_MODEL", str(variable))
    assert find_model().model.path == variable


def test_a_named_model_that_is_bad_is_an_error_and_never_replaced(tmp_path, monkeypatch):
    a_model(tmp_path / "checkpoints/run")
    monkeypatch.setenv("CHARNN_MODEL", str(tmp_path / "missing"))
    with pytest.raises(ModelFileError):
        find_model()
    with pytest.raises(ModelFileError):
        find_model("missing.safetensors")


def test_the_newest_run_that_can_sample(tmp_path):
    a_model(tmp_path / "checkpoints/a", seconds=20)
    second = a_model(tmp_path / "checkpoints/b", seconds=10)
    (tmp_path / "checkpoints/c").mkdir()
    broken = tmp_path / "checkpoints/c/model.safetensors"
    broken.write_bytes(b"torn")
    (tmp_path / "checkpoints/d").mkdir()  # a run without a model yet
    found = find_model()
    assert found.model.path.resolve() == second
    assert len(found.passed_over) == 1 and str(broken.relative_to(tmp_path)) in found.passed_over[0]


def test_a_bidirectional_run_is_passed_over(tmp_path):
    older = a_model(tmp_path / "checkpoints/a", seconds=20)
    (tmp_path / "checkpoints/b").mkdir()
    written(tmp_path / "checkpoints/b", random_model(ModelConfig(20, hidden=4, kind="bidirectional")))
    found = find_model()
    assert found.model.path.resolve() == older
    assert "is bidirectional: it fills blanks" in found.passed_over[0]


def test_else_the_one_that_ships(tmp_path, monkeypatch):
    shipped = a_model(tmp_path / "shipped")
    monkeypatch.setattr(find, "bundled_model", lambda: shipped)
    found = find_model()
    assert (found.model.path, found.reason) == (shipped, "ships with charnn")


def test_none_at_all_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(find, "bundled_model", lambda: tmp_path / "missing")
    with pytest.raises(InputError, match="charnn train"):
        find_model()


def test_which_model_it_is_is_said_on_stderr(tmp_path, capsys):
    path = a_model(tmp_path / "checkpoints/run")
    (tmp_path / "checkpoints/torn").mkdir()
    (tmp_path / "checkpoints/torn/model.safetensors").write_bytes(b"torn")
    _, err = in_process(capsys, "sample", "-l", "1")
    assert f"model: {path.relative_to(tmp_path)} (the newest under checkpoints)\n" in err
    assert err.startswith("passed over: ")


def test_what_ships_is_beside_the_package_in_a_checkout():
    assert bundled_corpus().name == "lantern.txt" and bundled_model().suffix == ".safetensors"


def test_what_was_passed_over_is_said_when_the_one_that_ships_is_used(tmp_path, monkeypatch):
    shipped = a_model(tmp_path / "shipped")
    monkeypatch.setattr(find, "bundled_model", lambda: shipped)
    (tmp_path / "checkpoints/b").mkdir(parents=True)
    written(tmp_path / "checkpoints/b", random_model(ModelConfig(20, hidden=4, kind="bidirectional")))
    (tmp_path / "checkpoints/dangling").symlink_to("nowhere")
    found = find_model()
    assert found.model.path == shipped
    assert len(found.passed_over) == 1 and "is bidirectional" in found.passed_over[0]
