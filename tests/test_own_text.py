"""The text that a run validated on: from the user's own cache, whatever a stranger's run says."""

import json

import pytest

import charnn
from charnn.data.cache import clear_cache
from charnn.storage.own_text import own_validation_text
from charnn.storage.run_folder import RunFolder

SMALL = {"hidden": 6, "cell": "lstm", "embedding": 0, "batch_size": 4, "seq_length": 8, "device": "cpu"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def trained(tmp_path, text, **options):
    (tmp_path / "a.txt").write_text(text)
    return charnn.train(tmp_path / "a.txt", out=str(tmp_path / "run"), steps=2, **SMALL, **options).model()


def own(model):
    return own_validation_text(model.path, model.provenance)


def test_it_is_the_end_of_the_text(tmp_path):
    text = "".join(f"line {number}\n" for number in range(300))
    assert own(trained(tmp_path, text, val_fraction=0.2, documents="none")) == text[int(0.8 * len(text)) :]


def test_it_is_the_documents_that_were_kept(tmp_path):
    lines = [f"name{number}" for number in range(300)]
    text = own(trained(tmp_path, "\n".join(lines), documents="lines"))
    kept = text.split("\n")
    assert set(kept) < set(lines) and 5 < len(kept) < 100


def test_there_is_none_without_validation_or_cache_or_run(tmp_path):
    model = trained(tmp_path, "to be or not " * 99)
    assert own(model)
    assert own_validation_text(None, model.provenance) is None
    RunFolder(tmp_path / "run").metrics.unlink()
    assert own(model) is None
    assert own(trained(tmp_path / "run", "to be or not " * 99, val_fraction=0)) is None
    model = trained(tmp_path / "run" / "run", "to be or not " * 99)
    clear_cache()
    assert own(model) is None


@pytest.mark.parametrize("sha256", ["../../../etc", "a" * 63, 7, None, "\x00" * 64, ["a"], "0" * 64])
def test_a_stranger_s_hash_is_no_path(tmp_path, sha256):
    model = trained(tmp_path, "to be or not " * 99)
    for corpus in ({"sha256": sha256}, sha256):
        assert own_validation_text(model.path, {"corpus": corpus}) is None


def test_no_file_that_a_run_names_is_read(tmp_path):
    model = trained(tmp_path, "to be or not " * 99)
    metrics = RunFolder(tmp_path / "run").metrics
    (tmp_path / "secret.txt").write_text("secret\n" * 99)
    lines = metrics.read_text().replace(
        json.dumps(str(tmp_path / "a.txt")), json.dumps(str(tmp_path / "secret.txt"))
    )
    metrics.write_text(lines)
    assert "secret.txt" in lines and "to be" in own(model) and "secret" not in own(model)
    clear_cache()
    assert own(model) is None
