"""How likely texts are: batches of lines, or one text of any length as stretches with the state carried."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from charnn.config import Unknown
from charnn.data.vocab import Vocabulary
from charnn.inference.cells import Array
from charnn.inference.encoding import FIRST, Encoded, Place, begins_character, border, encode
from charnn.inference.engine import MAX_BATCH, Engine, Ids, State
from charnn.inference.scores import Score
from charnn.inference.softmax import log_probs_of
from charnn.inference.thread_pool import in_order

Read = Callable[[Ids], Array]
"""Reads on in one text: the log-probability of each of the ids that come next, (T,) → (T,)."""


@dataclass(frozen=True)
class ScoringLimits:
    """What is held in memory at once; no score depends on it.

    A long text is scored `stretch` characters at a time. Of many, a block is read and ordered by length: `first_block`
    texts, so that first scores come soon, then ever more, to `block_texts` or `block_chars`; so many characters and
    `batch` texts make a batch. A thread holds so many `output_entries` of logits and hidden states.
    """

    stretch: int = 1 << 15
    first_block: int = 256
    block_texts: int = 4096
    block_chars: int = 1 << 20
    batch: int = MAX_BATCH
    output_entries: int = 1 << 19


DEFAULT_LIMITS = ScoringLimits()


class Scorer:
    """Scores texts that each follow the same `start`, the state (B = 1) after their context.

    Of a model of documents the `end` of each is scored too, unless it is False.
    """

    def __init__(
        self,
        engine: Engine,
        vocabulary: Vocabulary,
        start: State,
        unknown: Unknown,
        end: bool = True,
        known: frozenset[str] | None = None,
        limits: ScoringLimits = DEFAULT_LIMITS,
    ) -> None:
        self._engine, self._vocabulary, self._start = engine, vocabulary, start
        self._unknown, self._known, self._limits = unknown, known, limits
        self._end = border(vocabulary) if end and vocabulary.has_end else np.empty(0, np.intp)

    def text(self, text: str, name: str) -> Score:
        """The score of one text. `name` is what an error calls it."""
        return _joined(text, list(self.whole([text], name)))

    def whole(self, pieces: Iterable[str], name: str) -> Iterator[Score]:
        """One text in pieces: the scores of its stretches, the state carried."""
        read, place = self._reader(), FIRST
        for stretch in _stretches(pieces, self._limits.stretch):
            text = self._encode(stretch, name, place)
            place = place.after(stretch)
            yield _score(text, read(text.ids))
        if len(self._end):
            yield _score(Encoded("", "", "", self._end, 0), read(self._end))

    def many(self, texts: Iterable[str], first: int = 1, called: str = "text") -> Iterator[Score]:
        """Scores of many texts, in their order; errors number them from `first`, after what they are `called`."""
        for block in _blocks(texts, first, called, self._limits):
            if len(block) == 1:  # it may be a long one
                yield self.text(*block[0])
            else:
                yield from self._batches([self._ended(self._encode(text, name)) for text, name in block])

    def _reader(self) -> Read:
        """What reads a text, from its beginning."""
        state = self._start

        def read(ids: Ids) -> Array:
            nonlocal state
            running = np.ones(len(ids), np.intp)
            log_probs, state = _forward(self._engine, state, ids[:, None], running, self._limits)
            return log_probs[:, 0]

        return read

    def _encode(self, text: str, name: str, start: Place = FIRST) -> Encoded:
        return encode(self._vocabulary, text, self._unknown, name, start=start, known=self._known)

    def _ended(self, text: Encoded) -> Encoded:
        return replace(text, ids=np.concatenate([text.ids, self._end])) if len(self._end) else text

    def _batches(self, texts: Sequence[Encoded]) -> list[Score]:
        """Scores in order; each batch holds texts of about one length."""
        longest_first = sorted(range(len(texts)), key=lambda i: -len(texts[i].ids))
        scored = in_order(self._score_batch, _batched([texts[i] for i in longest_first], self._limits))
        scores = dict(zip(longest_first, chain.from_iterable(scored), strict=True))
        return [scores[i] for i in range(len(texts))]

    def _score_batch(self, texts: Sequence[Encoded]) -> list[Score]:
        """Scores of texts, the longest first."""
        log_probs = score_rows(self._engine, self._start, [text.ids for text in texts], self._limits)
        return [_score(text, row) for text, row in zip(texts, log_probs, strict=True)]


def _stretches(pieces: Iterable[str], most: int) -> Iterator[str]:
    """The text of the pieces in stretches of at most `most` characters.

    None ends between a letter and its combining marks, which may be one character in another normal form.
    """
    held = ""
    for piece in pieces:
        text = held + piece
        while end := _end_of_stretch(text, most):
            yield text[:end]
            text = text[end:]
        held = text
    if held:
        yield held


def _end_of_stretch(text: str, most: int) -> int:
    """Where the first stretch of `text`, of which more may come, ends; 0 where none is whole yet."""
    if len(text) <= most and text[-1:].isspace():
        return len(text)
    end = max(0, min(len(text) - 1, most))
    while end > 0 and not begins_character(text[end:]):
        end -= 1
    return end if end > 0 or len(text) <= most else most


def _batched(texts: Sequence[Encoded], limits: ScoringLimits) -> Iterator[Sequence[Encoded]]:
    """Texts, the longest first, in batches of bounded size."""
    while texts:
        size = max(1, min(limits.batch, limits.block_chars // max(1, len(texts[0].ids))))
        yield texts[:size]
        texts = texts[size:]


def _blocks(
    texts: Iterable[str], first: int, called: str, limits: ScoringLimits
) -> Iterator[list[tuple[str, str]]]:
    """Texts, each with its name, in blocks of bounded size; a text that is larger is a block of its own."""
    block: list[tuple[str, str]] = []
    chars, most = 0, min(limits.first_block, limits.block_texts)
    for number, text in enumerate(texts, first):
        if block and (len(block) == most or chars + len(text) > limits.block_chars):
            yield block
            block, chars, most = [], 0, min(2 * most, limits.block_texts)
        block.append((text, f"{called} {number}"))
        chars += len(text)
    if block:
        yield block


def _score(text: Encoded, log_probs: Array) -> Score:
    """`log_probs` (len(scored),), with one more where the end of a document was scored."""
    log_prob, chars = float(log_probs.sum(dtype=np.float64)), len(text.scored)
    end = float(log_probs[-1]) if len(log_probs) > chars else None
    surprisal_bits = log_probs[:chars] * np.float32(-1 / math.log(2))
    converted = None if text.read == text.text else text.read
    return Score(text.text, text.scored, text.unknown, log_prob, surprisal_bits, end, converted)


def _joined(text: str, stretches: Sequence[Score]) -> Score:
    """The score of a text made of these stretches."""
    return Score(
        text,
        "".join(stretch.scored for stretch in stretches),
        sum(stretch.unknown for stretch in stretches),
        math.fsum(stretch.log_prob for stretch in stretches),
        np.concatenate([np.empty(0, np.float32), *(stretch.surprisal_bits for stretch in stretches)]),
        stretches[-1].end_log_prob if stretches else None,
        _converted(stretches),
    )


def _converted(stretches: Sequence[Score]) -> str | None:
    """The text as it was read, if any stretch of it was converted."""
    if all(stretch.converted is None for stretch in stretches):
        return None
    return "".join(stretch.text if stretch.converted is None else stretch.converted for stretch in stretches)


def score_rows(
    engine: Engine, start: State, rows: Sequence[Ids], limits: ScoringLimits = DEFAULT_LIMITS
) -> list[Array]:
    """Log-probabilities of each row's characters; rows (n,), the longest first."""
    lengths = np.array([len(row) for row in rows])
    ids = np.zeros((lengths[0], len(rows)), np.int32)  # (T, B)
    for column, row in enumerate(rows):
        ids[: len(row), column] = row
    running = (lengths > np.arange(lengths[0])[:, None]).sum(
        axis=1
    )  # rows that have a character at each place
    log_probs, _ = _forward(engine, start.repeated(len(rows)), ids, running, limits)
    return [log_probs[:length, column].copy() for column, length in enumerate(lengths)]


def _forward(
    engine: Engine, state: State, ids: Ids, running: NDArray[np.intp], limits: ScoringLimits
) -> tuple[Array, State]:
    """Log-probabilities (T, B) of ids (T, B) and the state after them.

    At place t the first `running[t]` columns are scored; `running` (T,) never grows. The others' results
    mean nothing.
    """
    log_probs = np.zeros(ids.shape, np.float32)
    buffers = engine.buffers(ids.shape[1])
    width = engine.config.hidden + engine.config.vocab_size
    most = max(1, limits.output_entries // width // ids.shape[1])
    for begin in range(0, len(ids), most):
        hidden = []
        for place in range(begin, min(begin + most, len(ids))):
            if running[place] < len(state.top):
                state, buffers = state.rows(slice(running[place])), buffers.first(running[place])
            hidden.append(state.top)
            state = engine.advance(ids[place, : running[place]], state, buffers)
        window = slice(begin, begin + len(hidden))
        scored = np.arange(ids.shape[1]) < running[window, None]
        logits = engine.logits(np.concatenate(hidden))
        log_probs[window][scored] = log_probs_of(logits, ids[window][scored])
    return log_probs, state
