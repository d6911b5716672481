"""Two stacks that stay apart until the output layer: what each prediction sees, and that each half stands alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import random_model, written
from torch import Tensor
from torch.nn.functional import cross_entropy

from charnn.config import ModelConfig
from charnn.data.vocab import Vocabulary
from charnn.errors import ModelFileError
from charnn.inference.directional import directions
from charnn.inference.engine import Engine
from charnn.inference.model import load
from charnn.model.bidirectional import BidirectionalNetwork
from charnn.model.kinds import dense_parameters, parameter_count, weight_shapes
from charnn.model.network import Network
from charnn.model.state import State
from charnn.storage import model_file
from charnn.storage.model_file import ModelFile, read_model
from charnn.training.objective import BidirectionalObjective

KINDS = (("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu"))
INPUTS = (
    {"embedding": 0},
    {"embedding": 3},
    {"embedding": 3, "ngrams": 3, "ngram_rows": 16},
    {"embedding": 3, "ngrams": 3, "ngram_rows": 16, "skip_connection": "input"},
)
CONFIGS = [
    ModelConfig(
        6, cell=cell, nonlinearity=nonlinearity, layers=layers, hidden=5, kind="bidirectional", **inputs
    )
    for cell, nonlinearity in KINDS
    for layers in (1, 2, 3)
    for inputs in INPUTS
]
NGRAMS = replace(CONFIGS[2], hidden=7)
TEXT = torch.tensor([[3, 0], [5, 5], [1, 2], [4, 0], [0, 3], [2, 2], [5, 1], [1, 4]])  # (1 + T, N)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


def name(config: ModelConfig) -> str:
    network = f"{config.cell}-{config.nonlinearity}-{config.layers}"
    return f"{network}-{config.embedding}-{config.ngrams}-{config.skip_connection}"


each_config = pytest.mark.parametrize("config", CONFIGS, ids=name)


def network_of(config: ModelConfig, scale: float = 0.6) -> BidirectionalNetwork:
    """Weights and biases all random, in float64."""
    torch.manual_seed(1)
    network = BidirectionalNetwork(config).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return network


def random_state(network: BidirectionalNetwork, batch: int = 2) -> State:
    state = network.initial_state(batch)
    return state.with_tensors(
        [torch.randn_like(part) if part.is_floating_point() else part for part in state.tensors()]
    )


def nats(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits.flatten(0, 1), targets.flatten()).detach()


# What a prediction sees


@each_config
@pytest.mark.parametrize("place", range(1, len(TEXT)))
def test_a_prediction_sees_every_character_but_its_own(config, place):
    """Logits row t − 1 is what is thought of x_t."""
    network = network_of(config)
    state = random_state(network)
    logits, _ = network(TEXT, state)
    changed = TEXT.clone()
    changed[place] = (changed[place] + 1) % 6
    moved = (network(changed, state)[0] - logits).abs().amax(dim=(1, 2))
    assert moved[place - 1] == 0
    others = torch.cat([moved[: place - 1], moved[place:]])
    if config.nonlinearity == "tanh":
        assert others.min() > 1e-12
    else:  # units that are off may hide what is far
        assert others[max(place - 2, 0) : place].min() > 0


def test_no_prediction_is_of_the_first_character_but_it_is_seen():
    network = network_of(CONFIGS[0])
    changed = torch.cat([(TEXT[:1] + 1) % 6, TEXT[1:]])
    state = random_state(network)
    assert len(network(TEXT, state)[0]) == len(TEXT) - 1
    assert (network(changed, state)[0] - network(TEXT, state)[0]).abs().amax(dim=(1, 2)).min() > 1e-12


@each_config
def test_the_carried_state_is_the_forward_networks(config):
    network = network_of(config)
    state = random_state(network)
    after, expected_after = network(TEXT, state)[1], network.forward_network(TEXT[:-1], state)[1]
    for found, expected in zip(after.tensors(), expected_after.tensors(), strict=True):
        assert torch.equal(found, expected)


@each_config
@pytest.mark.parametrize("lookahead", [1, 3])
def test_looking_ahead_changes_neither_the_state_nor_what_a_longer_window_says(config, lookahead):
    network = network_of(config)
    state = random_state(network)
    whole, _ = network(TEXT, state)
    logits, after = network(TEXT, state, lookahead)
    torch.testing.assert_close(logits, whole[:-lookahead], rtol=0, atol=1e-12)
    _, expected_after = network(TEXT[:-lookahead], state)
    for found, expected in zip(after.tensors(), expected_after.tensors(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


# The halves


@each_config
def test_each_half_is_a_network_by_itself(config):
    network = network_of(config)
    state = random_state(network)
    found, _ = network.predictions(TEXT, state)
    forward, _ = network.forward_network(TEXT[:-1], state)
    torch.testing.assert_close(found.forward, forward, rtol=0, atol=1e-12)
    backward = Network(replace(config, kind="language_model")).double()
    backward.load_state_dict(network.backward_network.state_dict())
    reversed_text = TEXT.flip(0)
    of_reversed, _ = backward(reversed_text, backward.initial_state(2))
    torch.testing.assert_close(found.backward[:-1].flip(0), of_reversed[:-2], rtol=0, atol=1e-12)
    assert torch.equal(found.backward[-1, 0], backward.output.bias), "nothing follows: the zero state"
    torch.testing.assert_close(found.joint, network(TEXT, state)[0], rtol=0, atol=1e-12)


@each_config
def test_names_and_shapes_are_the_model_files(config):
    weights = BidirectionalNetwork(config).state_dict()
    assert {key: tuple(value.shape) for key, value in weights.items()} == weight_shapes(config)
    assert sum(value.numel() for value in weights.values()) == parameter_count(config)


@pytest.mark.parametrize("inputs", INPUTS, ids=str)
def test_both_stacks_are_counted_as_work(inputs):
    config = ModelConfig(6, layers=2, hidden=5, kind="bidirectional", **inputs)
    one = replace(config, kind="language_model")
    assert dense_parameters(config) == 2 * dense_parameters(one) + 2 * config.output_size * 6 + 6


@each_config
def test_the_numpy_engine_of_each_half_agrees(config, tmp_path):
    """Through the model file; within 1e-4 in log-probability."""
    network = network_of(config, scale=0.4).float().eval()
    weights = {key: value.detach().numpy() for key, value in network.state_dict().items()}
    stored = ModelFile(config, Vocabulary("\nabcde"), weights, {})
    found, _ = network.predictions(TEXT[:, :1], network.initial_state(1))
    texts = (TEXT[:-1, 0], TEXT.flip(0)[:-2, 0])
    expected = (found.forward[:, 0], found.backward[:-1, 0].flip(0))
    for half, ids, logits in zip(
        directions(read_model(written(tmp_path, stored))), texts, expected, strict=True
    ):
        engine = Engine(half.config, half.weights)
        state, buffers = engine.initial(), engine.buffers()
        for i, row in zip(ids.numpy(), logits, strict=True):
            stepped, state = engine.step(np.array([i]), state, buffers)
            of_engine = torch.from_numpy(stepped[0]).log_softmax(-1)
            torch.testing.assert_close(of_engine, row.log_softmax(-1), rtol=0, atol=1e-4)


# The model file


def test_what_is_written_comes_back_and_its_halves_are_models(tmp_path):
    stored = random_model(NGRAMS)
    read = read_model(written(tmp_path, stored))
    assert read.config == NGRAMS
    assert read.weights.keys() == weight_shapes(NGRAMS).keys()
    forward, backward = directions(read)
    for half, prefix in ((forward, "forward_network."), (backward, "backward_network.")):
        assert half.config == replace(NGRAMS, kind="language_model")
        assert {key: w.shape for key, w in half.weights.items()} == weight_shapes(half.config)
        assert (half.vocabulary, half.provenance) == (read.vocabulary, read.provenance)
        for key, weight in half.weights.items():
            np.testing.assert_array_equal(weight, stored.weights[prefix + key])


def test_only_the_tables_stay_in_half_precision(tmp_path):
    large = replace(NGRAMS, ngram_rows=1 << 17)
    for half in directions(read_model(written(tmp_path, random_model(large)))):
        kinds = {key: weight.dtype for key, weight in half.weights.items()}
        assert kinds.pop("ngrams.weight") == np.float16
        assert set(kinds.values()) == {np.dtype(np.float32)}


def as_0_1_wrote_it(config, *bidirectional):
    """The configuration with a boolean, or without a word, instead of a kind."""
    rest = {name: value for name, value in vars(config).items() if name != "kind"}
    return rest | ({"bidirectional": bidirectional[0]} if bidirectional else {})


def test_a_file_without_the_key_is_a_language_models(tmp_path, monkeypatch):
    plain = random_model(ModelConfig(6, hidden=4))
    monkeypatch.setattr(model_file, "to_json", as_0_1_wrote_it)
    assert read_model(written(tmp_path, plain)).config == plain.config


@pytest.mark.parametrize("config", [NGRAMS, ModelConfig(6, hidden=4)], ids=lambda config: config.kind)
def test_the_boolean_of_0_1_is_the_kind(config, tmp_path, monkeypatch):
    is_so = config.kind == "bidirectional"
    monkeypatch.setattr(model_file, "to_json", lambda config: as_0_1_wrote_it(config, is_so))
    assert read_model(written(tmp_path, random_model(config))).config == config


def test_kind_and_boolean_at_once_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(model_file, "to_json", lambda config: vars(config) | {"bidirectional": True})
    with pytest.raises(ValueError, match="unknown setting 'bidirectional'"):
        read_model(written(tmp_path, random_model(NGRAMS)))


def test_an_unknown_kind_is_named_with_those_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(model_file, "to_json", lambda config: vars(config) | {"kind": "oracle"})
    with pytest.raises(
        ValueError, match="its kind is 'oracle': it must be one of language_model, bidirectional"
    ):
        read_model(written(tmp_path, random_model(NGRAMS)))


@pytest.mark.parametrize("value", [1, "true", None, [True]])
def test_another_value_than_true_or_false_is_refused(value, tmp_path, monkeypatch):
    stored = random_model(NGRAMS)
    monkeypatch.setattr(model_file, "to_json", lambda config: as_0_1_wrote_it(config, value))
    with pytest.raises(ValueError, match=r"its bidirectional is .*, not true or false"):
        read_model(written(tmp_path, stored))


def test_it_is_not_loaded_to_sample_or_score(tmp_path):
    path = written(tmp_path, random_model(NGRAMS))
    with pytest.raises(ModelFileError, match=r"is bidirectional: it fills blanks, see `charnn fill`"):
        load(path)


# The losses


@each_config
def test_three_losses_are_lowered_and_the_joint_one_is_reported(config):
    network = network_of(config)
    state = random_state(network)
    loss = BidirectionalObjective(joint_weight=0.2).loss(network, TEXT[:-1], TEXT[1:], state)
    found, after = network.predictions(TEXT, state)
    joint, forward, backward = (float(nats(logits, TEXT[1:])) for logits in found)
    assert float(loss.reported.detach()) == pytest.approx(joint, rel=1e-5)
    trained = 0.2 * joint + 0.8 * (forward + backward) / 2
    assert float(loss.trained.detach()) == pytest.approx(trained, rel=1e-5)
    assert all(
        torch.equal(mine, theirs) for mine, theirs in zip(loss.state.tensors(), after.tensors(), strict=True)
    )
    loss.trained.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_window_of_a_single_character():
    network = network_of(NGRAMS)
    loss = BidirectionalObjective().loss(network, TEXT[:1], TEXT[1:2], network.initial_state(2))
    assert loss.trained.isfinite()


def test_validation_measures_the_joint_prediction_without_what_is_ahead():
    network = network_of(NGRAMS).eval()
    state = random_state(network)
    found, _ = BidirectionalObjective().nats(network, TEXT, 2, state)
    logits = network(TEXT, state)[0][:-2]
    assert float(found.detach().mean()) == pytest.approx(float(nats(logits, TEXT[1:-2])), rel=1e-5)


def test_dropout_falls_on_all_three_predictions_in_training_alone():
    network = network_of(replace(CONFIGS[0], dropout=0.5))
    state = network.initial_state(2)
    for one, other in zip(
        network.predictions(TEXT, state)[0], network.predictions(TEXT, state)[0], strict=True
    ):
        assert not torch.equal(one, other)
    network.eval()
    for one, other in zip(
        network.predictions(TEXT, state)[0], network.predictions(TEXT, state)[0], strict=True
    ):
        assert torch.equal(one, other)
