"""Validation: every character of the validation part, state carried along at most eight streams."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from charnn.config import VALIDATION_STREAMS
from charnn.data.tokens import TokenView
from charnn.model.state import State
from charnn.training.objective import Objective

SEQ_LENGTH = 256
LOGIT_BYTES = (
    64 << 20
)  # of a validation batch, at most: those of a vocabulary beyond 8,192 take shorter batches


def validation_length(vocab_size: int) -> int:
    """The most characters of each stream that are read at a time, so that validation takes no more than training."""
    return max(1, min(SEQ_LENGTH, LOGIT_BYTES // (4 * VALIDATION_STREAMS * vocab_size)))


@torch.no_grad()
def evaluate(
    network: Any,
    part: TokenView,
    objective: Objective[Any],
    stop: Callable[[], bool] = lambda: False,
    seq_length: int = SEQ_LENGTH,
) -> float | None:
    """Mean −log p of every character but the first of `part`, in nats; None when `stop` became true.

    The part is cut into at most 8 contiguous streams whose states start at zero; what the division leaves over
    continues the last stream. They are read `seq_length` characters at a time, and on beyond them as far as the
    objective looks ahead and all streams have text.
    """
    was_training = network.training
    network.eval()
    try:
        return _mean_nats(network, part, objective, stop, seq_length)
    finally:
        network.train(was_training)


def _mean_nats(
    network: Any, part: TokenView, objective: Objective[Any], stop: Callable[[], bool], seq_length: int
) -> float | None:
    predictions = len(part) - 1
    streams = min(VALIDATION_STREAMS, predictions)
    length = predictions // streams
    state = network.initial_state(streams)
    total = 0.0
    for start in range(0, length, seq_length):
        if stop():
            return None
        end = min(start + seq_length, length)
        ahead = min(objective.lookahead, predictions - (streams - 1) * length - end)
        text = _text(part, [stream * length for stream in range(streams)], start, end + ahead)
        nats, state = _summed_nats(network, objective, text, ahead, state)
        total += nats
    if streams * length < predictions:
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
