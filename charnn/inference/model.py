"""The public model: load once, then sample, stream, score. Immutable, so many threads may share one."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from charnn.config import DrawConfig, ModelConfig, SampleConfig, Unknown
from charnn.data.vocab import UNKNOWN_GLYPH, Vocabulary
from charnn.errors import InputError, ModelFileError
from charnn.inference.cells import Array
from charnn.inference.encoding import Encoded, border, encode, known_form, state_after
from charnn.inference.engine import Engine, Ids, State
from charnn.inference.generate import Sample, Streams, best_of_each, samples_of, tokens_of
from charnn.inference.new_documents import known_documents, only_new
from charnn.inference.sampler import checked_seed, generator
from charnn.inference.scorer import Scorer
from charnn.inference.scores import Score
from charnn.inference.softmax import Doubles, probabilities_of
from charnn.inference.stopping import ENDLESS, Token
from charnn.inference.thread_pool import in_order
from charnn.inference.values import ArrayValue
from charnn.model.kinds import kind_of
from charnn.settings import checked, settings_of
from charnn.storage.model_documents import ModelDocuments
from charnn.storage.model_file import ModelFile, model_path, read_model

MAX_OPENING = 1000  # characters, of a file from a stranger
MAX_BATCH = 128  # samples stepped at once, by one thread


@dataclass(frozen=True, eq=False)
class Distribution(ArrayValue):
    """Of the next character: `probabilities` (n,), of `characters` in the same order.

    Where the vocabulary has an unknown character, it stands last, as U+FFFD. Together with `end`, the probability that
    the document ends here, their sum is 1 within 1e-6; of a model of continuous text that is 0.
    """

    characters: str
    probabilities: Doubles
    end: float = 0.0

    def top(self, count: int) -> list[tuple[str, float]]:
        """The `count` likeliest characters and their probabilities, likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.characters[i], float(self.probabilities[i])) for i in order]


@dataclass(frozen=True)
class Model:
    """A trained network with its vocabulary. Immutable: many threads may share one.

    Every prompt and every context follows one newline; where the vocabulary has none, the zero state. That of a model
    of documents (`documents` isn't None) begins a document. A sample without a prompt of a model without newlines goes
    on from the beginning of its training text.
    A character the model never saw raises UnknownCharacterError, an option out of its range InputError.
    """

    config: ModelConfig
    vocabulary: Vocabulary
    provenance: Mapping[str, Any]
    path: Path | None = field(compare=False)
    documents: ModelDocuments | None
    _engine: Engine = field(repr=False)
    _read_again: Callable[[], ModelFile] = field(repr=False, compare=False)

    @classmethod
    def of(cls, stored: ModelFile, path: Path | None = None) -> "Model":
        """The model that a file holds; `path` None where there is none yet."""
        read_again = partial(read_model, path.absolute()) if path else partial(_itself, stored)
        engine = Engine(stored.config, stored.weights)
        about = (stored.config, stored.vocabulary, stored.provenance, path, stored.documents)
        return cls._rebuilt(*about, engine, read_again)

    @classmethod
    def _rebuilt(
        cls,
        config: ModelConfig,
        vocabulary: Vocabulary,
        provenance: dict[str, Any],
        path: Path | None,
        documents: ModelDocuments | None,
        engine: Engine,
        read_again: Callable[[], ModelFile],
    ) -> "Model":
        return cls(config, vocabulary, MappingProxyType(provenance), path, documents, engine, read_again)

    def __reduce__(self) -> tuple[Any, ...]:
        """For copies and spawned processes: all that it is made of, so that its file may be gone or changed."""
        parts = (
            self.config,
            self.vocabulary,
            dict(self.provenance),
            self.path,
            self.documents,
            self._engine,
            self._read_again,
        )
        return Model._rebuilt, parts

    def __hash__(self) -> int:
        return hash((self.config, self.vocabulary))

    def __copy__(self) -> "Model":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Model":
        """Itself: nothing can change it."""
        return self

    def sample(
        self, prompt: str = "", *, seed: int | None = None, unknown: Unknown = "error", **options: Any
    ) -> str:
        """New text after `prompt`, without it. Options as SampleConfig's; one seed gives one text.

        `unknown` is what becomes of the prompt's unknown characters: see `score_many`.
        """
        config = self._sample_config(options, endless=False)
        return "".join(character for character, _ in self._tokens(prompt, config, seed, unknown))

    def stream(
        self,
        prompt: str = "",
        *,
        seed: int | None = None,
        unknown: Unknown = "error",
        called: str = "the prompt",
        **options: Any,
    ) -> Iterator[str]:
        """The characters that `sample` would return, as they are made. `length` −1 never ends."""
        config = self._sample_config(options)
        tokens = self._tokens(prompt, config, seed, unknown, called=called, scored=False)
        return (character for character, _ in tokens)

    def stream_scored(
        self,
        prompt: str = "",
        *,
        seed: int | None = None,
        unknown: Unknown = "error",
        called: str = "the prompt",
        **options: Any,
    ) -> Iterator[Token]:
        """As `stream`, each character with its log-probability (natural log, untempered and untruncated)."""
        config = self._sample_config(options)
        return self._tokens(prompt, config, seed, unknown, called=called, scored=True)

    def sample_many(
        self,
        count: int,
        prompt: str | Sequence[str] = "",
        *,
        seed: int | None = None,
        unknown: Unknown = "error",
        best_of: int = 1,
        new: bool = False,
        called: str = "the prompt",
        **options: Any,
    ) -> Iterator[Sample]:
        """`count` samples after the prompt, or after each of several, many stepped together, on all cores.

        They come in order; the first is what `sample` returns. Each is the likeliest per character of `best_of` that
        were drawn. `new`: of a model of documents, only those that aren't among its training documents; raises
        CharnnError where it writes no others. An error names a prompt by its number after `called`.
        """
        config = self._sample_config(options, endless=False)
        drawing = settings_of(DrawConfig)
        count, best_of = drawing["num_samples"].require(count), drawing["best_of"].require(best_of)
        prompts, seed = self._prompts(prompt, called, unknown), checked_seed(seed)
        if new:
            texts = [prompt] if isinstance(prompt, str) else prompt
            drawn = (self._samples(None, [ids], config, seed) for ids in prompts)
            samples = self._only_new(zip(drawn, texts, strict=True), count * best_of)
        else:
            samples = self._samples(count * best_of, prompts, config, seed)
        return samples if best_of == 1 else best_of_each(samples, best_of)

    def _only_new(self, drawn: Iterable[tuple[Iterator[Sample], str]], count: int) -> Iterator[Sample]:
        """`count` samples after each prompt that are no training documents, numbered through."""
        known = known_documents(self.documents)
        new = chain.from_iterable(only_new(samples, prompt, known, count) for samples, prompt in drawn)
        return (replace(sample, index=index) for index, sample in enumerate(new))

    def next(self, prompt: str = "", *, unknown: Unknown = "error") -> Distribution:
        """The distribution of the character after `prompt`."""
        return self._distribution(self._after(prompt, "the prompt", unknown))

    def predictions(
        self,
        text: str,
        *,
        context: str = "",
        unknown: Unknown = "error",
        known: frozenset[str] | None = None,
    ) -> Iterator[Distribution]:
        """The distribution before each scored character of `text`, in order."""
        start = self._after(context, "the context", unknown)
        return self._predictions(start, encode(self.vocabulary, text, unknown, "the text", known=known).ids)

    def score(
        self,
        text: str,
        *,
        context: str = "",
        unknown: Unknown = "error",
        adapt: bool = False,
        end: bool = True,
    ) -> Score:
        """How likely `text` is after `context`. `unknown`, `adapt`, `end`: see `score_many`."""
        return self._scorer(context, unknown, adapt, end).text(text, "the text")

    def score_many(
        self,
        texts: Iterable[str],
        *,
        context: str = "",
        unknown: Unknown = "error",
        adapt: bool = False,
        end: bool = True,
        first: int = 1,
        called: str = "text",
        known: frozenset[str] | None = None,
    ) -> Iterator[Score]:
        """A score for each text (a string is one) after `context`, in order; texts are read some thousands ahead.

        Errors number the texts from `first`, after what they are `called`.

        What the model never saw, in text or context: "error" raises UnknownCharacterError, "skip" goes on as
        if it weren't there, "replace" puts the vocabulary's unknown character there (else U+FFFD, a space, or
        the first character); where the vocabulary has an unknown character, "error" is as "replace". If `known`, all
        other characters count as unknown too: for a comparison with a model that knows no others. With `adapt` a copy
        of the network goes on learning from each text, anew from the trained weights, always after it has scored what
        it learns from (dynamic evaluation; needs torch). Without `end` the end of a document isn't scored: the text is
        the beginning of something.
        """
        return self._scorer(context, unknown, adapt, end, known).many(
            [texts] if isinstance(texts, str) else texts, first, called
        )

    def score_whole(
        self,
        pieces: Iterable[str],
        *,
        context: str = "",
        unknown: Unknown = "error",
        adapt: bool = False,
        end: bool = True,
        called: str = "the text",
        known: frozenset[str] | None = None,
    ) -> Iterator[Score]:
        """Scores of one text of any length, given in pieces: one for each stretch, a piece or part of one.

        The state is carried, and with `adapt` what was learnt: the stretches' `log_prob` add up to the whole
        text's. Memory is bounded by the longest piece. A document's end is scored with an empty stretch of its own.
        """
        whole = [pieces] if isinstance(pieces, str) else pieces
        return self._scorer(context, unknown, adapt, end, known).whole(whole, called)

    def _scorer(
        self, context: str, unknown: Unknown, adapt: bool, end: bool, known: frozenset[str] | None = None
    ) -> Scorer:
        start = self._after(context, "the context", unknown)
        if not adapt:
            return Scorer(self._engine, self.vocabulary, start, unknown, end, known)
        from charnn.inference.dynamic_evaluation import DynamicScorer  # torch

        return DynamicScorer(self._engine, self.vocabulary, start, unknown, end, self.weights(), known)

    def weights(self) -> Mapping[str, Array]:
        """The weights as they were trained. The engine holds them in an order of its own, and two would be many."""
        stored = self._read_again()
        if (stored.config, stored.provenance) != (self.config, dict(self.provenance)):
            raise ModelFileError(f"{self.path} has changed since it was loaded: load it again")
        return stored.dense_weights()

    def _tokens(
        self,
        prompt: str,
        config: SampleConfig,
        seed: int | None,
        unknown: Unknown,
        *,
        called: str = "the prompt",
        scored: bool = False,
    ) -> Iterator[Token]:
        """The tokens of a single text after the prompt. Options and prompt are checked at once."""
        prompts = self._prompts(prompt, called, unknown)
        streams = self._streams(prompts, config, [generator(checked_seed(seed), 0)])
        return tokens_of(streams, self.vocabulary, config, scored=scored)

    def _samples(
        self, count: int | None, prompts: Sequence[Ids], config: SampleConfig, seed: int
    ) -> Iterator[Sample]:
        """`count` samples after each of the prompts; None: after the only one, without an end."""
        each = sys.maxsize if count is None else count

        def batch(indices: range) -> list[Sample]:
            generators = [generator(seed, index) for index in indices]
            streams = self._streams([prompts[index // each] for index in indices], config, generators)
            return samples_of(streams, self.vocabulary, config, seed, indices)

        total = each * len(prompts)
        batches = (range(first, min(first + MAX_BATCH, total)) for first in range(0, total, MAX_BATCH))
        return chain.from_iterable(in_order(batch, batches))

    def _streams(
        self, prompts: Sequence[Ids], config: SampleConfig, generators: Sequence[np.random.Generator]
    ) -> Streams:
        """Streams that begin after a prompt each."""
        states: dict[bytes, State] = {}
        for prompt in prompts:
            if prompt.tobytes() not in states:
                begun = prompt if len(prompt) else self._opening
                states[prompt.tobytes()] = state_after(self._engine, self.vocabulary, begun)
        start = State.join([states[prompt.tobytes()] for prompt in prompts])
        return Streams(self._engine, start, self.vocabulary, generators, config, prompts)

    @property
    def _opening(self) -> Ids:
        """What a sample without a prompt goes on from: nothing, but of a text without newlines how that begins."""
        corpus = self.provenance.get("corpus")
        opening = corpus.get("opening") if isinstance(corpus, dict) else None
        if len(border(self.vocabulary)) or not isinstance(opening, str):
            return self.vocabulary.encode("")
        return encode(self.vocabulary, opening[:MAX_OPENING], "skip", "the opening").ids

    def _prompts(self, prompt: str | Sequence[str], called: str, unknown: Unknown) -> list[Ids]:
        """The ids of a prompt, or of several."""
        if isinstance(prompt, str):
            return [encode(self.vocabulary, prompt, unknown, called).ids]
        return [
            encode(self.vocabulary, one, unknown, f"{called} {number}").ids
            for number, one in enumerate(prompt, 1)
        ]

    def _sample_config(self, options: Mapping[str, Any], *, endless: bool = True) -> SampleConfig:
        """The options as a checked configuration; None where that is the default stands for it."""
        settings = settings_of(SampleConfig)
        given = {
            name: value
            for name, value in options.items()
            if not (value is None and name in settings and settings[name].is_optional)
        }
        config = SampleConfig(**checked(settings, given, "sample"))
        may_end = (
            self.documents is not None or config.length != ENDLESS or config.lines is not None or config.stop
        )
        if not may_end and not endless:
            raise InputError(
                "--length −1 never ends: stream a single sample, or give a length, lines or a stop string"
            )
        form = partial(known_form, self.vocabulary)
        return replace(config, stop=tuple(map(form, config.stop)), ban=tuple(map(form, config.ban)))

    def _after(self, text: str, name: str, unknown: Unknown = "error") -> State:
        """The state after `text` as it stands in its context."""
        return state_after(self._engine, self.vocabulary, encode(self.vocabulary, text, unknown, name).ids)

    def _distribution(self, state: State) -> Distribution:
        characters = self.vocabulary.characters + UNKNOWN_GLYPH * self.vocabulary.has_unknown
        probabilities = probabilities_of(self._engine.logits(state.top))[0]
        end = float(probabilities[-1]) if self.vocabulary.has_end else 0.0
        return Distribution(characters, probabilities[: len(characters)], end)

    def _predictions(self, state: State, ids: Ids) -> Iterator[Distribution]:
        buffers = self._engine.buffers()
        for place in range(len(ids)):
            yield self._distribution(state)
            state = self._engine.advance(ids[place : place + 1], state, buffers)


def encoded_corpus(model: Model, text: str) -> Encoded:
    """A long text as the model reads it, unknown characters replaced; of a model of documents with their ends."""
    if model.documents is None:
        return encode(model.vocabulary, text, "replace", "the text")
    parts = [
        encode(model.vocabulary, one, "replace", "the text") for one in text.split(model.documents.separator)
    ]
    end = border(model.vocabulary)
    ids = np.concatenate([end, *chain.from_iterable((part.ids, end) for part in parts if len(part.ids))])
    return Encoded(text, text, text, ids, sum(part.unknown for part in parts))


def load(path: str | Path) -> Model:
    """The model in a .safetensors file or a run's folder. Raises ModelFileError, naming it and what is wrong."""
    file = model_path(Path(path))
    stored = read_model(file)
    kind = kind_of(stored.config)
    if "sample" not in kind.capabilities:
        raise ModelFileError(f"{file} is {kind.name}: it {kind.purpose}, see `charnn {kind.command}`")
    return Model.of(stored, file)


def _itself(stored: ModelFile) -> ModelFile:
    """What `_read_again` is for a model without a file; a function that a copy can hold."""
    return stored
