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
from numpy.typing import NDArray
from torch import Tensor, nn

from charnn.config import TrainConfig
from charnn.data.batches import BatchStream
from charnn.data.collection import DocumentView
from charnn.data.corpus import Corpus
from charnn.data.document_batches import DocumentBatches
from charnn.data.parts import WHOLE, Part, Rows
from charnn.data.tokens import TokenView
from charnn.data.vocab import IGNORED
from charnn.errors import InputError
from charnn.model.noise import ORDINARY, Noise
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
    Of several processes that train one network together each has `part` of every batch, and of the validation.
    """

    part: Part

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

    @abstractmethod
    def streams(self, step: int) -> int:
        """Of how many streams, in all processes, a state is carried after so many steps."""

    def state_after(self, network: Any, step: int) -> State:
        """A state of the shape that is carried after so many steps, of all processes' streams."""
        state: State = network.initial_state(self.streams(step))
        return state

    @abstractmethod
    def batch(self, step: int, device: torch.device) -> Batch:
        """What is learnt from at a step, counted from the run's start."""

    @abstractmethod
    def loss(self, network: Any, batch: Batch, state: State) -> Loss:
        """The losses on a batch, and the state after it; of a part of a batch what adds up to them."""

    @abstractmethod
    def evaluate(self, network: Any, stop: Callable[[], bool]) -> float | None:
        """The validation loss; None when `stop` became true, or without validation. Leaves no trace in the network.

        Of several processes each finds what adds up to it.
        """

    def noise(self, rows: Rows) -> Noise:
        """The random numbers for these rows of a batch."""
        return ORDINARY if self.part.is_whole else Noise(rows=rows)


TextBatch = tuple[Tensor, Tensor]
"""inputs (T, N) and targets (T, N), the character after each."""


def require_streams(part: Part, batch_size: int) -> None:
    """Raise InputError where processes would have no stream to train on."""
    if part.size > batch_size:
        raise InputError(
            f"{part.size} processes share a batch of {batch_size} streams; give a larger --batch-size"
        )


class TextTask(Task[TextBatch]):
    """One continuous text, cut into streams, learnt by truncated back-propagation through time."""

    eval_seq_length: int = SEQ_LENGTH

    def __init__(self, config: TrainConfig, corpus: Corpus, part: Part = WHOLE) -> None:
        optim, val = config.optim, corpus.val
        require_streams(part, optim.batch_size)
        self.part = part
        assert isinstance(corpus.train, TokenView) and (val is None or isinstance(val, TokenView))
        self._model, self._val = config.model, val
        self._batch_size, self._rows = optim.batch_size, part.rows(optim.batch_size)
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
        state: State = network.initial_state(self._rows.count)
        return state

    def streams(self, step: int) -> int:
        return self._batch_size

    def batch(self, step: int, device: torch.device) -> TextBatch:
        batch = self._streams.batch(step, self._rows.slice)
        inputs = torch.from_numpy(batch.inputs).to(device, non_blocking=True)
        targets = torch.from_numpy(batch.targets).to(device, non_blocking=True)
        return inputs, targets

    def loss(self, network: Any, batch: TextBatch, state: State) -> Loss:
        inputs, targets = batch
        if self.part.is_whole:
            return self._objective.loss(network, inputs, targets, state)
        own = targets.numel()
        symbols = len(targets) * self._batch_size
        loss = self._objective.loss(network, inputs, targets, state, self.noise(self._rows), symbols)
        return loss._replace(own=own)

    def evaluate(self, network: Any, stop: Callable[[], bool]) -> float | None:
        if self._val is None:
            return None
        length = min(self.eval_seq_length, validation_length(self._model.vocab_size))
        return evaluate(network, self._val, self._objective, stop, length, self.part)


@dataclass(frozen=True)
class DocumentTensors:
    """inputs and targets (T, N), IGNORED beyond a document's end; `begins`: no state is carried into it.

    They are these `rows` of a batch of so many `symbols`.
    """

    inputs: Tensor
    targets: Tensor
    begins: bool
    symbols: int
    rows: Rows


class DocumentTask(Task[DocumentTensors]):
    """A collection of documents, each learnt from its own beginning, with its end."""

    def __init__(self, config: TrainConfig, corpus: Corpus, part: Part = WHOLE) -> None:
        optim, val = config.optim, corpus.val
        require_streams(part, optim.batch_size)
        self.part = part
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
        state: State = network.initial_state(self.part.rows(self.streams(0)).count)
        return state

    def streams(self, step: int) -> int:
        """Batches have different numbers of rows."""
        return self._batches.rows(max(step - 1, 0))

    def batch(self, step: int, device: torch.device) -> DocumentTensors:
        batch = self._batches.batch(step)
        symbols = int(np.count_nonzero(batch.targets != IGNORED))
        rows = self.part.rows(batch.inputs.shape[1])
        inputs, targets = own_columns(batch.inputs, rows), own_columns(batch.targets, rows)
        if rows.stand_in:
            targets = np.full_like(targets, IGNORED)
        read = [torch.from_numpy(ids).to(device, non_blocking=True) for ids in (inputs, targets)]
        return DocumentTensors(read[0], read[1], batch.begins, symbols, rows)

    def loss(self, network: Any, batch: DocumentTensors, state: State) -> Loss:
        if batch.begins:
            state = network.initial_state(batch.inputs.shape[1])
        if self.part.is_whole:
            loss = self._objective.loss(network, batch.inputs, batch.targets, state)
            return loss._replace(symbols=batch.symbols)
        noise = self.noise(batch.rows)
        loss = self._objective.loss(network, batch.inputs, batch.targets, state, noise, batch.symbols)
        return loss._replace(own=int((batch.targets != IGNORED).sum()))

    def evaluate(self, network: Any, stop: Callable[[], bool]) -> float | None:
        if self._val is None:
            return None
        return evaluate_documents(network, self._val, self._objective, stop, self.part)


def own_columns(ids: NDArray[np.int64], rows: Rows) -> NDArray[np.int64]:
    """ids (T, N) → those of `rows`, (T, n)."""
    return np.ascontiguousarray(ids[:, rows.slice])
