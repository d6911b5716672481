"""What the peers share: the text and its split, an LSTM, the training loop, one scoring function, the report."""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.optim import Optimizer

from charnn.clock import process_started
from charnn.config import DataConfig
from charnn.data.corpus import open_corpus
from charnn.data.tokens import TokenView

MARKS = (0.125, 0.25, 0.5, 0.75, 1.0)  # of the budget: where the validation loss is taken
LANES = 8  # of the validation part, where state is carried
CARRIED = 256  # characters of each that are read at a time
WINDOWS = 64  # scored at a time, where no state is carried

State = tuple[Tensor, ...] | None
Batches = Iterator[tuple[Tensor, Tensor, bool]]
"""Inputs (N, T), targets (N, T), and whether the state begins anew."""


@dataclass(frozen=True)
class Text:
    """Ids of the characters, (n,), split where charnn splits: at int(0.9·n), but at most a million to validate on."""

    train: Tensor
    val: Tensor
    vocab_size: int


@dataclass(frozen=True)
class Peer:
    """A network and how it is trained. `model(ids (N, T), state)` gives logits (N, T, V) and the state after them.

    `lr(progress, step, epochs)`: progress is the share of the budget that is spent. `clip` bounds the gradients.
    `context` is how many characters the network can read at once, None where its state carries all of them.
    """

    model: nn.Module
    optimizer: Optimizer
    batches: Batches
    lr: Callable[[float, int, float], float]
    clip: Callable[[nn.Module], object] = lambda model: None
    context: int | None = None


class Lstm(nn.Module):
    """One-hot input, or an embedding, into LSTM layers; a linear output layer."""

    def __init__(self, vocab_size: int, hidden: int, layers: int, embedding: int = 0) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.embedding = nn.Embedding(vocab_size, embedding) if embedding else None
        self.lstm = nn.LSTM(embedding or vocab_size, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, vocab_size)

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        inputs = self.embedding(ids) if self.embedding else one_hot(ids, self.vocab_size).float()
        hidden, after = self.lstm(inputs, state)
        return self.output(hidden), after


class Budget:
    """Seconds from the start of the process, or steps. Evaluations are free: a favour to the peers."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._seconds, self._steps, self._free = arguments.seconds, arguments.steps, 0.0

    def spent(self) -> float:
        """Seconds that count."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.monotonic() - process_started() - self._free

    def progress(self, step: int) -> float:
        """The share of the budget that is spent."""
        return float(self.spent() / self._seconds if self._seconds else step / self._steps)

    def free(self, seconds: float) -> None:
        """Seconds that don't count."""
        self._free += seconds


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """The options that every peer has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("corpus")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument(
        "--seconds", type=float, help="from the start of the process, evaluations not counted"
    )
    budget.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def read_text(path: str, device: str = "cpu") -> Text:
    corpus = open_corpus(DataConfig(sources=(path,), documents="none"))
    assert isinstance(corpus.train, TokenView) and isinstance(corpus.val, TokenView)
    train, val = (torch.from_numpy(part.read(0, len(part))) for part in (corpus.train, corpus.val))
    return Text(train.to(device), val.to(device), len(corpus.vocabulary))


def lanes(ids: Tensor, batch: int, window: int) -> Batches:
    """The text as `batch` lanes side by side, a window of each at a time; over and over."""
    length = (len(ids) - 1) // batch
    inputs = ids[: batch * length].view(batch, length)
    targets = ids[1 : batch * length + 1].view(batch, length)
    while True:
        for start in range(0, max(length - window, 0) + 1, window):
            part = slice(start, start + window)
            yield inputs[:, part], targets[:, part], start == 0


def train(peer: Peer, text: Text, arguments: argparse.Namespace) -> None:
    """Train until the budget is spent; at each mark ahead print seconds and validation loss, as a line of JSON."""
    budget = Budget(arguments)
    state: State = None
    step = read = 0
    for mark in [mark for mark in MARKS if mark > budget.progress(0)] or MARKS[-1:]:
        while (progress := budget.progress(step)) < mark:
            inputs, targets, anew = next(peer.batches)
            lr = peer.lr(progress, step, read / len(text.train))
            state = update(peer, inputs, targets, None if anew else state, lr)
            step, read = step + 1, read + inputs.numel()
        seconds = budget.spent()
        loss = validation_loss(peer.model, text.val, peer.context)
        budget.free(budget.spent() - seconds)
        print(json.dumps({"seconds": round(seconds, 2), "step": step, "val_nats_per_char": loss}), flush=True)


def update(peer: Peer, inputs: Tensor, targets: Tensor, state: State, lr: float) -> State:
    """One step of the optimizer. Returns the state after the window, cut from the graph."""
    for group in peer.optimizer.param_groups:
        group["lr"] = lr
    logits, after = peer.model(inputs, state)
    loss = cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
    peer.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    peer.clip(peer.model)
    peer.optimizer.step()
    return None if after is None else tuple(part.detach() for part in after)


@torch.no_grad()
def validation_loss(model: nn.Module, ids: Tensor, context: int | None) -> float:
    """Mean −log p in nats of every one of ids (n,) but the first, whatever the network.

    State is carried along 8 lanes; a network without one gets windows of its full context that overlap by three
    quarters, in which only what is new is scored.
    """
    model.eval()
    parts = _carried(model, ids) if context is None else _windows(model, ids, min(context, len(ids) - 1))
    nats = sum(float(cross_entropy(logits.float(), ids, reduction="sum")) for logits, ids in parts)
    model.train()
    return nats / (len(ids) - 1)


def _carried(model: nn.Module, ids: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (M, V) and targets (M,); what the division into lanes leaves over continues the last one."""
    length = (len(ids) - 1) // LANES
    state: State = None
    for start in range(0, length, CARRIED):
        offsets = range(start, LANES * length, length)
        stop = min(CARRIED, length - start) + 1
        rows = torch.stack([ids[offset : offset + stop] for offset in offsets])
        logits, state = model(rows[:, :-1], state)
        yield logits.flatten(0, 1), rows[:, 1:].flatten()
    rest = ids[LANES * length :]
    if len(rest) > 1:
        last = state and tuple(part[:, -1:].contiguous() for part in state)
        yield model(rest[None, :-1], last)[0][0], rest[1:]


def _windows(model: nn.Module, ids: Tensor, context: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (M, V) and targets (M,)."""
    last = len(ids) - 1 - context
    starts = torch.tensor([*range(0, last, max(context // 4, 1)), last])
    new = torch.diff(starts, prepend=starts[:1] - context)
    for begin in range(0, len(starts), WINDOWS):
        part = slice(begin, begin + WINDOWS)
        rows = torch.stack([ids[start : start + context + 1] for start in starts[part].tolist()])
        scored = torch.arange(context) >= context - new[part, None]
        logits, _ = model(rows[:, :-1], None)
        yield logits[scored.to(ids.device)], rows[:, 1:][scored.to(ids.device)]
