"""What processes that train one network together exchange, and when: their gradients, or what they learnt apart.

At every step: one all-reduce of the flat dense gradients, the loss and the news (`distributed.News`) in its tail, and
one gathering of the n-gram tables' rows, whose numbers the tail told. Not torch's DistributedDataParallel: that takes
sparse gradients from embedding modules alone, and regroups its buckets after a run's first step, so that a resumed run
would sum in another order.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from charnn.training.distributed import Alone, News
from charnn.training.objective import Loss
from charnn.training.optimizer import Gradients, Optimizer


class Rows(NamedTuple):
    """Some rows of a table: their numbers (n,) and values (n, W)."""

    numbers: Tensor
    values: Tensor


class Exchange:
    """That of a process that trains alone, at every step: none."""

    def __init__(self, group: Alone) -> None:
        self.group = group
        self.step = 0
        self._reported = torch.zeros(())

    def trained(self, loss: Loss, step: int) -> Tensor:
        """What is back-propagated at this step."""
        self.step, self._reported = step, loss.reported.detach()
        return loss.trained

    def reduce(self, gradients: Gradients) -> Gradients:
        """This process's gradients → those to update with."""
        return gradients

    def finished(self, norm: Tensor, *, is_last: bool) -> Tensor:
        """After the update: what is added to the sums of losses and of norms, (2,)."""
        self.step += 1
        return torch.stack([self._reported, norm])

    @property
    def is_level(self) -> bool:
        """Whether all processes hold the same weights; only then is anything but a step done."""
        return True

    def attach(self, optimizer: Optimizer) -> None:
        """Begin with the weights and the moments as they are."""

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds of it."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """The inverse of `tensors`, after so many steps."""


class EveryStep(Exchange):
    """Gradients, summed over all processes. Each process's are its rows' share, so that the sum is the batch's."""

    def reduce(self, gradients: Gradients) -> Gradients:
        tables = [_rows(table) for table in gradients.tables]
        read = [0 if rows is None else len(rows.numbers) for rows in tables]
        summed, tail, counts = reduced(self.group, gradients.dense, [self._reported], read, self.step)
        self._reported = tail[0]
        found: list[Tensor | None] = []
        for table, own, of_all in zip(gradients.tables, tables, counts, strict=True):
            rows = gathered(self.group, own, of_all)
            found.append(table if rows is None or table is None else _sparse(rows, table))
        return Gradients(summed, found)


def reduced(
    group: Alone, tensors: Sequence[Tensor], extra: Sequence[Tensor], counts: Sequence[int], step: int
) -> tuple[list[Tensor], list[Tensor], list[list[int]]]:
    """Sums over all processes of tensors and of single numbers; and each process's counts, table by table.

    In one all-reduce; the group's news is what comes with it.
    """
    part, like = group.part, tensors[0]
    told = torch.zeros(len(counts), part.size)
    told[:, part.rank] = torch.tensor(counts)
    news = torch.tensor(group.own_news(step + 1))
    parts = [*(tensor.reshape(-1) for tensor in tensors), torch.stack(list(extra)), news, told.flatten()]
    flat = torch.cat([one.to(like) for one in parts])
    group.all_reduce(flat)
    sizes = [tensor.numel() for tensor in tensors]
    *found, tail = torch.split(flat, [*sizes, len(flat) - sum(sizes)])
    numbers = tail.tolist()
    group.news = News.of(numbers[len(extra) : len(extra) + len(news)])
    of_ranks = [round(number) for number in numbers[len(extra) + len(news) :]]
    return (
        [part.view_as(tensor) for part, tensor in zip(found, tensors, strict=True)],
        list(tail[: len(extra)]),
        [of_ranks[index * part.size : (index + 1) * part.size] for index in range(len(counts))],
    )


def gathered(group: Alone, own: Rows | None, counts: Sequence[int]) -> Rows | None:
    """All processes' rows, one after the other in the order of the ranks; None where there are none.

    Numbers and values travel together, each process's padded to the longest: NCCL takes no sparse tensors, and gloo no
    empty ones.
    """
    if own is None or not max(counts):
        return None
    values = own.values
    whole = torch.int32 if values.element_size() == 4 else torch.int64
    packed = values.new_zeros(max(counts), values.shape[1] + 1)
    packed[: len(values), 0] = own.numbers.to(whole).view(values.dtype)
    packed[: len(values), 1:] = values
    parts = [part[:count] for part, count in zip(group.all_gather(packed), counts, strict=True)]
    joined = torch.cat(parts)
    return Rows(joined[:, 0].contiguous().view(whole).long(), joined[:, 1:])


def _rows(gradient: Tensor | None) -> Rows | None:
    if gradient is None:
        return None
    gradient = gradient.coalesce()
    return Rows(gradient.indices()[0], gradient.values())


def _sparse(rows: Rows, like: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(rows.numbers[None], rows.values, like.shape, check_invariants=False)
