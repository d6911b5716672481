"""Which model a run starts from: the one that --init-from names, or the English base where that is better.

The rule was measured: docs/recipe.md, "The English base".
"""

from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from charnn.bundled import BUNDLED_MODELS, bundled_model
from charnn.config import TRAIN_SETTINGS, Budget, TrainOptions
from charnn.data.corpus import Base, Preview
from charnn.data.vocab import Vocabulary
from charnn.errors import InputError
from charnn.inference.model import Model
from charnn.model.kinds import kind_for, kind_of
from charnn.storage.model_file import ModelFile, model_path, read_model
from charnn.training.recipe import choose_budget

NONE, BASE = "none", "english"
KNOWN_SHARE = 0.98  # of a text's characters that the base must know
SUITABLE_NATS = (
    2.1  # a character at most, for the base as it is: prose has 1.2, plays 1.8, other languages and code 2.3
)
OUTGROWN = 60e6  # characters that a run reads by itself: about as many as the base has read
CHARS_PER_MINUTE = 1e6  # that a run reads, roughly


@dataclass
class StartingModel:
    """The model that a run starts from, if there is one. Where none is named, `vocabulary_for` decides by the text."""

    options: TrainOptions
    model: ModelFile | None = field(default=None, init=False)
    notices: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        named = self.options.get("init_from")
        if named is not None and named != NONE:
            self.model = read_model(named_model(named))
            _require_fitting(named, self.model, self.options)

    @property
    def base(self) -> Base:
        """The vocabulary to extend, of pairs both; of a text what decides once it is there."""
        if self.model and self.model.pairs:
            return self.model.vocabulary, self.model.pairs
        return self.vocabulary_for

    def vocabulary_for(self, preview: Preview) -> Vocabulary | None:
        """The vocabulary to extend: that of the model to start from."""
        if self.model is None and self._is_open and self._is_small(preview):
            self._try_base(preview)
        return self.model.vocabulary if self.model else None

    @property
    def _is_open(self) -> bool:
        """Nothing is named that the base decides: neither a model nor a network."""
        shaping = (name for name, one in TRAIN_SETTINGS.items() if one.is_architecture or name == "init_from")
        is_plain = not any(name in self.options for name in shaping)
        return is_plain and kind_for(self.options) == "language_model" and bundled_model(BASE).exists()

    def _is_small(self, preview: Preview) -> bool:
        return expected_reading(choose_budget(self.options), preview.chars) < OUTGROWN

    def _try_base(self, preview: Preview) -> None:
        path = bundled_model(BASE)
        stored = read_model(path)
        if preview.known_share(stored.vocabulary) < KNOWN_SHARE:
            return
        scores = list(Model.of(stored, path).score_many(preview.pieces, unknown="skip"))
        nats = -sum(score.log_prob for score in scores) / max(sum(score.chars for score in scores), 1)
        if nats <= SUITABLE_NATS:
            self.model = stored
            self.notices.append(
                f"starts from the English base, to which this text is {nats:.2f} nats a character as it is "
                f"(--init-from {NONE}: from nothing)"
            )
            self.options = {**self.options, "init_from": BASE}


def _require_fitting(named: str, model: ModelFile, options: TrainOptions) -> None:
    """Raise InputError for a model of pairs where a text is trained on, and the other way round."""
    reads_pairs = options.get("layout", "text") != "text"
    if reads_pairs is not (model.pairs is not None):
        wanted = "pairs" if reads_pairs else "texts"
        raise InputError(
            f"--init-from {named} is {kind_of(model.config).described}, which learns no {wanted}"
        )


def named_model(name: str) -> Path:
    """The model file that --init-from means: one that ships with charnn by its name, else a path."""
    return bundled_model(name) if name in BUNDLED_MODELS else model_path(Path(name))


def expected_reading(budget: Budget, chars: int) -> float:
    """How many characters a run of this budget on a text of `chars` reads, roughly; from the options alone."""
    epochs = inf if budget.epochs is None else budget.epochs * chars
    steps = inf if budget.steps is None else budget.steps * 1024.0
    minutes = inf if budget.minutes is None else budget.minutes * CHARS_PER_MINUTE
    return min(epochs, steps, minutes)
