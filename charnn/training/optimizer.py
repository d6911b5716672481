"""AdamW for the network, row-wise Adagrad for its n-gram tables; their state is named tensors.

torch's own optimizer classes load its compiler when they are made, for seconds; its functional form doesn't.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from charnn.config import OptimConfig
from charnn.model.network import NgramEmbedding
from charnn.training.spectral_norm import limit_spectral_norm, relu_recurrent_matrices

EPSILON = 1e-8
TABLE_RATE = 10  # times the learning rate of the dense weights


class Gradients(NamedTuple):
    """Those of the dense weights, and of the n-gram tables, sparse or None where none was read; in their order."""

    dense: list[Tensor]
    tables: list[Tensor | None]


Reduce = Callable[[Gradients], Gradients]
"""This process's gradients → those to update with, the same in every process."""


class Optimizer:
    """One step of a network's update.

    AdamW (Loshchilov and Hutter 2019) moves the dense weights; biases don't decay. N-gram tables (a bidirectional
    network has two) are moved by Adagrad. A ReLU network's recurrent matrices are then held to a norm of 1.
    Between the backward pass and the update stands `reduce`, which several processes combine their gradients with.
    """

    def __init__(
        self, network: nn.Module, optim: OptimConfig, reduce: Reduce = lambda gradients: gradients
    ) -> None:
        self._optim = optim
        self._reduce = reduce
        self.tables = [Table(m.weight) for m in network.modules() if isinstance(m, NgramEmbedding)]
        of_tables = {id(table.weight) for table in self.tables}
        dense = [p for p in network.parameters() if id(p) not in of_tables]
        self._groups = [
            DenseGroup([p for p in dense if p.ndim > 1], optim.weight_decay),
            DenseGroup([p for p in dense if p.ndim <= 1], 0.0),
        ]
        self.dense = dense
        self._weights = [*dense, *(table.weight for table in self.tables)]
        self._relu_matrices = relu_recurrent_matrices(network)
        self._steps = 0

    def step(self, loss: Tensor, lr: float) -> Tensor:
        """Back-propagate, reduce, update. Returns the norm of the dense gradients before clipping."""
        gradients = self._backward(loss)
        return self._update(self._reduce(gradients), lr)

    def _backward(self, loss: Tensor) -> Gradients:
        for weight in self._weights:
            weight.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        dense = [weight.grad for weight in self.dense if weight.grad is not None]
        return Gradients(dense, [table.weight.grad for table in self.tables])

    def _update(self, gradients: Gradients, lr: float) -> Tensor:
        """Clip the dense gradients to a global norm (Pascanu et al. 2013) and move the weights."""
        for weight, gradient in zip(self._weights, [*gradients.dense, *gradients.tables], strict=True):
            weight.grad = gradient
        norm = nn.utils.clip_grad_norm_(self.dense, self._optim.clip if self._optim.clip > 0 else torch.inf)
        self._steps += 1
        with torch.no_grad():
            for group in self._groups:
                group.step(lr, self._optim)
            for table in self.tables:
                table.step(lr)
        for weight in self._relu_matrices:
            limit_spectral_norm(weight)
        return norm

    @property
    def moments(self) -> list[Tensor]:
        """AdamW's averages of the dense gradients and of their squares."""
        return [moment for group in self._groups for moment in group.moments]

    def tensors(self) -> dict[str, Tensor]:
        """Moments and step counts by name."""
        named = {"steps": torch.tensor(self._steps)}
        for i, group in enumerate(self._groups):
            named |= {f"dense.{i}.{name}": tensor for name, tensor in group.tensors().items()}
        return named | {f"table.{i}.squares": table.squares for i, table in enumerate(self.tables)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        self._steps = int(tensors["steps"])
        for name, tensor in self.tensors().items():
            if name != "steps":
                tensor.copy_(tensors[name])


class Table:
    """An n-gram table with its sums of squares.

    Its gradient is sparse, and only the rows of the n-grams that were seen are moved, by Adagrad (Duchi et al. 2011)
    with one sum of squares a row: rare n-grams take large steps, and a row costs one number beside its weights.
    """

    def __init__(self, weight: nn.Parameter) -> None:
        self.weight = weight
        self.squares = weight.new_zeros(len(weight))

    def step(self, lr: float) -> None:
        """Move the rows by their gradients."""
        if self.weight.grad is None:
            return
        gradient = self.weight.grad.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        self.squares[rows] += values.square().mean(dim=1)
        steps = values / (self.squares[rows].sqrt() + EPSILON)[:, None]
        self.weight.index_add_(0, rows, steps, alpha=-TABLE_RATE * lr)


class DenseGroup:
    """Weights that share one decay, with their AdamW moments."""

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self._parameters = parameters
        self._decay = decay
        self._averages = [torch.zeros_like(p) for p in parameters]
        self._squares = [torch.zeros_like(p) for p in parameters]
        self._counts = [torch.zeros((), device=p.device) for p in parameters]

    def step(self, lr: float, optim: OptimConfig) -> None:
        """Move the weights by their gradients."""
        adamw(
            [p.data for p in self._parameters],
            [p.grad for p in self._parameters if p.grad is not None],
            self._averages,
            self._squares,
            [],
            self._counts,
            fused=self._parameters[0].device.type in ("cpu", "cuda"),
            amsgrad=False,
            beta1=optim.beta1,
            beta2=optim.beta2,
            lr=lr,
            weight_decay=self._decay,
            eps=EPSILON,
            maximize=False,
        )

    @property
    def moments(self) -> list[Tensor]:
        return [*self._averages, *self._squares]

    def tensors(self) -> dict[str, Tensor]:
        kinds = {"average": self._averages, "square": self._squares, "count": self._counts}
        return {f"{i}.{kind}": t for kind, tensors in kinds.items() for i, t in enumerate(tensors)}
