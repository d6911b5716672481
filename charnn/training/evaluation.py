"""Validation: every character of the validation part, state carried along at most eight lanes."""

from collections.abc import Callable

import torch
from torch import Tensor

from charnn.config import VALIDATION_LANES
from charnn.model.network import State
from charnn.text.corpus import Part
from charnn.training.objective import AnyNetwork, lookahead, window_nats

WINDOW = 256


@torch.no_grad()
def evaluate(network: AnyNetwork, part: Part, stop: Callable[[], bool] = lambda: False) -> float | None:
    """Mean −log p of every character but the first of `part`, in nats; None when `stop` became true.

    The part is cut into at most 8 contiguous lanes whose states start at zero; what the division leaves over
    continues the last lane. A bidirectional network reads on beyond each window, as far as all lanes have text.
    """
    was_training = network.training
    network.eval()
    try:
        return _total_nats(network, part, stop)
    finally:
        network.train(was_training)


def _total_nats(network: AnyNetwork, part: Part, stop: Callable[[], bool]) -> float | None:
    predictions = len(part) - 1
    lanes = min(VALIDATION_LANES, predictions)
    length = predictions // lanes
    state = network.initial_state(lanes)
    total = 0.0
    for start in range(0, length, WINDOW):
        if stop():
            return None
        end = min(start + WINDOW, length)
        ahead = min(lookahead(network), predictions - (lanes - 1) * length - end)
        ids = _rows(part, [lane * length for lane in range(lanes)], start, end + ahead)
        nats, state = _summed_nats(network, ids, ahead, state)
        total += nats
    if lanes * length < predictions:
        ids = _rows(part, [0], lanes * length, predictions)
        nats, _ = _summed_nats(network, ids, 0, tuple(s[:, -1:].contiguous() for s in state))
        total += nats
    return total / predictions


def _rows(part: Part, offsets: list[int], start: int, end: int) -> Tensor:
    """Characters start … end (inclusive) after each offset, (T + 1, N)."""
    return torch.stack([torch.from_numpy(part.read(o + start, o + end + 1)) for o in offsets], dim=1)


def _summed_nats(network: AnyNetwork, ids: Tensor, ahead: int, state: State) -> tuple[float, State]:
    """ids (1 + T + `ahead`, N) → summed −log p of the T rows after the first, and the state before the last of them."""
    nats, state = window_nats(network, ids.to(network.output.weight.device), ahead, state)
    return float(nats.double().sum()) if nats.device.type != "mps" else float(nats.sum()), state
