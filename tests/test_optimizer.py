"""The updates are those of torch's own AdamW and of a naive row-wise Adagrad."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.optim import AdamW

from charnn.config import ModelConfig, OptimConfig
from charnn.model.bidirectional import BidirectionalNetwork
from charnn.model.network import Network
from charnn.training.objective import BidirectionalObjective
from charnn.training.optimizer import EPSILON, TABLE_RATE, Gradients, Optimizer

CONFIG = ModelConfig(6, hidden=5, embedding=3, ngrams=3, ngram_rows=16)
OPTIM = OptimConfig(weight_decay=0.1, clip=0.5)
LR = 0.01


def loss_of(network: Network, step: int) -> torch.Tensor:
    ids = torch.randint(0, 6, (7, 2), generator=torch.Generator().manual_seed(step))
    logits, _ = network(ids[:-1], network.initial_state(2))
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten())


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(CONFIG)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_dense_weights_move_as_by_torchs_adamw_and_rows_by_adagrad_of_their_own(network: Network) -> None:
    twin = copy.deepcopy(network)
    assert twin.ngrams is not None
    table = twin.ngrams.weight
    dense = [p for p in twin.parameters() if p is not table]
    groups = [
        {"params": [p for p in dense if p.ndim > 1], "weight_decay": OPTIM.weight_decay},
        {"params": [p for p in dense if p.ndim <= 1], "weight_decay": 0.0},
    ]
    theirs = AdamW(groups, lr=LR, betas=(OPTIM.beta1, OPTIM.beta2), eps=EPSILON)
    squares = [0.0] * len(table)
    ours = Optimizer(network, OPTIM)
    for step in range(20):
        norm = ours.step(loss_of(network, step), LR)
        twin.zero_grad()
        loss_of(twin, step).backward()
        assert float(torch.nn.utils.clip_grad_norm_(dense, OPTIM.clip)) == pytest.approx(
            float(norm), rel=1e-5
        )
        theirs.step()
        assert table.grad is not None
        for row, gradient in enumerate(table.grad.to_dense()):
            squares[row] += float(gradient.square().mean())
            if squares[row]:
                table.data[row] -= TABLE_RATE * LR * gradient / squares[row] ** 0.5
    for mine, other in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_rows_that_were_not_seen_stand_still(network: Network) -> None:
    assert network.ngrams is not None
    before = network.ngrams.weight.detach().clone()
    optimizer = Optimizer(network, OPTIM)
    for _ in range(3):
        optimizer.step(loss_of(network, 0), LR)
    moved = (network.ngrams.weight != before).any(dim=1)
    assert 0 < int(moved.sum()) <= 2 * 6 * 2  # orders × places × streams


def test_both_tables_of_a_bidirectional_network_are_moved_and_restored() -> None:
    torch.manual_seed(0)
    network = BidirectionalNetwork(replace(CONFIG, kind="bidirectional"))
    ids = torch.randint(0, 6, (7, 2))
    optimizer = Optimizer(network, OPTIM)
    loss = BidirectionalObjective().loss(network, ids[:-1], ids[1:], network.initial_state(2))
    optimizer.step(loss.trained, LR)
    for half in (network.forward_network, network.backward_network):
        assert half.ngrams is not None
        assert 0 < int(half.ngrams.weight.any(dim=1).sum()) <= 2 * 6 * 2  # orders × places × streams
    other = Optimizer(copy.deepcopy(network), OPTIM)
    other.restore(optimizer.tensors())
    squares = [optimizer.tensors()[f"table.{i}.squares"] for i in range(2)]
    assert not torch.equal(*squares)
    assert all(torch.equal(squares[i], other.tensors()[f"table.{i}.squares"]) for i in range(2))


def test_restored_is_the_same(network: Network) -> None:
    twin = copy.deepcopy(network)
    optimizer = Optimizer(network, OPTIM)
    for step in range(3):
        optimizer.step(loss_of(network, step), LR)
    other = Optimizer(twin, OPTIM)
    twin.load_state_dict(network.state_dict())
    other.restore(optimizer.tensors())
    for step in range(3, 6):
        optimizer.step(loss_of(network, step), LR)
        other.step(loss_of(twin, step), LR)
    for mine, restored in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine, restored)


def test_making_one_does_not_load_the_compiler() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from charnn.config import *; from charnn.model.network import Network;"
        "from charnn.training.optimizer import Optimizer; Optimizer(Network(ModelConfig(3, hidden=2)), OptimConfig());"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_update_is_by_what_the_gradients_are_reduced_to(network: Network) -> None:
    """As several processes do: here the gradients of another process replace one's own."""
    sent: list[Gradients] = []

    def send(gradients: Gradients) -> Gradients:
        sent.append(
            Gradients(
                [g.clone() for g in gradients.dense], [g.clone() for g in gradients.tables if g is not None]
            )
        )
        return gradients

    twin = copy.deepcopy(network)
    norm = Optimizer(network, OPTIM, send).step(loss_of(network, 0), LR)
    same_norm = Optimizer(twin, OPTIM, lambda _: sent[0]).step(loss_of(twin, 1), LR)
    assert torch.equal(norm, same_norm)
    for weight, of_twin in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(weight, of_twin)
