"""The public model: load once, then sample, stream, score. Immutable, so many threads may share one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from charnn.config import DrawConfig, ModelConfig, SampleConfig, Unknown
from charnn.data.vocab import UNKNOWN_GLYPH, Vocabulary
from charnn.errors import ModelFileError
from charnn.inference.batch_sampler import MAX_DOCUMENTS, BatchSampler, opening, sample_config
from charnn.inference.cells import Array
from charnn.inference.distribution import Distribution
from charnn.inference.encoding import Encoded, border, encode, state_after
from charnn.inference.engine import MAX_BATCH, Engine, Ids, State
from charnn.inference.generate import Sample, best_of_each
from charnn.inference.sampler import checked_seed
from charnn.inference.scorer import Scorer
from charnn.inference.scores import Score
from charnn.inference.softmax import probabilities_of
from charnn.inference.stopping import Token
from charnn.settings import settings_of
from charnn.storage.model_documents import ModelDocuments
from charnn.storage.model_file import ModelFile, model_path, read_model, require_capability

if TYPE_CHECKING:
    from charnn.inference.dynamic_evaluation import DynamicEvaluationOptions

Adapt: TypeAlias = "bool | DynamicEvaluationOptions"


@dataclass(frozen=True)
class Model:
    """A trained network with its vocabulary. Immutable: many threads may share one.

    Every prompt and every context follows one newline; where the vocabulary has none, the zero state. That of a model
    of documents (`documents` isn't None) begins a document. Where the training text has hardly any newline, a sample
    without a prompt goes on from the beginning of that text.
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
        return "".join(
            character for character, _ in self._tokens(prompt, config, seed, unknown, "the prompt")
        )

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
        return (character for character, _ in self._tokens(prompt, config, seed, unknown, called))

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
        return self._tokens(prompt, config, seed, unknown, called, scored=True)

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
        batch_size: int | None = None,
        **options: Any,
    ) -> Iterator[Sample]:
        """`count` samples after the prompt, or after each of several, many stepped together, on all cores.

        They come in order; the first is what `sample` returns. Each is the likeliest per character of `best_of` that
        were drawn. `new`: of a model of documents, only those that aren't among its training documents; raises
        CharnnError where it writes no others. An error names a prompt by its number after `called`. `batch_size` are
        stepped together by one thread; it changes the speed.
        """
        config = self._sample_config(options, endless=False)
        drawing = settings_of(DrawConfig)
        count, best_of = drawing["num_samples"].require(count), drawing["best_of"].require(best_of)
        prompts, seed = self._prompts(prompt, called, unknown), checked_seed(seed)
        sampler = self._sampler(config, seed, batch_size)
        if new:
            given = [prompt] if isinstance(prompt, str) else prompt
            texts = [
                encode(self.vocabulary, one, unknown, called).scored for one in given
            ]  # as documents have it
            samples = sampler.new_samples(count * best_of, prompts, texts, self.documents)
        else:
            samples = sampler.samples(count * best_of, prompts)
        return samples if best_of == 1 else best_of_each(samples, best_of)

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
        adapt: Adapt = False,
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
        adapt: Adapt = False,
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
        it learns from (dynamic evaluation; needs torch), as fast as `DynamicEvaluationOptions` say. Without `end` the
        end of a document isn't scored: the text is the beginning of something.
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
        adapt: Adapt = False,
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
        self, context: str, unknown: Unknown, adapt: Adapt, end: bool, known: frozenset[str] | None = None
    ) -> Scorer:
        start = self._after(context, "the context", unknown)
        if not adapt:
            return Scorer(self._engine, self.vocabulary, start, unknown, end, known)
        from charnn.inference.dynamic_evaluation import DynamicEvaluationOptions, DynamicScorer  # torch

        options = DynamicEvaluationOptions() if adapt is True else adapt
        return DynamicScorer(
            self._engine, self.vocabulary, start, unknown, end, self.weights(), options, known
        )

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
        called: str,
        *,
        scored: bool = False,
    ) -> Iterator[Token]:
        """The tokens of a single text after the prompt. Options and prompt are checked at once."""
        [ids] = self._prompts(prompt, called, unknown)
        return self._sampler(config, checked_seed(seed)).tokens(ids, scored=scored)

    def _sampler(self, config: SampleConfig, seed: int, batch_size: int | None = None) -> BatchSampler:
        size = batch_size or (MAX_BATCH if self.documents is None else MAX_DOCUMENTS)
        begun = opening(self.vocabulary, self.provenance)
        return BatchSampler(self._engine, self.vocabulary, begun, config, seed, size)

    def _sample_config(self, options: Mapping[str, Any], *, endless: bool = True) -> SampleConfig:
        return sample_config(options, self.vocabulary, ends=not endless and self.documents is None)

    def _prompts(self, prompt: str | Sequence[str], called: str, unknown: Unknown) -> list[Ids]:
        """The ids of a prompt, or of several."""
        if isinstance(prompt, str):
            return [encode(self.vocabulary, prompt, unknown, called).ids]
        return [
            encode(self.vocabulary, one, unknown, f"{called} {number}").ids
            for number, one in enumerate(prompt, 1)
        ]

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
    require_capability(file, stored.config, "sample")
    return Model.of(stored, file)


def _itself(stored: ModelFile) -> ModelFile:
    """What `_read_again` is for a model without a file; a function that a copy can hold."""
    return stored
