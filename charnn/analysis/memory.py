"""How much of what came before a model makes use of: its loss when its history is cut to k characters."""

from dataclasses import dataclass
from functools import partial
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charnn.config import MemoryConfig
from charnn.errors import InputError
from charnn.inference.engine import MAX_BATCH, Engine, Ids
from charnn.inference.model import Model, encoded_corpus
from charnn.inference.softmax import Doubles, log_probs_of
from charnn.inference.thread_pool import in_order
from charnn.inference.values import ArrayValue
from charnn.settings import checked, settings_of

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MemoryCurve(ArrayValue):
    """`bits_per_char[i]` is the mean loss after `histories[i]` = 2^i characters; both (n,).

    `unknown` counts the text's characters that the model never saw and that were replaced.
    """

    histories: NDArray[np.int64]
    bits_per_char: Doubles
    unknown: int


def memory_curve(model: Model, text: str, *, batch_size: int = MAX_BATCH, **options: Any) -> MemoryCurve:
    """Bits per character at `places` places of `text` when only the k characters before each are read.

    The state is zero before those k = 1, 2, 4, … ≤ `longest`. The places are evenly spaced and the same for every k;
    `batch_size` of them are read together, which changes no result.
    Options as MemoryConfig's. Raises InputError for one out of its range, or a text that is too short.
    """
    config = MemoryConfig(**checked(settings_of(MemoryConfig), options, "inspect memory"))
    encoded = encoded_corpus(model, text)
    chosen = _places(len(encoded.ids), config.longest, config.places)
    histories = 1 << np.arange(config.longest.bit_length())
    engine = Engine(model.config, model.weights())
    batches = [chosen[begin : begin + batch_size] for begin in range(0, len(chosen), batch_size)]
    work = [(int(history), batch) for history in histories for batch in batches]
    log_probs = np.concatenate(list(in_order(partial(_log_probs, engine, encoded.ids), work)))
    bits = -log_probs.reshape(len(histories), -1).mean(axis=1) / log(2)
    return MemoryCurve(histories, bits, encoded.unknown)


def _places(chars: int, longest: int, places: int) -> Places:
    """Where in a text of `chars` characters predictions are scored: each has `longest` characters before it."""
    if chars <= longest:
        raise InputError(
            f"the text has {chars:,} characters, but a history of {longest:,} needs more: "
            "give a longer corpus, or a smaller --longest"
        )
    return np.linspace(longest, chars - 1, places).astype(np.int64)


def _log_probs(engine: Engine, ids: Ids, work: tuple[int, Places]) -> Doubles:
    """log p of the character at each of B places after the `history` characters before it, (B,)."""
    history, places = work
    state, buffers = engine.initial(len(places)), engine.buffers(len(places))
    for back in range(history, 0, -1):
        state = engine.advance(ids[places - back], state, buffers)
    return log_probs_of(engine.logits(state.top), ids[places])
