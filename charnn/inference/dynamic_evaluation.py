"""Scores of a network that goes on learning from the text it scores: dynamic evaluation, with torch.

Krause et al. 2018, "Dynamic Evaluation of Neural Sequence Models": score a stretch of the text, then take a gradient
step on it, the weights drawn back towards the trained ones. No character is ever scored by weights that learnt from it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charnn.config import Unknown
from charnn.data.vocab import Vocabulary
from charnn.errors import CharnnError
from charnn.inference.cells import Array
from charnn.inference.engine import Engine, Ids
from charnn.inference.engine import State as Start
from charnn.inference.scorer import Read, Scorer
from charnn.inference.scores import Score
from charnn.inference.torch_network import one_thread, trained_network
from charnn.model.network import Network
from charnn.model.state import State


@dataclass(frozen=True)
class DynamicEvaluationOptions:
    """How fast a text teaches the network; figures in benchmarks/LOG.md.

    After each `stretch` of characters the dense weights move by `rate` times their gradient over its root mean square
    (RMSprop, Tieleman and Hinton 2012, whose average decays by `decay` and has `floor` added), then by `pull` of the
    way to the trained ones; the n-grams' rows by `ngram_rate` times their gradient, its norm clipped to 1.
    """

    stretch: int = 20
    rate: float = 1e-3
    decay: float = 0.999
    floor: float = 1e-3
    pull: float = 0.002
    ngram_rate: float = 1.0


class DynamicScorer(Scorer):
    """Scores texts, one after the other; each teaches the network anew, from the trained weights."""

    def __init__(
        self,
        engine: Engine,
        vocabulary: Vocabulary,
        start: Start,
        unknown: Unknown,
        end: bool,
        weights: Mapping[str, Array],
        options: DynamicEvaluationOptions,
        known: frozenset[str] | None = None,
    ) -> None:
        super().__init__(engine, vocabulary, start, unknown, end, known)
        self._learner = DynamicEvaluator(trained_network(engine.config, weights), options)

    def many(self, texts: Iterable[str], first: int = 1, called: str = "text") -> Iterator[Score]:
        """Scores of many texts, in their order; errors number them from `first`, after what they are `called`."""
        return (self.text(text, f"{called} {number}") for number, text in enumerate(texts, first))

    def _reader(self) -> Read:
        self._learner.begin(_torch_state(self._start))
        return self._learner.read


class DynamicEvaluator:
    """A network that learns from one text at a time, which it reads from `begin` on."""

    def __init__(self, network: Network, pace: DynamicEvaluationOptions) -> None:
        self._network, self._pace = network, pace
        self._weights = Weights(network, pace)
        self.begin(network.initial_state(1))

    def begin(self, state: State) -> None:
        """Forget the last text; the next one follows what led to `state`, of one stream."""
        self._weights.reset()
        self._state = state
        self._nats: list[Tensor] = []
        self._room = self._pace.stretch  # characters until the next step

    def read(self, ids: Ids) -> Array:
        """The log-probabilities of the text's next ids, (T,) → (T,)."""
        log_probs = np.empty(len(ids), np.float32)
        begin = 0
        with one_thread():
            while begin < len(ids):
                end = min(begin + self._room, len(ids))
                within = torch.tensor(ids[begin:end], dtype=torch.int64)
                log_probs[begin:end] = self._read_within_stretch(within)
                begin = end
        return log_probs

    @torch.enable_grad()
    def _read_within_stretch(self, ids: Tensor) -> Array:
        """Log-probabilities of ids (T,), T ≥ 1 and no more than there is room for."""
        first = self._network.output(self._state.top[None])
        logits, self._state = self._network(ids[:, None], self._state)
        nats = cross_entropy(torch.cat([first, logits[:-1]]).flatten(0, 1), ids, reduction="none")
        if not nats.isfinite().all():
            raise CharnnError("the network ran away while it adapted to the text: score it without --adapt")
        self._nats.append(nats)
        self._room -= len(ids)
        if not self._room:
            self._learn()
        return -nats.detach().numpy()

    def _learn(self) -> None:
        """Take a step on the stretch that has been scored, and begin the next."""
        self._weights.step(torch.cat(self._nats).mean())
        self._state = self._state.detach()
        self._nats = []
        self._room = self._pace.stretch


class Weights:
    """A network's weights, moved in place; those it came with can be had back."""

    def __init__(self, network: Network, pace: DynamicEvaluationOptions) -> None:
        self._pace = pace
        self._table = None if network.ngrams is None else network.ngrams.weight
        self._dense = [p for p in network.parameters() if p is not self._table]
        self._trained = [p.detach().clone() for p in self._dense]
        self._squares = [torch.zeros_like(p) for p in self._trained]
        self._steps = 0
        if self._table is not None:
            self._trained_table = self._table.detach().clone()
            self._touched = torch.zeros(len(self._table), dtype=torch.bool)

    @torch.no_grad()
    def reset(self) -> None:
        """Go back to the trained weights."""
        if not self._steps:
            return
        self._steps = 0
        for weight, trained, square in zip(self._dense, self._trained, self._squares, strict=True):
            weight.copy_(trained)
            square.zero_()
        if self._table is not None:  # a text touches few of the rows
            rows = self._touched.nonzero()[:, 0]
            self._table[rows] = self._trained_table[rows]
            self._touched.zero_()

    def step(self, loss: Tensor) -> None:
        """Move against the gradients of `loss`."""
        tables = [] if self._table is None else [self._table]
        gradients = torch.autograd.grad(loss, [*self._dense, *tables])
        self._steps += 1
        with torch.no_grad():
            self._move_dense(gradients[: len(self._dense)])
            if self._table is not None:
                self._move_table(self._table, gradients[-1].coalesce())

    def _move_dense(self, gradients: tuple[Tensor, ...]) -> None:
        pace = self._pace
        correction = 1 - pace.decay**self._steps  # of an average that began at zero
        moved = zip(self._dense, self._trained, self._squares, gradients, strict=True)
        for weight, trained, square, gradient in moved:
            square.lerp_(gradient * gradient, 1 - pace.decay)
            weight.addcdiv_(gradient, (square / correction).sqrt_() + pace.floor, value=-pace.rate)
            weight.lerp_(trained, pace.pull)

    def _move_table(self, table: Tensor, gradient: Tensor) -> None:
        rows, values = gradient.indices()[0], gradient.values()
        table.index_add_(0, rows, values, alpha=-self._pace.ngram_rate / max(float(values.norm()), 1.0))
        self._touched[rows] = True


def _torch_state(state: Start) -> State:
    """The NumPy engine's state as the torch network's."""
    layers = tuple(torch.from_numpy(np.stack(arrays)) for arrays in zip(*state.layers, strict=True))
    hidden = layers[0].shape[-1]
    return State(
        layers, torch.from_numpy(state.recent[::-1].copy()), torch.from_numpy(state.top[:, hidden:].copy())
    )
