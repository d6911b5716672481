"""The updates are those of torch's own AdamW and SparseAdam."""

import copy

import pytest
import torch
from torch.optim import AdamW, SparseAdam

from charnn.config import ModelConfig, OptimConfig
from charnn.model.network import Network
from charnn.training import optimizer as optimizer_module
from charnn.training.optimizer import Optimizer

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
def test_as_torchs_own(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    eps = 1e-20  # SparseAdam adds it before correcting the bias, AdamW after
    monkeypatch.setattr(optimizer_module, "EPSILON", eps)
    twin = copy.deepcopy(network)
    dense = [p for name, p in twin.named_parameters() if name != "ngrams.weight"]
    groups = [
        {"params": [p for p in dense if p.ndim > 1], "weight_decay": OPTIM.weight_decay},
        {"params": [p for p in dense if p.ndim <= 1], "weight_decay": 0.0},
    ]
    betas = (OPTIM.beta1, OPTIM.beta2)
    assert twin.ngrams is not None
    theirs = [
        AdamW(groups, lr=LR, betas=betas, eps=eps),
        SparseAdam([twin.ngrams.weight], lr=LR, betas=betas, eps=eps),
    ]
    ours = Optimizer(network, OPTIM)
    for step in range(20):
        norm = ours.step(loss_of(network, step), LR)
        for optimizer in theirs:
            optimizer.zero_grad()
        loss_of(twin, step).backward()
        assert float(torch.nn.utils.clip_grad_norm_(dense, OPTIM.clip)) == pytest.approx(
            float(norm), rel=1e-5
        )
        for optimizer in theirs:
            optimizer.step()
    for mine, other in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


def test_rows_that_were_not_seen_stand_still(network: Network) -> None:
    assert network.ngrams is not None
    before = network.ngrams.weight.detach().clone()
    optimizer = Optimizer(network, OPTIM)
    for _ in range(3):
        optimizer.step(loss_of(network, 0), LR)
    moved = (network.ngrams.weight != before).any(dim=1)
    assert 0 < int(moved.sum()) <= 2 * 6 * 2  # orders × places × streams


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
