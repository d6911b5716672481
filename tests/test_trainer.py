"""One step of truncated back-propagation through time, and everything it depends on."""

import json
from dataclasses import asdict
from math import inf, nan

import pytest
import torch
from torch.nn.functional import cross_entropy
from training_helpers import opened, write_corpus

from charnn.config import DataConfig, ModelConfig, OptimConfig, TrainConfig
from charnn.data.batches import BatchStream
from charnn.storage.strict_json import decode
from charnn.storage.train_state import Plan, TrainState
from charnn.training.task import TextTask
from charnn.training.trainer import Trainer

CELLS = (("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu"))
PLAN = Plan(0, 100, 0.0, eval_every=10, log_every=1)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trainer")
    return opened(folder, write_corpus(folder))


def config_of(corpus, seed: int = 0, **changes: object) -> TrainConfig:
    model = {"cell": "lstm", "layers": 2, "hidden": 6, **{k: changes[k] for k in changes if k not in OPTIM}}
    optim = {
        "batch_size": 3,
        "seq_length": 16,
        "lr": 0.05,
        "warmup": 0,
        **{k: changes[k] for k in changes if k in OPTIM},
    }
    return TrainConfig(
        ModelConfig(len(corpus.vocabulary), **model),
        DataConfig(),
        OptimConfig(**optim),
        seed=seed,
        device="cpu",
    )


OPTIM = OptimConfig.__dataclass_fields__


def trainer_of(corpus, **changes: object) -> Trainer:
    config = config_of(corpus, **changes)
    trainer = Trainer(config, TextTask(config, corpus))
    trainer.train_state.plans.append(PLAN)
    return trainer


def parameters(trainer: Trainer) -> list[torch.nn.Parameter]:
    return list(trainer.network.parameters())


def gradients(trainer: Trainer) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in parameters(trainer)]


def unclipped(trainer: Trainer, step: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The gradients of the trainer's window at `step`, by stepping through it one character at a time, and its loss."""
    inputs, targets = trainer.task.batch(step, trainer.device)
    state, rows = trainer.state, []
    for ids in inputs:
        row, state = trainer.network(ids[None], state)
        rows.append(row)
    loss = cross_entropy(torch.cat(rows).flatten(0, 1), targets.flatten())
    return list(torch.autograd.grad(loss, parameters(trainer))), loss.detach()


@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_truncated_is_full_when_nothing_is_truncated(cell, nonlinearity, corpus):
    """A batch as long as the streams: the gradient is that of the whole text, step by step from the zero state."""
    trainer = trainer_of(corpus, cell=cell, nonlinearity=nonlinearity, seq_length=1000, clip=0.0)
    assert trainer.task.batches_per_epoch == 1
    expected, loss = unclipped(trainer, 0)
    trainer.step()
    for found, wanted in zip(gradients(trainer), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-7)
    assert trainer.averages()[0] == pytest.approx(float(loss), rel=1e-5)


def test_the_carried_state_is_a_constant(corpus):
    """In later windows the state before is carried, and the gradient stops there."""
    trainer = trainer_of(corpus, clip=0.0)
    trainer.step()
    carried = trainer.state
    assert all(part.grad_fn is None and part.abs().sum() > 0 for part in carried.tensors())
    expected, _ = unclipped(trainer, 1)
    trainer.step()
    for found, wanted in zip(gradients(trainer), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-7)


def test_the_state_is_carried_over_batches_and_reset_at_the_end_of_the_streams(corpus, monkeypatch):
    trainer = trainer_of(corpus)
    windows = trainer.task.batches_per_epoch
    given, forward = [], trainer.network.forward

    def watched(ids, state, *noise):
        given.append(state)
        return forward(ids, state, *noise)

    monkeypatch.setattr(trainer.network, "forward", watched)
    for _ in range(windows + 2):
        before = trainer.state
        trainer.step()
        assert given[-1] is before or (trainer.train_state.step - 1) % windows == 0
    is_zero = [all(not part.any() for part in state.layers) for state in given]
    assert is_zero == [step % windows == 0 for step in range(windows + 2)]


def test_gradients_are_clipped_to_a_global_norm(corpus):
    trainer = trainer_of(corpus, clip=0.01)
    trainer.step()
    total = torch.sqrt(sum((gradient**2).sum() for gradient in gradients(trainer)))
    assert float(total) == pytest.approx(0.01, rel=1e-3)
    assert trainer.averages()[1] > 0.02, "the norm reported is that before clipping"


def test_biases_do_not_decay(corpus):
    """With a rate of decay that halves the matrices at each step, biases move by the gradient alone."""
    plain, decayed = trainer_of(corpus, weight_decay=0.0), trainer_of(corpus, weight_decay=10.0)
    plain.step()
    decayed.step()
    pairs = zip(parameters(plain), parameters(decayed), strict=True)
    for one, other in pairs:
        assert torch.equal(one, other) == (one.ndim == 1)


def test_the_learning_rate_is_the_schedules(corpus):
    """Adam's first step moves a weight by the rate, whatever its gradient."""
    trainer = trainer_of(corpus, weight_decay=0.0)
    trainer.train_state.lr_scale = 0.5
    trainer.train_state.step = 50
    middle = 0.5 * 0.05 * (0.01 + 0.99 / 2)
    assert trainer.lr == pytest.approx(middle)
    before = [parameter.detach().clone() for parameter in parameters(trainer)]
    trainer.step()
    moved = [(now.detach() - then).abs().max() for now, then in zip(parameters(trainer), before, strict=True)]
    assert float(max(moved)) == pytest.approx(middle, rel=1e-3)


def test_averages_are_means_since_the_last_restart(corpus):
    trainer = trainer_of(corpus)
    losses = []
    for _ in range(3):
        losses.append(float(unclipped(trainer, trainer.train_state.step)[1]))
        trainer.step()
    assert trainer.averages()[0] == pytest.approx(sum(losses) / 3, rel=1e-4)
    trainer.restart_averages()
    assert trainer.averages() == (0.0, 0.0)


def test_counts(corpus):
    trainer = trainer_of(corpus)
    for _ in range(trainer.task.batches_per_epoch):
        trainer.step()
    assert trainer.epoch == 1.0
    assert trainer.train_state.chars == 3 * ((len(corpus.train) - 1) // 3)


@pytest.mark.parametrize(
    ("loss", "norm", "healthy"),
    [
        (1.0, 1.0, True),
        (nan, 1.0, False),
        (inf, 1.0, False),
        (1.0, nan, False),
        (1.0, inf, False),
        (40.0, 1.0, False),
    ],
)
def test_health(loss, norm, healthy, corpus):
    trainer = trainer_of(corpus)
    trainer.sums = torch.tensor([loss, norm])
    trainer.train_state.averaged = 1
    assert trainer.is_healthy is healthy


@pytest.mark.parametrize("poison", [nan, inf])
def test_a_poisoned_weight_is_noticed_at_the_next_step(poison, corpus):
    trainer = trainer_of(corpus)
    trainer.step()
    assert trainer.is_healthy
    with torch.no_grad():
        parameters(trainer)[0][0, :] = poison
    trainer.step()
    assert not trainer.is_healthy


def test_it_learns(corpus):
    trainer = trainer_of(corpus, layers=1, hidden=24)
    before = trainer.evaluate(lambda: False)
    for _ in range(60):
        trainer.step()
    assert trainer.evaluate(lambda: False) < before - 0.5


def test_one_seed_one_run(corpus):
    def weights(seed: int) -> torch.Tensor:
        trainer = trainer_of(corpus, seed=seed, dropout=0.4)
        for _ in range(3):
            trainer.step()
        return trainer.network.output.weight.detach()

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_restored_it_goes_on_to_the_bit(cell, nonlinearity, corpus):
    options = {"cell": cell, "nonlinearity": nonlinearity, "dropout": 0.4}
    straight, saved = trainer_of(corpus, **options), None
    for step in range(9):
        if step == 4:
            saved = {name: value.clone() for name, value in straight.tensors().items()}
            train_state = straight.train_state.copy()
        straight.step()
    config = config_of(corpus, **options)
    resumed = Trainer(config, TextTask(config, corpus))
    resumed.restore(saved, train_state)
    for _ in range(5):
        resumed.step()
    expected = straight.tensors()
    assert resumed.train_state == straight.train_state
    assert all(torch.equal(value, expected[name]) for name, value in resumed.tensors().items())


def test_everything_the_next_step_depends_on_is_in_the_tensors(corpus):
    trainer = trainer_of(corpus)
    trainer.step()
    names = trainer.tensors().keys()
    for name, _ in trainer.network.named_parameters():
        assert f"network.{name}" in names
    for moment in ("average", "square", "count"):
        held = [name for name in names if name.startswith("optimizer.") and name.endswith(f".{moment}")]
        assert len(held) == len(parameters(trainer))
    assert {"state.0", "state.1", "rng.cpu", "sums"} <= names


def test_the_train_state_survives_json(corpus):
    train_state = TrainState(7, 5, 900, [PLAN, Plan(5, 80, 0.1, 3, 2, 12.5)], 1.5, 0.25, 2, 1)
    assert decode(TrainState, json.loads(json.dumps(asdict(train_state)))) == train_state


def test_without_validation_there_is_nothing_to_evaluate(tmp_path):
    corpus = opened(tmp_path, write_corpus(tmp_path), val_fraction=0.0)
    assert trainer_of(corpus).evaluate(lambda: False) is None


def test_batches_are_those_of_the_streams(corpus, monkeypatch):
    """The position is the step: every window of an epoch is read once and in order."""
    read, window = [], BatchStream.batch
    monkeypatch.setattr(
        BatchStream, "batch", lambda self, at, *streams: read.append(at) or window(self, at, *streams)
    )
    trainer = trainer_of(corpus)
    for _ in range(5):
        trainer.step()
    assert read == [0, 1, 2, 3, 4]
