"""Validation: every character of the validation part, state carried along at most eight streams."""

from collections.abc import Callable

import torch
from torch import Tensor

from charnn.config import VALIDATION_STREAMS
from charnn.data.corpus import TokenView
from charnn.model.network import State
from charnn.training.objective import AnyNetwork, batch_nats, lookahead

WINDOW = 256


@torch.no_grad()
def evaluate(network: AnyNetwork, part: TokenView, stop: Callable[[], bool] = lambda: False) -> float | None:
    """Mean −log p of every character but the first of `part`, in nats; None when `stop` became true.

    The part is cut into at most 8 contiguous streams whose states start at zero; what the division leaves over
    continues the last stream. A bidirectional network reads on beyond each window, as far as all streams have text.
    """
    was_training = network.training
    network.eval()
    try:
        return _total_nats(network, part, stop)
    finally:
        network.train(was_training)


def _total_nats(network: AnyNetwork, part: TokenView, stop: Callable[[], bool]) -> float | None:
    predictions = len(part) - 1
    streams = min(VALIDATION_STREAMS, predictions)
    length = predictions // streams
    state = network.initial_state(streams)
    total = 0.0
    for start in range(0, length, WINDOW):
        if stop():
            return None
        end = min(start + WINDOW, length)
        ahead = min(lookahead(network), predictions - (streams - 1) * length - end)
        ids = _rows(part, [stream * length for stream in range(streams)], start, end + ahead)
        nats, state = _summed_nats(network, ids, ahead, state)
        total += nats
    if streams * length < predictions:
        ids = _rows(part, [0], streams * length, predictions)
        nats, _ = _summed_nats(network, ids, 0, tuple(s[:, -1:].contiguous() for s in state))
        total += nats
    return total / predictions


def _rows(part: TokenView, offsets: list[int], start: int, end: int) -> Tensor:
    """Characters start … end (inclusive) after each offset, (T + 1, N)."""
    return torch.stack([torch.from_numpy(part.read(o + start, o + end + 1)) for o in offsets], dim=1)


def _summed_nats(network: AnyNetwork, ids: Tensor, ahead: int, state: State) -> tuple[float, State]:
    """ids (1 + T + `ahead`, N) → summed −log p of the T rows after the first, and the state before the last of them."""
    nats, state = batch_nats(network, ids.to(network.output.weight.device), ahead, state)
    return float(nats.double().sum()) if nats.device.type != "mps" else float(nats.sum()), state
