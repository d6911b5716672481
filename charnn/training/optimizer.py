"""AdamW for the network, a lazy Adam for its n-gram tables, and their state as named tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer, SparseAdam

from charnn.config import OptimConfig
from charnn.model.network import Network


class Optimizers:
    """One step of a network's update.

    AdamW (Loshchilov and Hutter 2019) moves the dense weights; biases don't decay. The n-gram tables have sparse
    gradients: SparseAdam touches the rows of the n-grams that were seen, and no others.
    """

    def __init__(self, network: Network, optim: OptimConfig) -> None:
        self._clip = optim.clip if optim.clip > 0 else torch.inf
        tables = [] if network.ngrams is None else [network.ngrams.weight]
        self._dense = [p for p in network.parameters() if all(p is not table for table in tables)]
        self._members: dict[str, Optimizer] = {"dense": _adamw(self._dense, optim)}
        if tables:
            self._members["sparse"] = SparseAdam(tables, lr=optim.lr, betas=(optim.beta1, optim.beta2))

    @property
    def lr(self) -> float:
        """The learning rate of the last step."""
        return float(self._members["dense"].param_groups[0]["lr"])

    def step(self, loss: Tensor, lr: float) -> Tensor:
        """Back-propagate, clip the dense gradients to a global norm (Pascanu et al. 2013), update.

        Returns the norm before clipping.
        """
        for member in self._members.values():
            member.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._dense, self._clip)
        for member in self._members.values():
            for group in member.param_groups:
                group["lr"] = lr
            member.step()
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """Moments and step counts, named `MEMBER.INDEX.KEY`."""
        return {
            f"{name}.{index}.{key}": torch.as_tensor(value)
            for name, member in self._members.items()
            for index, entry in member.state_dict()["state"].items()
            for key, value in entry.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        for name, member in self._members.items():
            state: dict[int, dict[str, Tensor | int]] = {}
            for place, value in tensors.items():
                owner, index, key = place.split(".")
                if owner == name:
                    is_count = key == "step" and isinstance(member, SparseAdam)
                    state.setdefault(int(index), {})[key] = int(value) if is_count else value
            member.load_state_dict({"state": state, "param_groups": member.state_dict()["param_groups"]})


def _adamw(parameters: list[nn.Parameter], optim: OptimConfig) -> AdamW:
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": optim.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = parameters[0].device.type in ("cpu", "cuda")
    return AdamW(groups, lr=optim.lr, betas=(optim.beta1, optim.beta2), fused=fused)
