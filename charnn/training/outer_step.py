"""Training apart: each process takes some steps by itself, then all take one outer step together, as in DiLoCo.

Douillard et al. 2023, "DiLoCo: Distributed Low-Communication Training of Language Models": the mean of how far the
processes moved is a gradient for an outer optimizer, SGD with Nesterov momentum. Unlike there, what the inner
optimizers remember is averaged as well, so that a checkpoint holds one set of it, whatever the number of processes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from charnn.training.distributed import Alone
from charnn.training.exchange import EveryStep, Exchange, Rows, gathered, reduced
from charnn.training.objective import Loss
from charnn.training.optimizer import Gradients, Optimizer, Table

OUTER_RATE, MOMENTUM = 0.7, 0.5  # DiLoCo's momentum of 0.9 needs more outer steps than a short run has


def exchange_for(sync_every: int, group: Alone) -> Exchange:
    """The exchange of a run that exchanges so often."""
    if sync_every > 1:
        return OuterStep(group, sync_every)
    return Exchange(group) if group.part.is_whole else EveryStep(group)


class OuterStep(Exchange):
    """Every `sync_every` steps, and after a run's last."""

    def __init__(self, group: Alone, sync_every: int) -> None:
        super().__init__(group)
        self._every, self._synced = sync_every, 0
        self._sums = torch.zeros(2)

    def attach(self, optimizer: Optimizer) -> None:
        self._dense, self._moments = optimizer.dense, optimizer.moments
        self._tables = [_Learning(table) for table in optimizer.tables]
        self._before = [weight.detach().clone() for weight in self._dense]
        self._momentum = [torch.zeros_like(weight) for weight in self._before]

    def trained(self, loss: Loss, step: int) -> Tensor:
        """Of its own rows alone the mean."""
        trained = super().trained(loss, step)
        return trained if loss.own is None else trained * (loss.symbols / max(loss.own, 1))

    def reduce(self, gradients: Gradients) -> Gradients:
        for table, gradient in zip(self._tables, gradients.tables, strict=True):
            table.note(gradient)
        return gradients

    def finished(self, norm: Tensor, *, is_last: bool) -> Tensor:
        self._sums = self._sums.to(norm) + super().finished(norm / self.group.part.size, is_last=is_last)
        if self.step % self._every and not is_last:
            return torch.zeros_like(self._sums)
        sums, self._sums = self._outer_step(self._sums), torch.zeros_like(self._sums)
        self._synced = self.step
        return sums

    @property
    def is_level(self) -> bool:
        return self._synced == self.step

    def tensors(self) -> dict[str, Tensor]:
        return {f"momentum.{i}": tensor for i, tensor in enumerate(self._momentum)}

    def restore(self, tensors: Mapping[str, Tensor], step: int) -> None:
        self.step = self._synced = step
        self._sums = torch.zeros_like(self._sums)
        for i, tensor in enumerate(self._momentum):
            tensor.copy_(tensors[f"momentum.{i}"])
        self._tables = [_Learning(table.table) for table in self._tables]
        self._begin_anew()

    @torch.no_grad()
    def _outer_step(self, sums: Tensor) -> Tensor:
        """Move all processes' weights together; the sums of all."""
        size = self.group.part.size
        moved = [before - weight for before, weight in zip(self._before, self._dense, strict=True)]
        learnt = [table.learnt() for table in self._tables]
        found, totals, counts = reduced(
            self.group,
            [*moved, *self._moments],
            list(sums),
            [len(rows.numbers) for rows in learnt],
            self.step - 1,
        )
        for tensor in found:
            tensor /= size
        means, moments = found[: len(moved)], found[len(moved) :]
        for weight, before, momentum, mean in zip(
            self._dense, self._before, self._momentum, means, strict=True
        ):
            momentum.mul_(MOMENTUM).add_(mean)
            weight.copy_(before - OUTER_RATE * (mean + MOMENTUM * momentum))
        for moment, mean in zip(self._moments, moments, strict=True):
            moment.copy_(mean)
        for table, rows, of_all in zip(self._tables, learnt, counts, strict=True):
            table.adopt(gathered(self.group, rows, of_all))
        self._begin_anew()
        return torch.stack(totals)

    def _begin_anew(self) -> None:
        for before, weight in zip(self._before, self._dense, strict=True):
            before.copy_(weight.detach())
        for table in self._tables:
            table.begin_anew()


class _Learning:
    """What a table's rows learnt since the last outer step: each moves by the mean of those processes that read it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._before = table.weight.detach().clone()
        self._squares = table.squares.clone()
        self._read: list[Tensor] = []

    def note(self, gradient: Tensor | None) -> None:
        if gradient is not None:
            self._read.append(gradient._indices()[0])

    def learnt(self) -> Rows:
        """The rows read: how far their weights and sums of squares moved, (n, W + 1)."""
        weight, squares = self.table.weight.detach(), self.table.squares
        nothing = torch.empty(0, dtype=torch.int64, device=weight.device)
        numbers: Tensor = torch.unique(torch.cat([*self._read, nothing]))
        moved = weight[numbers] - self._before[numbers]
        return Rows(numbers, torch.cat([moved, (squares - self._squares)[numbers][:, None]], dim=1))

    def adopt(self, rows: Rows | None) -> None:
        """What all processes learnt."""
        if rows is None:
            return
        numbers, which = torch.unique(rows.numbers, return_inverse=True)
        counts = torch.bincount(which)
        mean = rows.values.new_zeros(len(numbers), rows.values.shape[1]).index_add_(0, which, rows.values)
        mean /= counts[:, None]
        self.table.weight[numbers] = self._before[numbers] + mean[:, :-1]
        self.table.squares[numbers] = self._squares[numbers] + mean[:, -1]
        self._before[numbers], self._squares[numbers] = (
            self.table.weight[numbers],
            self.table.squares[numbers],
        )

    def begin_anew(self) -> None:
        self._read.clear()
