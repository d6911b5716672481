"""AdamW over a network's parameters, and its state as named tensors."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from charnn.config import OptimConfig


def make_optimizer(parameters: Iterable[nn.Parameter], optim: OptimConfig) -> AdamW:
    """AdamW (Loshchilov and Hutter 2019); biases don't decay."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": optim.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = parameters[0].device.type in ("cpu", "cuda")
    return AdamW(groups, lr=optim.lr, betas=(optim.beta1, optim.beta2), fused=fused)


def set_learning_rate(optimizer: AdamW, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def optimizer_tensors(optimizer: AdamW) -> dict[str, Tensor]:
    """The moments and step counts, named `INDEX.KEY`."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, entry in state.items() for key, value in entry.items()}


def restore_optimizer(optimizer: AdamW, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def clip_gradients(parameters: Iterable[nn.Parameter], clip: float) -> Tensor:
    """Scale the gradients to a global norm of at most `clip`; returns the norm before (Pascanu et al. 2013)."""
    return nn.utils.clip_grad_norm_(parameters, clip if clip > 0 else torch.inf)
