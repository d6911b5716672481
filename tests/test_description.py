"""What a model file and the metrics beside it tell."""

import json

import pytest
from helpers import random_model, written
from training_helpers import metrics, run, write_corpus

import charnn
from charnn.config import ModelConfig
from charnn.errors import ModelFileError
from charnn.model.kinds import parameter_count, weight_shapes
from charnn.storage.description import MAX_NATS, describe

CONFIG = ModelConfig(vocab_size=70, cell="gru", hidden=6, layers=2, embedding=3)


def test_it_is_what_the_file_holds(tmp_path):
    stored = random_model(CONFIG)
    path = written(tmp_path, stored)
    found = charnn.describe(path)
    assert (found.path, found.bytes) == (path, path.stat().st_size)
    assert (found.config, found.vocabulary, found.provenance) == (
        CONFIG,
        stored.vocabulary,
        stored.provenance,
    )
    assert {part.name: part.shape for part in found.weights} == weight_shapes(CONFIG)
    assert found.parameters == parameter_count(CONFIG) == sum(part.parameters for part in found.weights)
    assert describe(tmp_path) == found


@pytest.mark.parametrize("inputs", [{}, {"embedding": 3, "ngrams": 3, "ngram_rows": 8}])
def test_a_bidirectional_models_parts_are_those_of_both_directions(inputs, tmp_path):
    config = ModelConfig(vocab_size=70, hidden=6, kind="bidirectional", **inputs)
    names = [part.name for part in describe(written(tmp_path, random_model(config))).weights]
    assert {name.partition(".")[0] for name in names} == {"forward_network", "backward_network", "output"}


def test_a_runs_history_is_that_of_its_metrics(tmp_path):
    run(write_corpus(tmp_path), tmp_path / "out", steps=30)
    found, lines = describe(tmp_path / "out"), metrics(tmp_path / "out")
    for event, key, losses in (
        ("train", "nats_per_char", found.history.training),
        ("eval", "val_nats_per_char", found.history.validation),
    ):
        assert losses and list(losses) == [
            (line["step"], line[key]) for line in lines if line["event"] == event
        ]


def test_a_lone_file_has_no_history(tmp_path):
    path = written(tmp_path, random_model(CONFIG))
    assert describe(path).history is None
    (tmp_path / "metrics.jsonl").write_text('{"event": "train", "step": 1, "nats_per_char": 2.5}\n')
    assert describe(path).history.training == ((1, 2.5),)
    other = path.rename(tmp_path / "other.safetensors")  # not the run's own any more
    assert describe(other).history is None


@pytest.mark.parametrize(
    "nonsense", [{}, {"step": "1"}, {"step": 1, "nats_per_char": "2"}, {"step": 1, "nats_per_char": None}]
)
def test_records_without_sane_numbers_are_passed_over(nonsense, tmp_path):
    sane = {"event": "train", "step": 2, "nats_per_char": 2.5}
    records = [
        {"event": "train", "nats_per_char": 1.0, **nonsense},
        sane,
        {**sane, "nats_per_char": 2 * MAX_NATS},
    ]
    (tmp_path / "metrics.jsonl").write_text(
        "".join(f"{json.dumps(record)}\n" for record in records) + "[1, 2"
    )
    assert describe(written(tmp_path, random_model(CONFIG))).history.training == ((2, 2.5),)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="missing"):
        describe(tmp_path / "missing")
