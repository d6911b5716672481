"""Starting from another model's weights, characters matched by character."""

import numpy as np
import pytest
import torch
from helpers import random_model, written
from training_helpers import metrics, run, write_corpus

from charnn.config import ModelConfig
from charnn.data.vocab import Vocabulary
from charnn.errors import InputError
from charnn.inference.directional import directions
from charnn.inference.model import Model, load
from charnn.model.kinds import weight_shapes
from charnn.model.network import Network
from charnn.storage.model_file import ModelFile, read_model
from charnn.training.warm_start import adapted_weights, with_architecture

OLD = "abcdefg \n"
NEW = "0123456789"  # ten characters that the old model never saw
INPUTS = pytest.mark.parametrize("embedding", [0, 4])


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


def stored(characters: str, *, has_unknown: bool = False, **config: object) -> ModelFile:
    size = len(characters) + has_unknown
    return random_model(ModelConfig(size, hidden=7, **config), 3, characters, has_unknown=has_unknown)


def adapted_model(model: ModelFile, vocabulary: Vocabulary) -> Model:
    weights = {name: value.numpy() for name, value in adapted_weights(model, vocabulary).items()}
    config = ModelConfig(**{**model.config.__dict__, "vocab_size": len(vocabulary)})
    assert {name: value.shape for name, value in weights.items()} == weight_shapes(config)
    return Model.of(ModelFile(config, vocabulary, weights, {}))


@INPUTS
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_same_characters_in_another_order_are_the_same_model(cell, embedding):
    model = stored(OLD, cell=cell, embedding=embedding, layers=2)
    shuffled = adapted_model(model, Vocabulary("\n gfedcba"))
    text = "bad cab\nface"
    found, expected = shuffled.score(text), Model.of(model).score(text)
    np.testing.assert_allclose(found.log_prob, expected.log_prob, rtol=1e-6)


@INPUTS
def test_the_same_vocabulary_keeps_every_bit(embedding):
    model = stored(OLD, embedding=embedding)
    for name, value in adapted_weights(model, model.vocabulary).items():
        np.testing.assert_array_equal(value.numpy(), model.weights[name])


@INPUTS
def test_a_new_character_is_the_mean_of_the_old_ones(embedding):
    model = stored("abc", embedding=embedding)
    weights = adapted_weights(model, Vocabulary("abcx"))
    table = "embedding.weight" if embedding else "rnn.weight_ih_l0"
    for name, dim in ((table, 0 if embedding else 1), ("output.weight", 0)):
        value, old = weights[name], torch.from_numpy(model.weights[name])
        torch.testing.assert_close(value.select(dim, 3), old.mean(dim=dim))
        assert torch.equal(value.narrow(dim, 0, 3), old)


@INPUTS
def test_the_unknown_character_stays_itself(embedding):
    model = stored("abc", has_unknown=True, embedding=embedding)
    weights = adapted_weights(model, Vocabulary("cab", has_unknown=True))
    old = torch.from_numpy(model.weights["output.bias"])
    assert weights["output.bias"].tolist() == old[[2, 0, 1, 3]].tolist()


@pytest.mark.parametrize("new", ["0", NEW, "".join(map(chr, range(0x4E00, 0x5E00)))])
def test_new_characters_get_a_hundredth_at_most(new):
    """Whatever the model, in any context, however many they are."""
    characters = OLD + new
    moved = adapted_model(stored(OLD, layers=2), Vocabulary(characters))
    for context in ("", "a", "bad cab\nface"):
        probabilities = moved.next(context).probabilities
        assert 0 < probabilities[len(OLD) :].sum() <= 0.0100001


def test_weights_of_the_stored_model_are_not_touched():
    model = stored(OLD)
    weights = adapted_weights(model, model.vocabulary)
    before = model.weights["output.bias"].copy()
    weights["output.bias"].fill_(9.0)
    np.testing.assert_array_equal(model.weights["output.bias"], before)


@pytest.mark.parametrize(
    "inputs", [{"embedding": 0}, {"embedding": 4}, {"embedding": 4, "ngrams": 3, "ngram_rows": 256}], ids=str
)
def test_ten_new_characters_cost_less_than_a_twentieth(inputs, tmp_path):
    """A trained model moved to a corpus with ten new characters starts near its old loss on the old characters."""
    run(write_corpus(tmp_path, 4000), tmp_path / "old", steps=150, lr=0.03, hidden=24, **inputs)
    old = load(tmp_path / "old")
    sample = (tmp_path / "corpus-1.txt").read_text()[:600]
    vocabulary = Vocabulary(old.vocabulary.characters + NEW)
    moved = adapted_model(read_model(tmp_path / "old" / "model.safetensors"), vocabulary)
    before, after = old.score(sample).bits_per_char, moved.score(sample).bits_per_char
    assert before < 2.5, "the old model has learned something"
    assert before <= after < 1.05 * before


def test_a_run_starts_from_a_model(tmp_path):
    """From the corpus on: the vocabulary grows, the first evaluation is near the old loss, and it trains on."""
    source = write_corpus(tmp_path, 4000)
    old = run(source, tmp_path / "old", steps=150, lr=0.03, hidden=24)
    mixed = tmp_path / "mixed.txt"
    mixed.write_text(NEW + "\n" + (tmp_path / "corpus-1.txt").read_text())
    run(str(mixed), tmp_path / "new", steps=1, lr=1e-9, hidden=24, init_from=str(tmp_path / "old"))
    fresh = run(str(mixed), tmp_path / "fresh", steps=1, lr=1e-9, hidden=24)
    assert set(load(tmp_path / "new").vocabulary.characters) == set(OLD + NEW)
    began, scratch = (metrics(tmp_path / name)[-1]["best_val_nats_per_char"] for name in ("new", "fresh"))
    assert began < 1.05 * old[-1].best_val_nats_per_char
    assert began < 0.8 * scratch
    assert fresh[-1].step == 1


@INPUTS
def test_a_bidirectional_models_halves_are_adapted_as_models_are(embedding):
    """And the output layer over both as theirs are."""
    model = stored(OLD, embedding=embedding, layers=2, kind="bidirectional")
    vocabulary = Vocabulary(NEW[:3] + "\n gfedcba")
    weights = {name: value.numpy() for name, value in adapted_weights(model, vocabulary).items()}
    config = ModelConfig(**{**model.config.__dict__, "vocab_size": len(vocabulary)})
    assert {name: value.shape for name, value in weights.items()} == weight_shapes(config)
    adapted = ModelFile(config, vocabulary, weights, {})
    for half, old_half in zip(directions(adapted), directions(model), strict=True):
        for name, value in adapted_weights(old_half, vocabulary).items():
            np.testing.assert_array_equal(half.weights[name], value.numpy())
    places = [OLD.index(c) for c in vocabulary.characters[3:]]
    for name in ("output.weight", "output.bias"):
        np.testing.assert_array_equal(weights[name][3:], model.weights[name][places])
    assert (weights["output.bias"][:3] < model.weights["output.bias"].mean()).all()


def test_a_bidirectional_run_starts_from_a_bidirectional_model_alone(tmp_path):
    source = write_corpus(tmp_path, 4000)
    old = run(source, tmp_path / "old", steps=100, lr=0.03, hidden=16, bidirectional=True)
    began = run(source, tmp_path / "new", steps=1, lr=1e-9, hidden=16, init_from=str(tmp_path / "old"))
    assert began[-1].best_val_nats_per_char == pytest.approx(old[-1].best_val_nats_per_char, abs=1e-3)
    assert read_model(tmp_path / "new" / "model.safetensors").config.kind == "bidirectional"
    plain = written(tmp_path, stored(OLD))
    with pytest.raises(InputError, match="--bidirectional True differs from the --init-from model's False"):
        run(source, tmp_path / "out", steps=1, hidden=7, bidirectional=True, init_from=str(plain))


def test_the_shape_is_the_models():
    config = ModelConfig(9, cell="rnn", nonlinearity="relu", layers=2, hidden=48, embedding=5, dropout=0.3)
    options = with_architecture({"steps": 5, "hidden": 48}, config)
    shape = {"cell": "rnn", "nonlinearity": "relu", "layers": 2, "hidden": 48, "embedding": 5}
    assert options.items() >= {"steps": 5, **shape}.items()
    assert "dropout" not in options


def test_a_shape_that_says_otherwise_is_refused_by_name():
    with pytest.raises(InputError, match="--hidden 64 differs from the --init-from model's 256"):
        with_architecture({"hidden": 64}, ModelConfig(9))


def test_a_gated_model_brings_no_nonlinearity():
    """Which would be refused with its cell."""
    assert "nonlinearity" not in with_architecture({}, ModelConfig(9, cell="gru"))


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"m\.safetensors is no"):
        run(write_corpus(tmp_path), tmp_path / "out", steps=1, init_from=str(tmp_path / "m.safetensors"))
    assert not (tmp_path / "out").exists()


def test_another_shape_is_refused_before_anything_is_written(tmp_path):
    path = written(tmp_path, stored(OLD))
    with pytest.raises(InputError, match="--hidden 8"):
        run(write_corpus(tmp_path), tmp_path / "out", steps=1, init_from=str(path))
    assert not (tmp_path / "out").exists()


def test_adapted_weights_load_into_the_network():
    model = stored(OLD, layers=2)
    weights = adapted_weights(model, Vocabulary(OLD + NEW))
    Network(ModelConfig(len(OLD + NEW), layers=2, hidden=7)).load_state_dict(weights)


def test_a_document_s_end_begins_as_the_newline_that_ended_a_line():
    model = stored(OLD)
    with_end = adapted_model(model, Vocabulary("abcdefg ", has_end=True))
    ended, plain = with_end.score("bad cab"), Model.of(model).score("bad cab\n")
    np.testing.assert_allclose(ended.surprisal_bits, plain.surprisal_bits[:-1], rtol=1e-5)
    np.testing.assert_allclose(ended.log_prob, plain.log_prob, rtol=1e-5)
