"""Samples of a model, drawn in batches on every core."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

from charnn.config import SampleConfig
from charnn.data.vocab import Vocabulary
from charnn.errors import InputError
from charnn.inference.encoding import encode, known_form, state_after
from charnn.inference.engine import Engine, Ids, State
from charnn.inference.generate import Sample, Streams, samples_of, tokens_of
from charnn.inference.generators import generators
from charnn.inference.new_documents import known_documents, only_new
from charnn.inference.stopping import ENDLESS, Token
from charnn.inference.thread_pool import in_order
from charnn.settings import checked, settings_of
from charnn.storage.model_documents import ModelDocuments

MAX_OPENING = 1000  # characters, of a file from a stranger
MAX_DOCUMENTS = 512  # stepped at once where most soon end


def sample_config(options: Mapping[str, Any], vocabulary: Vocabulary, *, ends: bool) -> SampleConfig:
    """The options as a checked configuration; None where that is the default stands for it.

    `ends`: one that never ends is refused. Raises InputError.
    """
    settings = settings_of(SampleConfig)
    given = {
        name: value
        for name, value in options.items()
        if not (value is None and name in settings and settings[name].is_optional)
    }
    config = SampleConfig(**checked(settings, given, "sample"))
    may_end = config.length != ENDLESS or config.lines is not None or config.stop
    if ends and not may_end:
        raise InputError(
            "--length −1 never ends: stream a single sample, or give a length, lines or a stop string"
        )
    form = partial(known_form, vocabulary)
    return replace(config, stop=tuple(map(form, config.stop)), ban=tuple(map(form, config.ban)))


def opening(vocabulary: Vocabulary, provenance: Mapping[str, Any]) -> Ids:
    """What a sample without a prompt goes on from: nothing, but of a text of hardly any newline how that begins."""
    corpus = provenance.get("corpus")
    text = corpus.get("opening") if isinstance(corpus, dict) else None
    if not isinstance(text, str):
        return vocabulary.encode("")
    return encode(vocabulary, text[:MAX_OPENING], "skip", "the opening").ids


@dataclass(frozen=True, eq=False)
class BatchSampler:
    """Draws after prompts, given as ids; one without a prompt goes on from `opening`.

    `batch_size` samples are stepped together by one thread. Sample i has random numbers of its own, those of `seed`
    and i, so that it doesn't depend on which others are drawn.
    """

    engine: Engine
    vocabulary: Vocabulary
    opening: Ids
    config: SampleConfig
    seed: int
    batch_size: int

    def tokens(self, prompt: Ids, *, scored: bool) -> Iterator[Token]:
        """The tokens of a single text, the first sample's."""
        streams = self._streams([prompt], range(1))
        return tokens_of(streams, self.vocabulary, self.config, scored=scored)

    def samples(self, count: int | None, prompts: Sequence[Ids]) -> Iterator[Sample]:
        """`count` samples after each of the prompts; None: after the only one, without an end."""
        each = sys.maxsize if count is None else count

        def batch(indices: range) -> list[Sample]:
            streams = self._streams([prompts[index // each] for index in indices], indices)
            return samples_of(streams, self.vocabulary, self.config, self.seed, indices)

        total, size = each * len(prompts), self.batch_size
        batches = (range(first, min(first + size, total)) for first in range(0, total, size))
        return chain.from_iterable(in_order(batch, batches))

    def new_samples(
        self, count: int, prompts: Sequence[Ids], texts: Sequence[str], documents: ModelDocuments | None
    ) -> Iterator[Sample]:
        """`count` samples after each prompt that are none of the training documents, numbered through.

        `texts` are the prompts as text. Raises InputError where `documents` can't be known.
        """
        known = known_documents(documents)
        new = chain.from_iterable(
            only_new(self.samples(None, [prompt]), text, known, count)
            for prompt, text in zip(prompts, texts, strict=True)
        )
        return (replace(sample, index=index) for index, sample in enumerate(new))

    def _streams(self, prompts: Sequence[Ids], indices: range) -> Streams:
        """Streams that begin after a prompt each."""
        states: dict[bytes, State] = {}
        for prompt in prompts:
            if prompt.tobytes() not in states:
                begun = prompt if len(prompt) else self.opening
                states[prompt.tobytes()] = state_after(self.engine, self.vocabulary, begun)
        start = State.join([states[prompt.tobytes()] for prompt in prompts])
        numbers = generators(self.seed, indices)
        return Streams(self.engine, start, self.vocabulary, numbers, self.config, prompts)
