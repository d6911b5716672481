"""What a run learns and from what data: all that the trainer knows of text.

A `Task` is made from a run's configuration and corpus; the trainer asks it for a network, for the batch of a step, for
that batch's loss and for the validation loss. What the kinds of model can do once they are trained is `model/kinds.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from charnn.config import TrainConfig
from charnn.data.batches import BatchStream
from charnn.data.collection import DocumentView
from charnn.data.corpus import Corpus
from charnn.data.document_batches import DocumentBatches
from charnn.data.tokens import TokenView
from charnn.data.vocab import IGNORED
from charnn.model.state import State
from charnn.training.evaluation import SEQ_LENGTH, evaluate, evaluate_documents, validation_length
from charnn.training.objective import OBJECTIVES, Loss

Batch = TypeVar("Batch")


class Task(ABC, Generic[Batch]):
    """A learning problem. `Batch` is any structure of tensors that only the task looks into.

    Where a run stands is one integer, the number of steps done: the batch of a step follows from it alone, and
    epoch = step // batches_per_epoch. A state is carried from batch to batch, and begins anew with each epoch, or where
    a batch says so.
    Losses are means over symbols, in nats; of symbols the text has `symbols_per_batch` a step on the average, its
    validation part `val_symbols` (0: there is none), and one that is uniformly distributed costs `uniform_nats`.
    """

    batches_per_epoch: int
    symbols_per_batch: float
    val_symbols: int
    uniform_nats: float

    @abstractmethod
    def new_network(self) -> nn.Module:
        """The network with its initial weights, drawn from torch's generator."""

    @abstractmethod
    def initial_state(self, network: Any) -> State:
        """The state at the beginning of each epoch, on the network's device; without layers where none is carried."""

    def state_after(self, network: Any, step: int) -> State:
        """A state of the shape that is carried after so many steps."""
        return self.initial_state(network)

    @abstractmethod
    def batch(self, step: int, device: torch.device) -> Batch:
        """What is learnt from at a step, counted from the run's start."""

    @abstractmethod
    def loss(self, network: Any, batch: Batch, state: State) -> Loss:
        """The losses on a batch, and the state after it."""

    @abstractmethod
    def evaluate(self, network: Any, stop: Callable[[], bool]) -> float | None:
        """The validation loss; None when `stop` became true, or without validation. Leaves no trace in the network."""


TextBatch = tuple[Tensor, Tensor]
"""inputs (T, N) and targets (T, N), the character after each."""


class TextTask(Task[TextBatch]):
    """One continuous text, cut into streams, learnt by truncated back-propagation through time."""

    eval_seq_length: int = SEQ_LENGTH

    def __init__(self, config: TrainConfig, corpus: Corpus) -> None:
        optim, val = config.optim, corpus.val
        assert isinstance(corpus.train, TokenView) and (val is None or isinstance(val, TokenView))
        self._model, self._val = config.model, val
        self._batch_size = optim.batch_size
        self._objective = OBJECTIVES[config.model.kind]()
        self._streams = BatchStream(corpus.train, optim.batch_size, optim.seq_length)
        self.batches_per_epoch = self._streams.batches_per_epoch
        self.symbols_per_batch = optim.batch_size * self._streams.stream_length / self.batches_per_epoch
        self.val_symbols = 0 if val is None else len(val)
        self.uniform_nats = log(config.model.vocab_size)

    def new_network(self) -> nn.Module:
        network: nn.Module = self._objective.new_network(self._model)
        return network

    def initial_state(self, network: Any) -> State:
        state: State = network.initial_state(self._batch_size)
        return state

    def batch(self, step: int, device: torch.device) -> TextBatch:
        batch = self._streams.batch(step)
        inputs = torch.from_numpy(batch.inputs).to(device, non_blocking=True)
        targets = torch.from_numpy(batch.targets).to(device, non_blocking=True)
        return inputs, targets

    def loss(self, network: Any, batch: TextBatch, state: State) -> Loss:
        inputs, targets = batch
        return self._objective.loss(network, inputs, targets, state)

    def evaluate(self, network: Any, stop: Callable[[], bool]) -> float | None:
        if self._val is None:
            return None
        length = min(self.eval_seq_length, validation_length(self._model.vocab_size))
        return evaluate(network, self._val, self._objective, stop, length)


@dataclass(frozen=True)
class DocumentTensors:
    """inputs and targets (T, N), IGNORED beyond a document's end; `begins`: no state is carried into it."""

    inputs: Tensor
    targets: Tensor
    begins: bool
    symbols: int


class DocumentTask(Task[DocumentTensors]):
    """A collection of documents, each learnt from its own beginning, with its end."""

    def __init__(self, config: TrainConfig, corpus: Corpus) -> None:
        optim, val = config.optim, corpus.val
        assert isinstance(corpus.train, DocumentView) and (val is None or isinstance(val, DocumentView))
        self._model, self._val = config.model, val
        self._objective = OBJECTIVES[config.model.kind]()
        self._batches = DocumentBatches(corpus.train, optim.batch_size, optim.seq_length, config.seed)
        self.batches_per_epoch = self._batches.batches_per_epoch
        self.symbols_per_batch = len(corpus.train) / self.batches_per_epoch
        self.val_symbols = 0 if val is None else len(val)
        self.uniform_nats = log(config.model.vocab_size)

    def new_network(self) -> nn.Module:
        network: nn.Module = self._objective.new_network(self._model)
        return network

    def initial_state(self, network: Any) -> State:
        return self.state_after(network, 0)

    def state_after(self, network: Any, step: int) -> State:
        """Batches have different numbers of rows."""
        state: State = network.initial_state(self._batches.rows(max(step - 1, 0)))
        return state

    def batch(self, step: int, device: torch.device) -> DocumentTensors:
        batch = self._batches.batch(step)
        inputs = torch.from_numpy(batch.inputs).to(device, non_blocking=True)
        targets = torch.from_numpy(batch.targets).to(device, non_blocking=True)
        return DocumentTensors(inputs, targets, batch.begins, int(np.count_nonzero(batch.targets != IGNORED)))

    def loss(self, network: Any, batch: DocumentTensors, state: State) -> Loss:
        if batch.begins:
            state = network.initial_state(batch.inputs.shape[1])
        loss = self._objective.loss(network, batch.inputs, batch.targets, state)
        return loss._replace(symbols=batch.symbols)

    def evaluate(self, network: Any, stop: Callable[[], bool]) -> float | None:
        if self._val is None:
            return None
        return evaluate_documents(network, self._val, self._objective, stop)
