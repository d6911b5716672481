"""A ReLU network's recurrent matrices never stretch a state."""

import pytest
import torch

from charnn.config import ModelConfig, OptimConfig
from charnn.model.network import Network
from charnn.training.optimizer import Optimizer
from charnn.training.spectral_norm import limit_spectral_norm, relu_recurrent_matrices, spectral_norm


def test_the_norm_is_the_largest_singular_value() -> None:
    weight = torch.rand(20, 20, generator=torch.Generator().manual_seed(0)) - 0.1
    assert float(spectral_norm(weight)) == pytest.approx(float(torch.linalg.matrix_norm(weight, 2)), rel=1e-3)


def test_only_what_stretches_is_scaled_down() -> None:
    for factor, after in ((0.5, 0.5), (3.0, 1.0)):
        weight = torch.eye(4) * factor
        limit_spectral_norm(weight)
        torch.testing.assert_close(weight, torch.eye(4) * after)


def test_it_is_for_relu_networks_alone() -> None:
    for cell, nonlinearity, held in (("rnn", "relu", 2), ("rnn", "tanh", 0), ("lstm", "relu", 0)):
        network = Network(ModelConfig(5, cell=cell, nonlinearity=nonlinearity, hidden=3, layers=2))
        assert len(relu_recurrent_matrices(network)) == held


def test_an_update_ends_with_it() -> None:
    torch.manual_seed(0)
    network = Network(ModelConfig(5, cell="rnn", nonlinearity="relu", hidden=8))
    optimizer = Optimizer(network, OptimConfig())
    for step in range(30):
        ids = torch.randint(0, 5, (6, 2), generator=torch.Generator().manual_seed(step))
        logits, _ = network(ids, network.initial_state(2))
        optimizer.step(-logits.mean(), lr=0.1)
    assert float(torch.linalg.matrix_norm(network.rnn.weight_hh_l0.detach(), 2)) < 1.05
