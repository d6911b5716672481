"""Streams of characters: steps of the engine, draws of the sampler, an end at a stop string or a length."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from math import fsum

import numpy as np
from numpy.typing import NDArray

from charnn.config import SampleConfig
from charnn.data.vocab import UNKNOWN_ID, Vocabulary
from charnn.inference.cells import Array
from charnn.inference.engine import Engine, State
from charnn.inference.sampler import ENDLESS, draw, fill_noise, generator, truncated, truncates
from charnn.inference.softmax import Doubles, log_probs_of
from charnn.inference.stops import StopFilter

NOISE = 4096  # numbers for each sample, made at a time: calls cost more than numbers


@dataclass(frozen=True)
class Sample:
    """One sample. `text` is what was generated, without the prompt; `chars` its length.

    `log_prob` is the natural log of the text's probability after the prompt, untempered and untruncated: what
    scoring it with the prompt as context gives. `stopped`: a stop string ended it.
    """

    index: int
    text: str
    log_prob: float
    chars: int
    temperature: float
    seed: int
    stopped: bool


class Streams:
    """B samples being drawn from one place in a text, a step for all of them at a time.

    With `record`, each step appends the log-probabilities (B,) of what it drew to `log_probs`, untempered and
    untruncated.
    """

    def __init__(
        self,
        engine: Engine,
        start: State,
        generators: list[np.random.Generator],
        config: SampleConfig,
        unknown_id: int,
        *,
        record: bool = False,
    ) -> None:
        batch = len(generators)
        self._engine, self._config, self._unknown_id = engine, config, unknown_id
        self._truncates = truncates(config)
        self._generators = generators
        self._buffers = engine.buffers(batch)
        self._state = start.repeated(batch)
        self._noise: Iterator[Doubles] = iter(())
        self._ids = np.empty(0, np.intp)
        self._record = record
        self.log_probs: deque[Doubles] = deque()

    def step(self) -> NDArray[np.intp]:
        """Draw the next character of every stream: ids (B,)."""
        if len(self._ids):
            self._state = self._engine.advance(self._ids, self._state, self._buffers)
        logits = self._engine.logits(self._state.top)
        noise = self._next_noise()
        self._ids = draw(self._truncated(logits) if self._truncates else logits, noise)
        if self._record:
            self.log_probs.append(log_probs_of(logits, self._ids))
        return self._ids

    def keep(self, chosen: NDArray[np.intp]) -> None:
        """Go on with some of the streams only."""
        self._state, self._ids = self._state.rows(chosen), self._ids[chosen]
        self._noise = iter([noise[chosen] for noise in self._noise])
        self._generators = [self._generators[i] for i in chosen]
        self._buffers = self._buffers.first(len(chosen))

    def _truncated(self, logits: Array) -> Array:
        """What top-k, top-p and min-p leave, the unknown character not counted."""
        if self._unknown_id != UNKNOWN_ID:
            logits = logits.copy()
            logits[:, self._unknown_id] = -np.inf
        return truncated(logits, self._config)

    def _next_noise(self) -> Doubles:
        """Noise (B, V) for one step."""
        noise = next(self._noise, None)
        if noise is None:
            self._noise = iter(self._fresh_noise())
            noise = next(self._noise)
        return noise

    def _fresh_noise(self) -> Doubles:
        """Noise (steps, B, V); the unknown character's is −∞: there is nothing to write for it."""
        ids = self._engine.config.vocab_size
        noise = np.empty((len(self._generators), max(1, NOISE // ids), ids))
        for row, numbers in zip(noise, self._generators, strict=True):
            fill_noise(row, numbers, self._config.temperature)
        if self._unknown_id != UNKNOWN_ID:
            noise[:, :, self._unknown_id] = -np.inf
        return noise.swapaxes(0, 1)


def generate(streams: Streams, characters: str, config: SampleConfig) -> Iterator[str]:
    """The characters of a single stream as they are made."""
    ending = StopFilter(config.stop)
    for _ in repeat(None) if config.length == ENDLESS else repeat(None, config.length):
        yield from ending.push(characters[streams.step()[0]])
        if ending.stopped:
            return
    yield from ending.held


class _Draft:
    """A sample in the making."""

    def __init__(self, index: int, config: SampleConfig) -> None:
        self.index = index
        self.ending = StopFilter(config.stop)
        self._pieces: list[str] = []
        self._log_probs: list[float] = []

    def push(self, character: str, log_prob: float) -> None:
        self._pieces.append(self.ending.push(character))
        self._log_probs.append(log_prob)

    def finished(self, config: SampleConfig, seed: int) -> Sample:
        text = "".join(self._pieces) + self.ending.held
        log_prob = fsum(self._log_probs[: len(text)])
        return Sample(self.index, text, log_prob, len(text), config.temperature, seed, self.ending.stopped)


def generate_batch(
    engine: Engine, start: State, vocabulary: Vocabulary, config: SampleConfig, seed: int, indices: range
) -> list[Sample]:
    """The samples of these indices, stepped as one batch; a stopped one leaves it."""
    generators = [generator(seed, index) for index in indices]
    streams = Streams(engine, start, generators, config, vocabulary.unknown_id, record=True)
    drafts = [_Draft(index, config) for index in indices]
    running = drafts
    for _ in range(config.length):
        ids = streams.step().tolist()
        for draft, i, log_prob in zip(running, ids, streams.log_probs.popleft().tolist(), strict=True):
            draft.push(vocabulary.characters[i], log_prob)
        if any(draft.ending.stopped for draft in running):
            kept = [row for row, draft in enumerate(running) if not draft.ending.stopped]
            if not kept:
                break
            streams.keep(np.array(kept))
            running = [running[row] for row in kept]
    return [draft.finished(config, seed) for draft in drafts]
