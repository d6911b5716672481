"""Streams of characters: steps of the engine and draws of the sampler, until each text ends."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import fsum, inf, log, nan

import numpy as np
from numpy.typing import NDArray

from charnn.config import SampleConfig
from charnn.data.vocab import Vocabulary
from charnn.errors import InputError
from charnn.inference.cells import Array
from charnn.inference.engine import Engine, Ids, State
from charnn.inference.filters import HistoryFilter, filtered, filters_of
from charnn.inference.sampler import Noise, draw
from charnn.inference.softmax import Doubles, log_probs_of
from charnn.inference.stopping import Reason, Text, Token

NOTHING = -1


@dataclass(frozen=True)
class Sample:
    """One sample. `text` is what was generated, without the prompt; `reason` is why it ended.

    `log_probs` are those of its characters, natural logs, untempered and untruncated; where the end of a document was
    drawn, `end_log_prob` is that. So many draws were `passed_over` before it because they aren't new.
    """

    index: int
    text: str
    temperature: float
    seed: int
    reason: Reason
    log_probs: tuple[float, ...] = field(repr=False)
    end_log_prob: float | None = None
    passed_over: int = 0

    @property
    def chars(self) -> int:
        return len(self.text)

    @property
    def log_prob(self) -> float:
        """The log-probability of the text, and of its end, after the prompt: what its score is."""
        return fsum(self.log_probs if self.end_log_prob is None else (*self.log_probs, self.end_log_prob))

    @property
    def surprisal_bits(self) -> Array:
        """−log₂ p of each character, (chars,), float32."""
        return (np.array(self.log_probs) / -log(2)).astype(np.float32)

    @property
    def stopped(self) -> bool:
        """Whether a stop string ended it."""
        return self.reason == "stop"

    @property
    def bits_per_char(self) -> float | None:
        """None for an empty text."""
        return -self.log_prob / log(2) / self.chars if self.chars else None


class Streams:
    """B texts being drawn, each after its own row of `start`, a step for all of them at a time."""

    def __init__(
        self,
        engine: Engine,
        start: State,
        vocabulary: Vocabulary,
        generators: Sequence[np.random.Generator],
        config: SampleConfig,
        prompts: Sequence[Ids] = (),
    ) -> None:
        self._engine = engine
        self._filters = filters_of(config, _banned_ids(config, vocabulary), prompts)
        self._histories = [one for one in self._filters if isinstance(one, HistoryFilter)]
        self._noise = Noise(generators, engine.config.vocab_size, config.temperature)
        self._buffers = engine.buffers(len(generators))
        self._state = start
        self._ids: Ids = np.empty(0, np.intp)

    def step(self, *, scored: bool) -> tuple[NDArray[np.intp], Doubles | None]:
        """Draw the next character of every stream: ids (B,) and, if wanted, their log-probabilities (B,).

        Those are of the model itself, untempered and untruncated. An id is NOTHING where the filters left none to draw.
        """
        if len(self._ids):
            self._state = self._engine.advance(self._ids, self._state, self._buffers)
        logits = self._engine.logits(self._state.top)
        left = filtered(logits, self._filters) if self._filters else logits
        self._ids = ids = draw(left, self._noise.next())
        log_probs = log_probs_of(logits, ids) if scored else None
        if self._histories:
            for history in self._histories:
                history.read(ids)
            ids = np.where(left.max(axis=1) == -np.inf, NOTHING, ids)
        return ids, log_probs

    def keep(self, chosen: NDArray[np.intp]) -> None:
        """Go on with some of the streams only."""
        self._state, self._ids = self._state.rows(chosen), self._ids[chosen]
        self._noise.keep(chosen)
        self._buffers = self._buffers.first(len(chosen))
        for history in self._histories:
            history.keep(chosen)


def _banned_ids(config: SampleConfig, vocabulary: Vocabulary) -> list[int]:
    """What is never drawn: the characters of --ban, and the unknown one, for which there is nothing to write."""
    banned = sorted(set("".join(config.ban)) & set(vocabulary.characters))
    if len(banned) == len(vocabulary.characters):
        raise InputError("--ban leaves no character to draw: ban fewer")
    unknown = [vocabulary.unknown_id] if vocabulary.has_unknown else []
    return [*vocabulary.encode("".join(banned)).tolist(), *unknown]


def generate(streams: Streams, vocabulary: Vocabulary, texts: Sequence[Text]) -> None:
    """Draw a token for every text, step by step, until all of them have ended; those that have leave the batch."""
    push = _pusher(vocabulary)
    running = [text for text in texts if text.reason is None]
    while running:
        ids, log_probs = streams.step(scored=True)
        assert log_probs is not None
        ended = False
        for text, i, log_prob in zip(running, ids.tolist(), log_probs.tolist(), strict=True):
            push(text, i, log_prob)
            ended = ended or text.reason is not None
        if ended:
            kept = [place for place, text in enumerate(running) if text.reason is None]
            running = [running[place] for place in kept]
            streams.keep(np.array(kept, np.intp))


def tokens_of(
    streams: Streams, vocabulary: Vocabulary, config: SampleConfig, *, scored: bool
) -> Iterator[Token]:
    """The tokens of a single stream as they are drawn."""
    push = _pusher(vocabulary)
    text = Text(config)
    while text.reason is None:
        ids, log_probs = streams.step(scored=scored)
        push(text, ids.item(), nan if log_probs is None else log_probs.item())
        yield from text.pop()


def _pusher(vocabulary: Vocabulary) -> Callable[[Text, int, float], None]:
    """What gives a text the symbol that was drawn for it: a character, or its end."""
    characters, end_id = vocabulary.characters, vocabulary.end_id

    def push(text: Text, i: int, log_prob: float) -> None:
        if i == end_id:
            text.end("end", log_prob)
        elif i == NOTHING:
            text.end("exhausted")
        else:
            text.push((characters[i], log_prob))

    return push


def samples_of(
    streams: Streams, vocabulary: Vocabulary, config: SampleConfig, seed: int, indices: range
) -> list[Sample]:
    """The finished texts of a batch of streams, as the samples of these indices."""
    texts = [Text(config) for _ in indices]
    generate(streams, vocabulary, texts)
    return [
        _sample(index, text, config.temperature, seed) for index, text in zip(indices, texts, strict=True)
    ]


def _sample(index: int, drawn: Text, temperature: float, seed: int) -> Sample:
    tokens = drawn.pop()
    assert drawn.reason is not None
    characters, log_probs = zip(*tokens, strict=True) if tokens else ((), ())
    return Sample(index, "".join(characters), temperature, seed, drawn.reason, log_probs, drawn.end_log_prob)


def best_of_each(samples: Iterator[Sample], size: int) -> Iterator[Sample]:
    """The likeliest per character of every `size` samples, numbered anew; an empty one is never the best."""
    index = 0
    while group := list(islice(samples, size)):
        best = min(group, key=lambda sample: inf if sample.bits_per_char is None else sample.bits_per_char)
        yield replace(best, index=index)
        index += 1
