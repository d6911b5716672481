"""What a network remembers of the text so far: a value that is passed in and returned, never hidden in a module."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from charnn.config import ModelConfig
from charnn.model.ngrams import BEFORE_TEXT
from charnn.model.shapes import RECENT, state_shapes


class State(NamedTuple):
    """The state of N streams.

    `layers` are h and, for the LSTM, c, each (layers, N, H), as torch's fused kernels take them. `recent` are the ids
    of the last characters that n-gram inputs need, the oldest first, (n − 1, N); (0, N) without n-grams.
    """

    layers: tuple[Tensor, ...]
    recent: Tensor

    @classmethod
    def zero(cls, config: ModelConfig, batch: int, like: Tensor) -> "State":
        """The state of N = `batch` streams before any text, of the number type and on the device of `like`."""
        shapes = state_shapes(config, batch)
        recent = torch.full(shapes.pop(RECENT), BEFORE_TEXT, device=like.device)
        return cls(tuple(like.new_zeros(shape) for shape in shapes.values()), recent)

    @classmethod
    def join(cls, states: Sequence["State"]) -> "State":
        """The streams of all these states, in their order."""
        layers = zip(*(state.layers for state in states), strict=True)
        recent = torch.cat([state.recent for state in states], dim=1)
        return cls(tuple(torch.cat(parts, dim=1) for parts in layers), recent)

    @property
    def hidden(self) -> Tensor:
        """h of all layers, (layers, N, H)."""
        return self.layers[0]

    @property
    def top(self) -> Tensor:
        """The last layer's hidden state, (N, H): what the output layer reads."""
        return self.hidden[-1]

    def rows(self, chosen: slice | Tensor) -> "State":
        """The state of some of the streams."""
        layers = tuple(part[:, chosen].contiguous() for part in self.layers)
        return State(layers, self.recent[:, chosen].contiguous())

    def detach(self) -> "State":
        """The same state, cut from the graph: where back-propagation through time is truncated."""
        return State(tuple(part.detach() for part in self.layers), self.recent)

    def to(self, device: torch.device) -> "State":
        return State(tuple(part.to(device) for part in self.layers), self.recent.to(device))

    def tensors(self) -> tuple[Tensor, ...]:
        """Those that hold anything, to be stored."""
        return (*self.layers, *([self.recent] if len(self.recent) else []))

    def with_tensors(self, tensors: Sequence[Tensor]) -> "State":
        """The state of a network like this one's, from its `tensors()`."""
        layers, recent = tensors[: len(self.layers)], tensors[len(self.layers) :]
        return State(tuple(layers), *(recent or [self.recent]))
