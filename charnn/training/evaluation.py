"""Validation: every character of the validation part, state carried along at most eight lanes."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charnn.config import VALIDATION_LANES
from charnn.model.network import Network, State
from charnn.text.corpus import Part

WINDOW = 256


@torch.no_grad()
def evaluate(network: Network, part: Part, stop: Callable[[], bool] = lambda: False) -> float | None:
    """Mean −log p of every character but the first of `part`, in nats; None when `stop` became true.

    The part is cut into at most 8 contiguous lanes whose states start at zero; what the division leaves over
    continues the last lane.
    """
    was_training = network.training
    network.eval()
    try:
        return _total_nats(network, part, stop)
    finally:
        network.train(was_training)


def _total_nats(network: Network, part: Part, stop: Callable[[], bool]) -> float | None:
    predictions = len(part) - 1
    lanes = min(VALIDATION_LANES, predictions)
    length = predictions // lanes
    state = network.initial_state(lanes)
    total = 0.0
    for start in range(0, length, WINDOW):
        if stop():
            return None
        end = min(start + WINDOW, length)
        ids = _rows(part, [lane * length for lane in range(lanes)], start, end)
        nats, state = _window_nats(network, ids, state)
        total += nats
    if lanes * length < predictions:
        ids = _rows(part, [0], lanes * length, predictions)
        nats, _ = _window_nats(network, ids, tuple(s[:, -1:].contiguous() for s in state))
        total += nats
    return total / predictions


def _rows(part: Part, offsets: list[int], start: int, end: int) -> Tensor:
    """Characters start … end (inclusive) after each offset, (T + 1, N)."""
    return torch.stack([torch.from_numpy(part.read(o + start, o + end + 1)) for o in offsets], dim=1)


def _window_nats(network: Network, ids: Tensor, state: State) -> tuple[float, State]:
    """ids (T + 1, N) → summed −log p of its last T rows, and the state after them."""
    ids = ids.to(network.output.weight.device)
    logits, state = network(ids[:-1], state)
    nats = cross_entropy(logits.flatten(0, 1).float(), ids[1:].flatten(), reduction="none")
    return float(nats.double().sum()) if nats.device.type != "mps" else float(nats.sum()), state
