"""What is chosen where the user chose nothing."""

from dataclasses import fields, replace
from itertools import pairwise

import pytest

from charnn.config import DEFAULT_MINUTES, Budget, DataConfig, ModelConfig, OptimConfig
from charnn.training.options import checked_options
from charnn.training.recipe import RecipeInputs, choose, choose_budget

PLAY = RecipeInputs(train_chars=1_000_000, vocab_size=65, gflops=100.0)
DATA = DataConfig(("a.txt",))
EXPLICIT = {
    "cell": "gru",
    "layers": 3,
    "hidden": 77,
    "embedding": 5,
    "skip_connection": "input",
    "dropout": 0.123,
    "batch_size": 9,
    "seq_length": 21,
    "lr": 0.0123,
    "clip": 3.5,
    "weight_decay": 0.456,
    "seed": 42,
    "precision": "fp32",
    "threads": 3,
    "init_from": "m.safetensors",
}
PLAIN = ("vocab_size", "cell", "nonlinearity", "layers", "hidden", "embedding", "dropout")


def chosen(options=None, inputs: RecipeInputs = PLAY):
    return choose(options or {}, DATA, inputs)


def flat(config) -> dict[str, object]:
    return {
        f.name: getattr(part, f.name) for part in (config.model, config.optim, config) for f in fields(part)
    }


@pytest.mark.parametrize(("name", "value"), EXPLICIT.items())
@pytest.mark.parametrize("budget", [{"minutes": 1}, {"steps": 500}, {"epochs": 30}, {}], ids=str)
def test_every_explicit_option_wins(name, value, budget):
    assert flat(chosen({**budget, name: value}))[name] == value


@pytest.mark.parametrize("budget", [{"minutes": 10}, {"steps": 5000}], ids=str)
def test_two_stacks_share_the_minutes(budget):
    both, one = chosen({**budget, "bidirectional": True}), chosen(budget)
    assert (both.model.kind, one.model.kind) == ("bidirectional", "language_model")
    assert (both.model.hidden < one.model.hidden) is ("minutes" in budget)
    assert both.optim == replace(one.optim, lr=both.optim.lr)


def test_explicit_options_win_together():
    found = flat(chosen(EXPLICIT))
    assert {name: found[name] for name in EXPLICIT} == EXPLICIT


def test_the_nonlinearity_is_taken():
    assert chosen({"cell": "rnn", "nonlinearity": "relu"}).model.nonlinearity == "relu"


@pytest.mark.parametrize(
    "options", [{"cell": "lstm"}, {"cell": "gru"}, {"cell": "rnn"}, {"embedding": 0}, {"embedding": 32}]
)
@pytest.mark.parametrize("minutes", [1, 10, 100])
def test_a_cell_or_an_input_that_is_named_is_plain(options, minutes):
    """Nothing is added to what the user named: no setting beyond the plain network's differs from off."""
    model = chosen({**options, "minutes": minutes}).model
    for field in fields(ModelConfig):
        if field.name not in PLAIN:
            assert getattr(model, field.name) == field.default, field.name
    if "cell" in options and "embedding" not in options:
        assert model.embedding == 0


def test_the_output_layer_reads_what_ngrams_add_to_the_input():
    """But nothing is added to what the user named."""
    assert chosen().model.skip_connection == chosen({"ngrams": 3}).model.skip_connection == "input"
    for options in ({"ngrams": 0}, {"cell": "lstm", "ngrams": 5}, {"embedding": 32, "ngrams": 5}):
        assert chosen(options).model.skip_connection == "none"
    assert chosen({"skip_connection": "none"}).model.skip_connection == "none"
    assert chosen({"embedding": 9, "skip_connection": "input"}).model.skip_connection == "input"


def test_budget_as_given_else_ten_minutes():
    assert choose_budget({}) == Budget(minutes=DEFAULT_MINUTES)
    assert choose_budget({"steps": 5}) == Budget(steps=5)
    assert choose_budget({"minutes": 1, "epochs": 2.5}) == Budget(minutes=1, epochs=2.5)


@pytest.mark.parametrize("options", [{"steps": 2000}, {"epochs": 3}, {"steps": 10, "epochs": 1}])
def test_a_plan_in_steps_or_epochs_does_not_depend_on_the_machine(options):
    """Two machines train the same network."""
    slow, fast = (chosen(options, replace(PLAY, gflops=gflops)) for gflops in (1.0, 1e6))
    assert slow == fast == chosen(options, replace(PLAY, gflops=None))


def test_a_plan_in_minutes_does():
    slow, fast = (chosen({"minutes": 10}, replace(PLAY, gflops=gflops)).model for gflops in (10.0, 1000.0))
    assert slow.hidden < fast.hidden


SIZES = (50_000, 1_000_000, 30_000_000, 10_000_000_000)
MINUTES = (0.5, 2, 10, 100, 1000)


@pytest.mark.parametrize("train_chars", SIZES)
@pytest.mark.parametrize("minutes", MINUTES)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("vocab_size", [2, 65, 20_000])
def test_everything_chosen_is_sensible(train_chars, minutes, device, vocab_size):
    gflops = 100.0 if device == "cpu" else 20_000.0
    config = chosen({"minutes": minutes}, RecipeInputs(train_chars, vocab_size, device, gflops))
    model, optim = config.model, config.optim
    assert 32 <= model.hidden <= 4096
    assert 1 <= model.layers <= 8
    assert 0 <= model.dropout <= 0.7
    assert 1e-5 < optim.lr < 0.1
    assert 1 <= optim.batch_size <= 1024
    assert 8 <= optim.seq_length <= 1024
    assert model.input_size <= 1024
    flags = {**flat(config), "minutes": minutes}
    checked_options(
        {name: flags[name] for name in ("hidden", "layers", "dropout", "lr", "batch_size", "seq_length")}
    )


@pytest.mark.parametrize("train_chars", SIZES)
def test_more_time_never_means_a_smaller_network(train_chars):
    networks = [chosen({"minutes": m}, RecipeInputs(train_chars, 65, "cpu", 100.0)).model for m in MINUTES]
    assert all(a.hidden <= b.hidden for a, b in pairwise(networks))
    assert networks[0].hidden < networks[-1].hidden


def test_the_more_often_a_text_is_read_the_more_dropout():
    dropouts = [chosen({"epochs": epochs}).model.dropout for epochs in (0.5, 2, 5, 15, 40, 200)]
    assert dropouts == sorted(dropouts)
    assert dropouts[0] < 0.1 < dropouts[-1]


def test_a_large_alphabet_is_embedded():
    """One-hot input of tens of thousands would be most of the network."""
    model = chosen({}, replace(PLAY, vocab_size=50_000)).model
    assert 0 < model.embedding < 1000


def test_cells_without_gates_learn_slower():
    rates = [
        chosen({"hidden": 256, **cell}).optim.lr
        for cell in ({"cell": "rnn", "nonlinearity": "relu"}, {"cell": "rnn"}, {"cell": "lstm"})
    ]
    assert rates == sorted(rates)
    assert rates[0] < rates[2]


def test_only_networks_with_gates_do_without_momentum():
    momenta = {cell: chosen({"cell": cell}).optim.beta1 for cell in ("lstm", "gru", "rnn")}
    assert momenta == {"lstm": 0, "gru": 0, "rnn": OptimConfig().beta1}


def test_what_is_not_chosen_is_the_default():
    optim, default = chosen({}).optim, OptimConfig()
    assert (optim.clip, optim.beta2) == (default.clip, default.beta2)
    assert chosen({}).data is DATA


@pytest.mark.parametrize(("chars", "epochs"), [(2_000, 12), (20_000, 20), (200_000, 35)])
def test_a_longer_list_is_read_more_often(chars, epochs):
    """300, 3,000 and 30,000 names, of about 7 characters."""
    found = chosen({}, RecipeInputs(chars, 30, "cpu", 100.0, is_collection=True)).budget.epochs
    assert found == pytest.approx(epochs, abs=2)


def test_fine_tuning_takes_more_streams_of_a_longer_text_and_a_higher_rate_for_them():
    def optim(chars, **options):
        inputs = RecipeInputs(chars, vocab_size=65, gflops=None, is_warm=True)
        return choose({"hidden": 512, "steps": 100, **options}, DataConfig(), inputs).optim

    small, middle, long = optim(5_000), optim(50_000), optim(1_000_000)
    assert (small.batch_size, small.seq_length) == (OptimConfig.batch_size, OptimConfig.seq_length)
    assert small.batch_size < middle.batch_size < long.batch_size == optim(50_000_000).batch_size
    assert small.lr < middle.lr < long.lr
    assert optim(1_000_000, batch_size=16).lr < long.lr
    assert optim(1_000_000, batch_size=16).batch_size == 16
