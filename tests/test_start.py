"""Which model a run starts from: the one that is named, or the base where the text suits it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import random_model, written

from charnn.bundled import bundled_model
from charnn.config import Budget, ModelConfig
from charnn.data.corpus import Preview
from charnn.errors import ModelFileError
from charnn.training import start
from charnn.training.start import StartingModel, expected_reading, named_model


def uniform_model(folder: Path, characters: str) -> Path:
    """A model to which every text of its characters is log V nats a character."""
    model = random_model(ModelConfig(len(characters), hidden=4), characters=characters)
    zeros = {name: np.zeros_like(weight) for name, weight in model.weights.items()}
    return written(folder, replace(model, weights=zeros))


@pytest.fixture
def base(tmp_path, monkeypatch):
    """The base, to which texts of its five characters are 1.61 nats a character."""
    path = uniform_model(tmp_path, "\nabcd")
    monkeypatch.setattr(start, "bundled_model", lambda name: path)
    return path


def preview(text: str) -> Preview:
    return Preview(Counter(text), [text[:512]])


SUITABLE = preview("abc dab cad bad cab\n".replace(" ", "") * 50)
MINUTE = {"minutes": 1.0}


def test_a_text_that_the_base_reads_well_starts_from_it(base):
    chosen = StartingModel(MINUTE)
    assert chosen.vocabulary_for(SUITABLE) == chosen.model.vocabulary
    assert chosen.options["init_from"] == "english"
    (notice,) = chosen.notices
    assert "English base" in notice and "1.61 nats" in notice and "--init-from none" in notice


@pytest.mark.parametrize("text", ["wxyz" * 200, "abcd" * 20 + "z" * 40])
def test_a_text_in_other_characters_starts_from_nothing(base, text):
    chosen = StartingModel(MINUTE)
    assert chosen.vocabulary_for(preview(text)) is None
    assert (chosen.model, chosen.notices, chosen.options) == (None, [], MINUTE)


def test_a_text_that_surprises_the_base_starts_from_nothing(tmp_path, monkeypatch):
    path = uniform_model(tmp_path, "\nabcdefgh")  # 2.20 nats
    monkeypatch.setattr(start, "bundled_model", lambda name: path)
    assert StartingModel(MINUTE).vocabulary_for(SUITABLE) is None


@pytest.mark.parametrize(
    "options",
    [
        {"init_from": "none"},
        {"cell": "gru"},
        {"hidden": 64},
        {"embedding": 0},
        {"ngrams": 0},
        {"bidirectional": True},
        {"minutes": 600.0},
    ],
)
def test_who_names_the_network_or_trains_for_long_starts_from_nothing(base, options):
    assert StartingModel({**MINUTE, **options}).vocabulary_for(SUITABLE) is None


def test_without_a_base_a_run_starts_from_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(start, "bundled_model", lambda name: tmp_path / "absent")
    assert StartingModel(MINUTE).vocabulary_for(SUITABLE) is None


def test_a_named_model_serves_whatever_the_text_is(base):
    chosen = StartingModel({**MINUTE, "init_from": str(base)})
    assert chosen.vocabulary_for(preview("wxyz" * 200)) == chosen.model.vocabulary


def test_names_are_those_of_models_that_ship():
    assert named_model("shakespeare") == bundled_model("shakespeare")
    assert named_model("./shakespeare") == Path("shakespeare")


def test_a_name_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="nowhere"):
        StartingModel({"init_from": str(tmp_path / "nowhere")})


@pytest.mark.parametrize(
    ("budget", "reading"),
    [
        (Budget(steps=10), 10_240),
        (Budget(epochs=2.0), 2_000),
        (Budget(minutes=1.0), 1e6),
        (Budget(minutes=1.0, epochs=2.0), 2_000),
    ],
)
def test_the_expected_reading_is_that_of_the_first_bound(budget, reading):
    assert expected_reading(budget, 1_000) == reading
