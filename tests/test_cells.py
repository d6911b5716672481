"""What cells hold, against models whose cells are known, and against the network in torch."""

from random import Random

import numpy as np
import pytest
import torch
from helpers import ALPHABET, loaded, random_model

import charnn
from charnn.analysis.cell_reader import LEFT, RIGHT, SHORTEST_PIECE, CellReader, piece_starts, read_text
from charnn.analysis.cells import LEAST_CHARS, explained_cells
from charnn.config import ModelConfig
from charnn.errors import InputError
from charnn.inference.encoding import border
from charnn.inference.torch_network import trained_network
from charnn.storage.model_file import ModelFile

CONFIGS = [
    ModelConfig(vocab_size=70, hidden=6, layers=2),
    ModelConfig(vocab_size=70, cell="gru", hidden=5, embedding=4, ngrams=3, ngram_rows=16),
    ModelConfig(vocab_size=70, cell="rnn", hidden=5),
    ModelConfig(vocab_size=70, cell="rnn", nonlinearity="relu", hidden=5),
]
each_cell = pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.cell}-{c.nonlinearity}")


def words(chars=4000, seed=0):
    """Lines of words, some of them in capitals or quotation marks."""
    numbers = Random(seed)
    pieces = [
        numbers.choice(["ab", "CD", "efghi", "'ha, ha'", "it is so"])
        + ("\n" if numbers.random() < 0.2 else " ")
        for _ in range(chars // 3)
    ]
    return "".join(pieces)[:chars]


def counting_model():
    """An LSTM of three cells: 0 is 1 after a capital and 0 after anything else, 1 counts the line, 2 never changes."""
    stored = random_model(ModelConfig(vocab_size=70, hidden=3))
    rows = {name: np.zeros_like(weight) for name, weight in stored.weights.items()}
    characters = stored.vocabulary.characters
    newline = characters.index("\n")
    capitals = [place for place, character in enumerate(characters) if character.isupper()]
    inputs, bias = rows["rnn.weight_ih_l0"], rows["rnn.bias_ih_l0"]  # gates i f g o, three cells each
    bias[0:3], bias[3:6] = 50, [-50, 50, 50]  # written always; forgotten by cell 0
    inputs[6, capitals] = 50
    bias[7], inputs[1, newline], inputs[4, newline] = 0.01, -100, -100
    return Model(stored, rows)


def Model(stored, weights):  # noqa: N802
    return loaded(ModelFile(stored.config, stored.vocabulary, weights, stored.provenance))


def test_cells_that_were_made_to_hold_something_are_found():
    found = explained_cells(counting_model(), words())
    best = {score.feature: score for score in found.scores}
    assert best["upper case"].cell == (0, 0) and best["upper case"].r2 == pytest.approx(1, abs=1e-6)
    assert best["upper case"].rank == 1.0
    assert best["position in the line"].cell == (0, 1)
    assert best["position in the line"].r2 > 0.95 and best["position in the line"].rank == pytest.approx(1)
    assert [score.r2 for score in found.scores] == sorted((score.r2 for score in found.scores), reverse=True)
    assert found.values_of((0, 0)).tolist() == pytest.approx(
        [np.tanh(1.0) * character.isupper() for character in found.text], abs=1e-6
    )


def test_top_lists_more_cells_of_each_feature_and_chars_reads_less():
    model, text = loaded(random_model(CONFIGS[0])), words()
    few, many = explained_cells(model, text), explained_cells(model, text, top=3, chars=2500)
    assert len(many.scores) == 3 * len(few.scores) == 3 * len({score.feature for score in few.scores})
    assert (len(few.text), len(few.starts), len(many.text)) == (4000, 2, 2500)
    of_one = [score for score in many.scores if score.feature == "upper case"]
    assert len({score.cell for score in of_one}) == 3


def test_scores_are_of_text_that_the_cell_was_not_chosen_on():
    """Of noise some cell explains a little of the half that it was chosen on, and less than nothing of the other."""
    numbers = np.random.default_rng(1)
    text = "".join(ALPHABET[place] for place in numbers.integers(0, 70, 2100))
    config = ModelConfig(vocab_size=70, hidden=64)
    weights = {name: 0 * weight for name, weight in random_model(config).weights.items()}
    weights["rnn.weight_ih_l0"] = random_model(config).weights["rnn.weight_ih_l0"]
    found = explained_cells(Model(random_model(config), weights), text)
    score = next(score for score in found.scores if score.feature == "position in the line")
    assert score.fitted_r2 > 0 and score.r2 < score.fitted_r2


def features_by_hand(model, text):
    """The value of each cell after each character of a single stream, and of each gate, in torch."""
    network = trained_network(model.config, model.weights())
    ids = np.concatenate([border(model.vocabulary), model.vocabulary.encode(text)]).astype(np.int64)
    state, values = network.initial_state(1), []
    with torch.no_grad():
        for one in torch.from_numpy(ids):
            _, state = network(one[None, None], state)
            layers = state.layers
            held = torch.tanh(layers[1]) if len(layers) > 1 else layers[0]
            values.append(held[:, 0].reshape(-1).numpy())
    return np.array(values[len(border(model.vocabulary)) :])


@each_cell
def test_values_are_those_of_the_network_whatever_the_streams(config):
    model, text = loaded(random_model(config)), words(4 * SHORTEST_PIECE)
    found = explained_cells(model, text, cell=(0, 2), top=100)
    by_hand = features_by_hand(model, found.text[:400])
    cells = [layer * config.hidden + number for layer, number in found.cells]
    assert set(range(config.layers * config.hidden)) == set(cells)
    length = len(found.text) // len(found.starts)
    np.testing.assert_allclose(
        found.values[: min(400, length)], by_hand[:length][:, cells], rtol=1e-4, atol=1e-4
    )


def test_a_stream_begins_as_the_one_before_ends():
    """Where a network forgets in less than the warm-up, cutting the text changes nothing."""
    model = loaded(random_model(CONFIGS[2]))
    weights = {**model.weights(), "rnn.weight_hh_l0": 0.05 * model.weights()["rnn.weight_hh_l0"]}
    model = Model(random_model(CONFIGS[2]), weights)
    found = explained_cells(model, words(), top=100)
    np.testing.assert_allclose(found.values[:, :3], features_by_hand(model, found.text)[:, :3], atol=1e-5)


@each_cell
def test_saturation_counts_gates(config):
    """By the definition of the gates, from the states before and the inputs."""
    model, text = loaded(random_model(config)), words(LEAST_CHARS + 500)
    found = explained_cells(model, text)
    names = {"lstm": ["input", "forget", "output"], "gru": ["reset", "update"], "rnn": []}[config.cell]
    assert [(gate.layer, gate.gate) for gate in found.gates] == [
        (layer, name) for layer in range(config.layers) for name in names
    ]
    if config.cell != "rnn":
        assert any((gate.left + gate.right > 0).any() for gate in found.gates)
    assert all(((gate.left + gate.right) <= 1).all() for gate in found.gates)


def test_saturation_of_known_gates():
    found = explained_cells(counting_model(), words())
    shares = {gate.gate: gate for gate in found.gates}
    newlines = found.text.count("\n") / len(found.text)
    assert shares["forget"].left.tolist() == pytest.approx([1, newlines, 0])
    assert shares["forget"].right.tolist() == pytest.approx([0, 1 - newlines, 1])
    assert shares["input"].right.tolist() == pytest.approx([1, 1 - newlines, 1])
    assert (shares["output"].left + shares["output"].right).tolist() == [0, 0, 0] and (LEFT, RIGHT) == (
        0.1,
        0.9,
    )


def test_a_feature_that_the_text_lacks_is_left_out():
    features = {score.feature for score in explained_cells(loaded(random_model(CONFIGS[2])), words()).scores}
    assert "inside quotation marks" in features and "indentation" not in features
    assert "speaker's name" not in features


def test_unknown_characters_are_replaced_and_counted():
    model = loaded(random_model(CONFIGS[2]))
    found = explained_cells(model, "é" + words()[1:])
    assert found.unknown == 1 and len(found.text) == len(words())


def test_documents_are_read_with_their_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = ["anna", "Otto", "maria", "Ida", "eva"]
    (tmp_path / "names.txt").write_text("".join(f"{name}{n}\n" for n in range(400) for name in names))
    small = {"hidden": 6, "cell": "lstm", "embedding": 0, "batch_size": 4, "seq_length": 8, "device": "cpu"}
    run = charnn.train(tmp_path / "names.txt", documents="lines", out=str(tmp_path / "run"), steps=4, **small)
    model = run.model()
    read = read_text(model, "anna1\nOtto2\n")
    assert read.text == "anna1\nOtto2\n"
    assert read.ids[5] == read.ids[-1] == border(model.vocabulary)[0]
    found = explained_cells(model, charnn.held_out(tmp_path / "names.txt") * 9)
    assert "position in the line" in {score.feature for score in found.scores}


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("abc", {}, "the text has 3 characters: 2,000 or more"),
        (words(), {"cell": (0, 6)}, "cell 0:6: the model's go from 0:0 to 1:5"),
        (words(), {"cell": (2, 0)}, "cell 2:0"),
        (words(), {"top": 0}, "top"),
        (words(), {"chars": 0}, "chars"),
    ],
)
def test_what_cannot_be_done_is_said(text, options, said):
    with pytest.raises(InputError, match=said):
        explained_cells(loaded(random_model(CONFIGS[0])), text, **options)


def test_values_of_a_network_that_runs_away_are_finite():
    stored = random_model(CONFIGS[3])
    weights = {name: 100 * np.abs(weight) for name, weight in stored.weights.items()}
    found = explained_cells(Model(stored, weights), words())
    assert np.isfinite(found.values).all() and all(np.isfinite(score.r2) for score in found.scores)


def test_pieces_are_spread_over_the_text():
    assert piece_starts(4000, 60_000).tolist() == [0, 2000]
    assert piece_starts(6000, 60_000).tolist() == [0, 1500, 3000, 4500]
    starts = piece_starts(1_000_000, 60_000)
    assert len(starts) == 32 and (starts[0], starts[-1]) == (0, 1_000_000 - 60_000 // 32)
    assert piece_starts(2001, 60_000).tolist() == [0, 1001]


def test_a_reader_reads_again_from_the_beginning():
    model = loaded(random_model(CONFIGS[0]))
    ids = model.vocabulary.encode(words())
    reader = CellReader(
        model.config, model.weights(), border(model.vocabulary), ids, np.array([0, 2000]), 450
    )
    assert np.array_equal(reader.values(np.array([1])), reader.values(np.array([1])))
