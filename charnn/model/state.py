"""What a network remembers of the text so far: a value that is passed in and returned, never hidden in a module."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from charnn.config import ModelConfig
from charnn.model.ngrams import BEFORE_TEXT
from charnn.model.shapes import INPUT, RECENT, state_shapes


class State(NamedTuple):
    """The state of N streams.

    `layers` are h and, for the LSTM, c, each (layers, N, H), as torch's fused kernels take them. `recent` are the ids
    of the last characters that n-gram inputs need, the oldest first, (n − 1, N); (0, N) without n-grams. `input` is
    the last character's input, which a skip connection leads to the output layer, (N, E); (N, 0) without one.
    """

    layers: tuple[Tensor, ...]
    recent: Tensor
    input: Tensor

    @classmethod
    def zero(cls, config: ModelConfig, batch: int, like: Tensor) -> "State":
        """The state of N = `batch` streams before any text, of the number type and on the device of `like`."""
        shapes = state_shapes(config, batch)
        recent = torch.full(shapes.pop(RECENT), BEFORE_TEXT, device=like.device)
        nothing = like.new_zeros(shapes.pop(INPUT))
        return cls(tuple(like.new_zeros(shape) for shape in shapes.values()), recent, nothing)

    @classmethod
    def join(cls, states: Sequence["State"]) -> "State":
        """The streams of all these states, in their order."""
        layers = zip(*(state.layers for state in states), strict=True)
        recent = torch.cat([state.recent for state in states], dim=1)
        inputs = torch.cat([state.input for state in states])
        return cls(tuple(torch.cat(parts, dim=1) for parts in layers), recent, inputs)

    @property
    def hidden(self) -> Tensor:
        """h of all layers, (layers, N, H)."""
        return self.layers[0]

    @property
    def top(self) -> Tensor:
        """What the output layer reads, (N, F): the last layer's hidden state, with a skip connection the input too."""
        return torch.cat([self.hidden[-1], self.input], dim=-1) if self.input.numel() else self.hidden[-1]

    def rows(self, chosen: slice | Tensor) -> "State":
        """The state of some of the streams."""
        layers = tuple(part[:, chosen].contiguous() for part in self.layers)
        return State(layers, self.recent[:, chosen].contiguous(), self.input[chosen].contiguous())

    def detach(self) -> "State":
        """The same state, cut from the graph: where back-propagation through time is truncated."""
        return State(tuple(part.detach() for part in self.layers), self.recent, self.input.detach())

    def to(self, device: torch.device) -> "State":
        layers = tuple(part.to(device) for part in self.layers)
        return State(layers, self.recent.to(device), self.input.to(device))

    def tensors(self) -> tuple[Tensor, ...]:
        """Those that hold anything, to be stored."""
        return (*self.layers, *(part for part in (self.recent, self.input) if part.numel()))

    def with_tensors(self, tensors: Sequence[Tensor]) -> "State":
        """The state of a network like this one's, from its `tensors()`."""
        layers, rest = tensors[: len(self.layers)], iter(tensors[len(self.layers) :])
        return State(
            tuple(layers), *(next(rest) if part.numel() else part for part in (self.recent, self.input))
        )
