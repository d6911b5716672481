"""What training lowers and validation measures: −log p of each character but the first, in nats.

A bidirectional network learns three things at once: to predict a character from both sides, and, so that either half
is a language model by itself, from what precedes it and from what follows it. Only the first is reported; yet it
weighs little, for it is lowered by relying on the other side, and a half that does is the worse language model.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charnn.config import ModelConfig
from charnn.model.bidirectional import BidirectionalNetwork
from charnn.model.network import Network, State

LOOKAHEAD = 128  # characters beyond a window of validation that warm the backward network's state

JOINT_WEIGHT = 0.03  # of the loss by both sides; the halves share the rest
HALF_WEIGHT = (1 - JOINT_WEIGHT) / 2

AnyNetwork = Network | BidirectionalNetwork


class Loss(NamedTuple):
    """A window's: what is back-propagated, the nats per character that are reported, the state after the window."""

    trained: Tensor
    reported: Tensor
    after: State


def network_for(config: ModelConfig) -> AnyNetwork:
    """A new network of the configured kind."""
    return BidirectionalNetwork(config) if config.kind == "bidirectional" else Network(config)


def batch_loss(network: AnyNetwork, inputs: Tensor, targets: Tensor, state: State) -> Loss:
    """inputs (T, N), targets (T, N), the characters after them, and the state before them → their mean losses."""
    if isinstance(network, Network):
        logits, after = network(inputs, state)
        loss = _mean_nats(logits, targets)
        return Loss(loss, loss, after)
    predictions, after = network.predictions(torch.cat([inputs[:1], targets]), state)
    joint, forward, backward = (_mean_nats(logits, targets) for logits in predictions)
    trained = JOINT_WEIGHT * joint + HALF_WEIGHT * (forward + backward)
    return Loss(trained, joint, after)


def lookahead(network: AnyNetwork) -> int:
    """How far beyond a window it helps to look."""
    return 0 if isinstance(network, Network) else LOOKAHEAD


def batch_nats(network: AnyNetwork, text: Tensor, ahead: int, state: State) -> tuple[Tensor, State]:
    """text (1 + T + `ahead`, N) → −log p (T·N,) of the T characters after the first, and the state before the last."""
    if isinstance(network, Network):
        logits, after = network(text[: len(text) - 1 - ahead], state)
    else:
        logits, after = network(text, state, ahead)
    targets = text[1 : len(logits) + 1]
    return cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none"), after


def _mean_nats(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
