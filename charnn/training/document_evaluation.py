"""Validation of a collection: every document from its own beginning, its end included."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from charnn.data.collection import DocumentView
from charnn.data.document_batches import document_batch
from charnn.training.objective import AnyNetwork, summed_nats

SYMBOLS = 1 << 14  # of a batch, about
MOST_ROWS = 512
WINDOW = 256


def document_nats(network: AnyNetwork, view: DocumentView, stop: Callable[[], bool]) -> float | None:
    """Mean −log p of every symbol of the documents, in nats; None when `stop` became true.

    Documents of like length are read side by side, in windows with carried state: exactly, however long they are.
    """
    total = 0.0
    for starts, lengths in _groups(view):
        state = network.initial_state(len(starts))
        for begin in range(0, int(lengths.max()), WINDOW):
            if stop():
                return None
            stop_at = min(begin + WINDOW, int(lengths.max()))
            batch = document_batch(view, starts, lengths, begin, stop_at)
            device = network.output.weight.device
            inputs, targets = (torch.from_numpy(ids).to(device) for ids in (batch.inputs, batch.targets))
            nats, state = summed_nats(network, inputs, targets, state)
            total += nats
    return total / len(view)


def _groups(view: DocumentView) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """First places and lengths of documents, similar lengths together."""
    chunks = list(view.spans())
    starts, lengths = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    order = np.argsort(lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    first = 0
    while first < len(starts):
        rows = min(MOST_ROWS, max(1, SYMBOLS // int(lengths[first])))
        yield starts[first : first + rows], lengths[first : first + rows]
        first += rows
