"""Validation: every character of a text, state carried along at most eight streams; every document of a collection."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charnn.config import VALIDATION_STREAMS
from charnn.data.collection import DocumentView
from charnn.data.document_batches import document_batch
from charnn.data.parts import WHOLE, Part
from charnn.data.tokens import TokenView
from charnn.model.state import State
from charnn.training.objective import Objective

SEQ_LENGTH = 256
LOGIT_BYTES = 64 << 20  # of a batch, at most: a vocabulary beyond 8,192 takes shorter ones
DOCUMENT_SYMBOLS, MOST_DOCUMENTS = 1 << 14, 512  # of a batch of documents, about


def validation_length(vocab_size: int) -> int:
    """The most characters of each stream that are read at a time, so that validation takes no more than training."""
    return max(1, min(SEQ_LENGTH, LOGIT_BYTES // (4 * VALIDATION_STREAMS * vocab_size)))


def validated_symbols(vocab_size: int) -> int:
    """The most symbols of documents, or of pairs' targets, that are read at a time, about."""
    return max(1, min(DOCUMENT_SYMBOLS, LOGIT_BYTES // (4 * vocab_size)))


@contextmanager
def _eval_mode(network: Any) -> Iterator[None]:
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


@torch.no_grad()
def evaluate(
    network: Any,
    part: TokenView,
    objective: Objective[Any],
    stop: Callable[[], bool] = lambda: False,
    seq_length: int = SEQ_LENGTH,
    own: Part = WHOLE,
) -> float | None:
    """Mean −log p of every character but the first of `part`, in nats; None when `stop` became true.

    Of several processes each reads `own` part of the streams: what they find adds up to the mean.

    The part is cut into at most 8 contiguous streams whose states start at zero; what the division leaves over
    continues the last stream. They are read `seq_length` characters at a time, and on beyond them as far as the
    objective looks ahead and all streams have text.
    """
    with _eval_mode(network):
        return _mean_nats(network, part, objective, stop, seq_length, own)


def _mean_nats(
    network: Any,
    part: TokenView,
    objective: Objective[Any],
    stop: Callable[[], bool],
    seq_length: int,
    own: Part,
) -> float | None:
    predictions = len(part) - 1
    streams = min(VALIDATION_STREAMS, predictions)
    length = predictions // streams
    first, last = own.bounds(streams)
    if first == last:
        return 0.0
    state = network.initial_state(last - first)
    total = 0.0
    for start in range(0, length, seq_length):
        if stop():
            return None
        end = min(start + seq_length, length)
        ahead = min(objective.lookahead, predictions - (streams - 1) * length - end)
        text = _text(part, [stream * length for stream in range(first, last)], start, end + ahead)
        nats, state = _summed_nats(network, objective, text, ahead, state)
        total += nats
    if last == streams and streams * length < predictions:
        text = _text(part, [0], streams * length, predictions)
        nats, _ = _summed_nats(network, objective, text, 0, state.rows(slice(-1, None)))
        total += nats
    return total / predictions


def _text(part: TokenView, offsets: list[int], start: int, end: int) -> Tensor:
    """Characters start … end (inclusive) after each offset, (T + 1, N)."""
    return torch.stack([torch.from_numpy(part.read(o + start, o + end + 1)) for o in offsets], dim=1)


def _summed_nats(
    network: Any, objective: Objective[Any], text: Tensor, ahead: int, state: State
) -> tuple[float, State]:
    """text (1 + T + `ahead`, N) → summed −log p of the T after the first, and the state before the last of them."""
    nats, state = objective.nats(network, text.to(state.recent.device), ahead, state)
    return float(nats.double().sum()) if nats.device.type != "mps" else float(nats.sum()), state


@torch.no_grad()
def evaluate_documents(
    network: Any,
    view: DocumentView,
    objective: Objective[Any],
    stop: Callable[[], bool],
    own: Part = WHOLE,
) -> float | None:
    """Mean −log p of every symbol of the documents, in nats; None when `stop` became true.

    Documents of like length are read side by side, state carried: exactly, however long they are. Of several processes
    each reads its `own` groups of them: what they find adds up to the mean.
    """
    with _eval_mode(network):
        return _mean_nats_of_documents(network, view, objective, stop, own)


def _mean_nats_of_documents(
    network: Any, view: DocumentView, objective: Objective[Any], stop: Callable[[], bool], own: Part
) -> float | None:
    total, symbols = 0.0, validated_symbols(view.end_id + 1)
    for starts, lengths in islice(_groups(view, symbols), own.rank, None, own.size):
        state, longest = network.initial_state(len(starts)), int(lengths.max())
        is_wide = symbols < DOCUMENT_SYMBOLS  # the vocabulary
        window = min(SEQ_LENGTH, max(1, symbols // len(starts))) if is_wide else SEQ_LENGTH
        for begin in range(0, longest, window):
            if stop():
                return None
            batch = document_batch(view, starts, lengths, begin, min(begin + window, longest))
            device = network.output.weight.device
            inputs, targets = (torch.from_numpy(ids).to(device) for ids in (batch.inputs, batch.targets))
            nats, state = objective.summed_nats(network, inputs, targets, state)
            total += float(nats)
    return total / len(view)


def _groups(view: DocumentView, symbols: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """First places and lengths of documents, similar lengths together."""
    starts, lengths = (np.concatenate(parts) for parts in zip(*view.spans(), strict=True))
    order = np.argsort(lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    first = 0
    while first < len(starts):
        rows = min(MOST_DOCUMENTS, max(1, symbols // int(lengths[first])))
        yield starts[first : first + rows], lengths[first : first + rows]
        first += rows
