"""What each kind of model learns from text: −log p of each character but the first, in nats."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from charnn.config import Kind, ModelConfig
from charnn.data.vocab import IGNORED
from charnn.model.bidirectional import BidirectionalNetwork
from charnn.model.network import Network
from charnn.model.noise import ORDINARY, Noise
from charnn.model.state import State

N = TypeVar("N", bound=nn.Module)


class Loss(NamedTuple):
    """A batch's: what is back-propagated, the mean nats that are reported, of how many symbols; the state after it.

    Of processes that share a batch each has its rows' share of both, which add up to the batch's, and the batch's
    symbols; `own` are its rows' alone.
    """

    trained: Tensor
    reported: Tensor
    symbols: int
    state: State
    own: int | None = None


class Objective(ABC, Generic[N]):
    """How one kind of model is built and measured on N contiguous streams of text.

    `lookahead` is how many characters beyond those it predicts it helps to read, in validation.
    """

    lookahead: int = 0

    @abstractmethod
    def new_network(self, config: ModelConfig) -> N:
        """A network with its initial weights, drawn from torch's generator."""

    @abstractmethod
    def loss(
        self,
        network: N,
        inputs: Tensor,
        targets: Tensor,
        state: State,
        noise: Noise = ORDINARY,
        symbols: int | None = None,
    ) -> Loss:
        """inputs (T, N), targets (T, N), the characters after them, and the state before them → the losses.

        These may be some rows of a batch of so many `symbols`, which the losses are then divided by.
        """

    @abstractmethod
    def summed_nats(self, network: N, inputs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """The same, of documents → the summed −log p of the targets that aren't IGNORED, and the state after them."""

    @abstractmethod
    def nats(self, network: N, text: Tensor, ahead: int, state: State) -> tuple[Tensor, State]:
        """text (1 + T + `ahead`, N) → −log p (T·N,) of the T characters after the first, and the state before the last.

        The text beyond those T is looked at alone; `ahead` is at most `lookahead`.
        """


class LanguageModelObjective(Objective[Network]):
    """Each character from what precedes it."""

    def new_network(self, config: ModelConfig) -> Network:
        return Network(config)

    def loss(
        self,
        network: Network,
        inputs: Tensor,
        targets: Tensor,
        state: State,
        noise: Noise = ORDINARY,
        symbols: int | None = None,
    ) -> Loss:
        logits, after = network(inputs, state, noise)
        loss = _mean_nats(logits, targets, symbols)
        return Loss(loss, loss, symbols or targets.numel(), after)

    def summed_nats(
        self, network: Network, inputs: Tensor, targets: Tensor, state: State
    ) -> tuple[Tensor, State]:
        logits, after = network(inputs, state)
        return _summed_nats(logits, targets), after

    def nats(self, network: Network, text: Tensor, ahead: int, state: State) -> tuple[Tensor, State]:
        logits, after = network(text[: len(text) - 1 - ahead], state)
        return _nats(logits, text), after


class BidirectionalObjective(Objective[BidirectionalNetwork]):
    """Three things at once: each character from both sides, from what precedes it, and from what follows it.

    So each of the two networks is a language model by itself. Only the first loss is reported; yet of what is trained
    it is but `joint_weight`, the other two share the rest: it is lowered by relying on the other side, and a network
    that does is the worse language model.
    """

    def __init__(self, joint_weight: float = 0.03, lookahead: int = 128) -> None:
        self.joint_weight = joint_weight
        self.lookahead = lookahead  # warms the backward network's state

    def new_network(self, config: ModelConfig) -> BidirectionalNetwork:
        return BidirectionalNetwork(config)

    def loss(
        self,
        network: BidirectionalNetwork,
        inputs: Tensor,
        targets: Tensor,
        state: State,
        noise: Noise = ORDINARY,
        symbols: int | None = None,
    ) -> Loss:
        predictions, after = network.predictions(_text(inputs, targets, network.config), state, noise)
        joint, forward, backward = (_mean_nats(logits, targets, symbols) for logits in predictions)
        of_one = (1 - self.joint_weight) / 2
        trained = self.joint_weight * joint + of_one * (forward + backward)
        return Loss(trained, joint, symbols or targets.numel(), after)

    def summed_nats(
        self, network: BidirectionalNetwork, inputs: Tensor, targets: Tensor, state: State
    ) -> tuple[Tensor, State]:
        logits, after = network(_text(inputs, targets, network.config), state)
        return _summed_nats(logits, targets), after

    def nats(
        self, network: BidirectionalNetwork, text: Tensor, ahead: int, state: State
    ) -> tuple[Tensor, State]:
        logits, after = network(text, state, ahead)
        return _nats(logits, text), after


OBJECTIVES: Mapping[Kind, type[Objective[Any]]] = {
    "language_model": LanguageModelObjective,
    "bidirectional": BidirectionalObjective,
}


def _text(inputs: Tensor, targets: Tensor, config: ModelConfig) -> Tensor:
    """(1 + T, N): the text that inputs and targets were cut from; beyond a document's end the end again."""
    return torch.cat([inputs[:1], targets.masked_fill(targets == IGNORED, config.vocab_size - 1)])


def _mean_nats(logits: Tensor, targets: Tensor, symbols: int | None) -> Tensor:
    """The mean over the targets that aren't IGNORED, or their share of that over `symbols`."""
    if symbols is not None:
        return _summed_nats(logits, targets) / symbols
    return cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED)


def _summed_nats(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def _nats(logits: Tensor, text: Tensor) -> Tensor:
    """logits (T, N, V) of the T characters after the first of `text` → their −log p, (T·N,)."""
    targets = text[1 : len(logits) + 1]
    return cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
