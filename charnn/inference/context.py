"""What a text stands in: every prompt and every context follows one newline, if the vocabulary has it."""

from charnn.data.vocab import Vocabulary
from charnn.inference.engine import Engine, State
from charnn.inference.scorer import Unknown, encode

NEWLINE = "\n"


def state_after(
    engine: Engine, vocabulary: Vocabulary, text: str, name: str, unknown: Unknown = "error"
) -> State:
    """The state after a newline, if the vocabulary has one, and `text`; `name` is what an error calls it."""
    ids = encode(vocabulary, text, unknown, name).ids
    state = engine.initial()
    if NEWLINE in vocabulary:
        state = engine.read(vocabulary.encode(NEWLINE), state)
    return engine.read(ids, state)
