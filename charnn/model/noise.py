"""The random numbers of a training step, for a whole batch or for the part of it that one process has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from charnn.data.parts import Rows


@dataclass(frozen=True)
class Noise:
    """Draws from `generator`, torch's own by default, for the streams `rows` of a batch, by default all.

    Of a part too the whole batch's are drawn: processes that share a batch use the numbers that one process would, and
    their generators stay alike.
    """

    generator: torch.Generator | None = None
    rows: Rows | None = None

    def uniform(self, shape: Sequence[int], device: torch.device) -> Tensor:
        """(T, N, width), uniform in [0, 1)."""
        steps, streams, width = shape
        size = (steps, self.rows.of if self.rows else streams, width)
        return self._own(torch.rand(size, device=device, generator=self.generator))

    def kept(self, like: Tensor, share: float) -> Tensor:
        """A dropout mask (T, N, F) for `like`: 0 with probability `share`, else 1 / (1 − share). From torch's own."""
        whole = torch.empty_like(like)
        if self.rows:
            whole = like.new_empty(like.shape[0], self.rows.of, *like.shape[2:])
        return self._own(whole.bernoulli_(1 - share).div_(1 - share))

    def _own(self, drawn: Tensor) -> Tensor:
        return drawn[:, self.rows.slice] if self.rows else drawn


ORDINARY = Noise()


def run_stack(
    rnn: nn.RNNBase, inputs: Tensor, states: tuple[Tensor, ...] | None, noise: Noise
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """inputs (T, N, D) and the states before them (None: zero) → outputs (T, N, H) and the states after them.

    torch's fused stack draws the masks between its layers for the streams that it is given. For a part of a batch the
    layers are run one by one, and their masks are cut out of the whole batch's.
    """
    if noise.rows is None or not (rnn.training and rnn.dropout):
        outputs, after = rnn(inputs, states if states is None or len(states) > 1 else states[0])
        return outputs, after if isinstance(after, tuple) else (after,)
    if states is None:
        zeros = inputs.new_zeros(rnn.num_layers, inputs.shape[1], rnn.hidden_size)
        states = (zeros, zeros) if isinstance(rnn, nn.LSTM) else (zeros,)
    return _layer_by_layer(rnn, inputs, states, noise)


def _layer_by_layer(
    rnn: nn.RNNBase, inputs: Tensor, states: tuple[Tensor, ...], noise: Noise
) -> tuple[Tensor, tuple[Tensor, ...]]:
    found = []
    for layer in range(rnn.num_layers):
        if layer:
            inputs = inputs * noise.kept(inputs, rnn.dropout)
        before = [part[layer : layer + 1] for part in states]
        inputs, *after = _layer(rnn, layer, inputs, before)
        found.append(after)
    return inputs, tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def _layer(rnn: nn.RNNBase, layer: int, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, ...]:
    """One layer of a stack, as the stack itself would compute it."""
    function: Any = {
        "LSTM": torch._VF.lstm,
        "GRU": torch._VF.gru,
        "RNN_TANH": torch._VF.rnn_tanh,
        "RNN_RELU": torch._VF.rnn_relu,
    }[rnn.mode]
    weights = rnn._flat_weights[4 * layer : 4 * layer + 4]
    before = states if isinstance(rnn, nn.LSTM) else states[0]
    found: tuple[Tensor, ...] = function(
        inputs,
        before,
        weights,
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=True,
        bidirectional=False,
        batch_first=False,
    )
    return found
