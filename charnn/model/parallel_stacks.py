"""Two computations at once, a thread each.

The products of one step are too small for two threads to share well; two stacks that don't wait for each other can use
both. The numbers are those of one after the other.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Computation = Callable[..., tuple[Tensor, ...]]
"""(ids, *state) → (what output layers read, *state after them), as many tensors as it was given.

Its random numbers, if it draws any, come from a generator of its own: nobody knows which of two draws first.
"""

Tensors = Sequence[Tensor]


def parallel_stacks(computations: Sequence[Computation], given: Sequence[Tensors]) -> list[Tensors]:
    """What each computation makes of what is given to it, differentiable if gradients are wanted."""
    if not torch.is_grad_enabled():
        return _in_parallel(partial(_run, with_gradients=False), computations, given)
    anchor = torch.zeros((), requires_grad=True)  # or a network of one-hot input wouldn't be learnt
    flat: Tensors = _ParallelStacks.apply(computations, given, anchor, *given[0], *given[1])  # type: ignore[no-untyped-call]
    return _split(flat, given)


class _ParallelStacks(torch.autograd.Function):
    """Two graphs of their own, gone back through at once as well; weights get their gradients there."""

    @staticmethod
    def forward(
        ctx: Any,
        computations: Sequence[Computation],
        given: Sequence[Tensors],
        _anchor: Tensor,
        *_flat: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.inputs = [[t.detach().requires_grad_(t.requires_grad) for t in tensors] for tensors in given]
        ctx.outputs = _in_parallel(partial(_run, with_gradients=True), computations, ctx.inputs)
        return tuple(tensor.detach() for tensors in ctx.outputs for tensor in tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        _in_parallel(_backward, ctx.outputs, _split(gradients, ctx.outputs))
        return (None, None, None, *(tensor.grad for tensors in ctx.inputs for tensor in tensors))


def _in_parallel(function: Callable[[Any, Any], Any], *arguments: Sequence[Any]) -> list[Any]:
    """The function of the first arguments and of the second, at once."""
    return list(_pool().map(function, *arguments))


@cache
def _pool() -> ThreadPoolExecutor:
    """Two threads whose operations have one thread each; the number is a thread's own setting."""
    return ThreadPoolExecutor(2, "charnn-stack", initializer=torch.set_num_threads, initargs=(1,))


def _run(computation: Computation, given: Tensors, *, with_gradients: bool) -> Tensors:
    """Whether gradients are wanted is a thread's own setting too."""
    with torch.set_grad_enabled(with_gradients):
        return computation(*given)


def _backward(outputs: Tensors, gradients: Tensors) -> None:
    """Back-propagate through those that can be differentiated."""
    wanted = [index for index, output in enumerate(outputs) if output.requires_grad]
    torch.autograd.backward([outputs[i] for i in wanted], [gradients[i] for i in wanted])


def _split(flat: Tensors, alike: Sequence[Tensors]) -> list[Tensors]:
    """The tensors of the first and of the second."""
    return [flat[: len(alike[0])], flat[len(alike[0]) :]]
