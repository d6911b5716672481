"""Validation of a collection: every document from its own beginning, its end included."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from charnn.data.collection import DocumentView
from charnn.data.document_batches import document_batch
from charnn.training.objective import Objective

SYMBOLS = 1 << 14  # of a batch, about
MOST_ROWS = 512
SEQ_LENGTH = 256


@torch.no_grad()
def evaluate_documents(
    network: Any, view: DocumentView, objective: Objective[Any], stop: Callable[[], bool]
) -> float | None:
    """Mean −log p of every symbol of the documents, in nats; None when `stop` became true.

    Documents of like length are read side by side, state carried: exactly, however long they are.
    """
    was_training = network.training
    network.eval()
    try:
        return _mean_nats(network, view, objective, stop)
    finally:
        network.train(was_training)


def _mean_nats(
    network: Any, view: DocumentView, objective: Objective[Any], stop: Callable[[], bool]
) -> float | None:
    total = 0.0
    for starts, lengths in _groups(view):
        state, longest = network.initial_state(len(starts)), int(lengths.max())
        for begin in range(0, longest, SEQ_LENGTH):
            if stop():
                return None
            batch = document_batch(view, starts, lengths, begin, min(begin + SEQ_LENGTH, longest))
            device = network.output.weight.device
            inputs, targets = (torch.from_numpy(ids).to(device) for ids in (batch.inputs, batch.targets))
            nats, state = objective.summed_nats(network, inputs, targets, state)
            total += float(nats)
    return total / len(view)


def _groups(view: DocumentView) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """First places and lengths of documents, similar lengths together."""
    starts, lengths = (np.concatenate(parts) for parts in zip(*view.spans(), strict=True))
    order = np.argsort(lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    first = 0
    while first < len(starts):
        rows = min(MOST_ROWS, max(1, SYMBOLS // int(lengths[first])))
        yield starts[first : first + rows], lengths[first : first + rows]
        first += rows
