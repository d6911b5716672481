"""A bidirectional network: two stacks that read a text from its two ends and meet in the output layer alone.

Schuster and Paliwal 1997, "Bidirectional Recurrent Neural Networks". Deeper layers never mix the directions (as
PyTorch's `bidirectional=True` does): the prediction at t sees the text before t and after t, but never x_t itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from charnn.config import ModelConfig
from charnn.model.network import LockedDropout, Network
from charnn.model.noise import ORDINARY, Noise
from charnn.model.parallel_stacks import Computation, parallel_stacks
from charnn.model.state import State


class Predictions(NamedTuple):
    """Logits (T, N, V) of the same T characters: by both sides together, by what precedes each, by what follows it."""

    joint: Tensor
    forward: Tensor
    backward: Tensor


class BidirectionalNetwork(nn.Module):
    """A network of the text, one of the reversed text, and an output layer over the hidden states of both.

    The state that is carried from batch to batch is the forward network's; the backward one begins with its zero
    state at each batch's end.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        half = replace(config, kind="language_model")
        self.forward_network = Network(half)
        self.backward_network = Network(half)
        self.dropout = LockedDropout(config.dropout, config.hidden, config.output_size)
        self.output = nn.Linear(2 * config.output_size, config.vocab_size)
        nn.init.zeros_(self.output.bias)

    def forward(self, text: Tensor, state: State, lookahead: int = 0) -> tuple[Tensor, State]:
        """text (1 + T + `lookahead`, N) → logits (T, N, V) of the T characters after the first, and the state.

        `state` is the one before the text, what is returned that before the last of the T characters; the text beyond
        them is looked at alone.
        """
        before, behind, after = self._features(text, state, lookahead, ORDINARY)
        return self._joint_logits(before, behind, ORDINARY), after

    def predictions(self, text: Tensor, state: State, noise: Noise = ORDINARY) -> tuple[Predictions, State]:
        """text (1 + T, N) → what all three output layers make of the T characters after the first, and the state."""
        before, behind, after = self._features(text, state, 0, noise)
        joint = self._joint_logits(before, behind, noise)
        return Predictions(
            joint, self.forward_network.logits(before, noise), self.backward_network.logits(behind, noise)
        ), after

    def initial_state(self, batch: int) -> State:
        """The zero state of N = `batch` streams, before any text."""
        return self.forward_network.initial_state(batch)

    def _features(
        self, text: Tensor, state: State, lookahead: int, noise: Noise
    ) -> tuple[Tensor, Tensor, State]:
        """What output layers read before and behind each character, (T, N, F) each, and the forward network's state."""
        steps = len(text) - 1 - lookahead
        nothing_read = self.backward_network.initial_state(text.shape[1])
        texts = (text[:steps], state), (text[1:].flip(0), nothing_read)
        (before, after), (read, _) = self._read_both(texts, noise)
        behind = torch.cat([read.flip(0)[1:], torch.zeros_like(read[:1])])
        return before, behind[:steps], after

    def _read_both(self, texts: Sequence[tuple[Tensor, State]], noise: Noise) -> list[tuple[Tensor, State]]:
        """For each network ids (T, N) and the state before them → its `features` (T, N, F) and the state after."""
        both = self.forward_network, self.backward_network
        stacks = [_features_computation(network, noise) for network in both]
        given = [(ids, state.recent, state.input, *state.layers) for ids, state in texts]
        if self._may_share_threads():
            found = parallel_stacks(stacks, given)
        else:
            found = [stack(*tensors) for stack, tensors in zip(stacks, given, strict=True)]
        return [(features, State(tuple(layers), recent, last)) for features, recent, last, *layers in found]

    def _may_share_threads(self) -> bool:
        """On a CPU; but dropout between layers draws its masks from a generator that both would share."""
        draws = self.training and self.config.dropout and self.config.layers > 1
        return self.output.weight.device.type == "cpu" and torch.get_num_threads() > 1 and not draws

    def _joint_logits(self, before: Tensor, behind: Tensor, noise: Noise) -> Tensor:
        logits: Tensor = self.output(self.dropout(torch.cat([before, behind], dim=-1), noise))
        return logits


def _features_computation(network: Network, noise: Noise) -> Computation:
    """`network.features` of flat tensors, with a random generator of its own that follows from torch's."""
    if network.training:
        generator = torch.Generator(network.output.weight.device)
        noise = replace(noise, generator=generator.manual_seed(int(torch.randint(1 << 62, ()))))

    def features(ids: Tensor, recent: Tensor, last: Tensor, *layers: Tensor) -> tuple[Tensor, ...]:
        found, after = network.features(ids, State(layers, recent, last), noise)
        return found, after.recent, after.input, *after.layers

    return features
