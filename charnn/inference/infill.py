"""What may stand in the gaps of a text: candidates by beam search, weighed by all the text around them.

A forward model proposes a fill from what precedes it and weighs it by what follows: p(fill, following | preceding). A
bidirectional model's two halves propose from either side, and a fill weighs the geometric mean of what they say of it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from charnn.config import FillConfig, ModelConfig, Unknown
from charnn.data.vocab import Vocabulary
from charnn.inference.beam import MARGIN
from charnn.inference.blanks import Blanks, Fills, blanks_in, joined, masked, mirrored
from charnn.inference.directional import DirectionalModel, directions
from charnn.inference.encoding import NEWLINE, encode, known_form
from charnn.inference.generators import generators
from charnn.inference.sampler import checked_seed, gumbel
from charnn.inference.softmax import Doubles, probabilities_of
from charnn.settings import checked, settings_of
from charnn.storage.model_file import ModelFile, model_path, read_model, require_capability


@dataclass(frozen=True)
class Filled:
    """One way to fill a text's gaps: `known` text around them, one stretch more than there are `fills`.

    `probability` is its share among all the candidates that were found; `log_prob` (nats) how likely the fills and
    what was read after them are after what stands before them, by a bidirectional model the mean of both directions.
    """

    known: tuple[str, ...]
    fills: tuple[str, ...]
    probability: float
    log_prob: float

    @property
    def text(self) -> str:
        """The whole, filled."""
        return joined(self.known, self.fills)


@dataclass(frozen=True)
class Filler:
    """A trained model that fills gaps. Immutable: many threads may share one."""

    config: ModelConfig
    vocabulary: Vocabulary
    path: Path | None
    _forward: DirectionalModel = field(repr=False)
    _backward: DirectionalModel | None = field(repr=False, default=None)

    @classmethod
    def of(cls, stored: ModelFile, path: Path | None = None, *, margin: float = MARGIN) -> "Filler":
        """The model that a file holds; `path` None where there is none yet; `margin` as DirectionalModel's."""
        models = (DirectionalModel(each, margin) for each in directions(stored))
        return cls(stored.config, stored.vocabulary, path, *models)

    @property
    def is_bidirectional(self) -> bool:
        return self._backward is not None

    def fill(
        self, text: str, *, seed: int | None = None, unknown: Unknown = "error", **options: Any
    ) -> list[Filled]:
        r"""The likeliest `count` ways to fill the gaps of `text`, or as many as were found; the likeliest first.

        A run of underscores is a gap of that many characters, {} one of 1 to `max_length`; no fill holds a newline. \_,
        \{} and \\ are no gaps, but an underscore, braces and a backslash. The text stands between two newlines.
        At a `temperature` above 0 the ways are drawn instead, no two alike: one seed, one draw. Raises InputError for
        a text without a gap or an option out of its range, UnknownCharacterError.
        """
        config = FillConfig(**checked(settings_of(FillConfig), options, "fill"))
        text = known_form(self.vocabulary, text)
        blanks = blanks_in(text, config.max_length)
        self._refuse_unknown(text, unknown)
        found = self._weighed(blanks, config, unknown)
        log_probs = np.array(list(found.values()))
        probabilities = probabilities_of(log_probs[None])[0]
        fills = list(found)
        return [
            Filled(blanks.known, fills[i], float(probabilities[i]), float(log_probs[i]))
            for i in _chosen(log_probs, config, checked_seed(seed))
        ]

    def _refuse_unknown(self, text: str, unknown: Unknown) -> None:
        """Raise UnknownCharacterError, if `unknown` says so, for a character outside of the gaps."""
        filler = next(character for character in self.vocabulary.characters if character != NEWLINE)
        encode(self.vocabulary, masked(text, filler), unknown, "the text")

    def _weighed(self, blanks: Blanks, config: FillConfig, unknown: Unknown) -> dict[Fills, float]:
        """The candidates with their log-probabilities."""
        forward = self._forward.read(blanks, config, unknown)
        found = forward.candidates()
        if self._backward is None:
            return found
        backward = self._backward.read(blanks.mirrored(), config, unknown)
        ways = list(dict.fromkeys([*found, *map(mirrored, backward.candidates())]))
        sums = forward.log_probs(ways) + backward.log_probs([mirrored(fills) for fills in ways])
        return dict(zip(ways, (sums / 2).tolist(), strict=True))


def load_filler(path: str | Path) -> Filler:
    """The model in a .safetensors file or a run's folder, of either kind.

    Raises ModelFileError, naming it and what is wrong.
    """
    file = model_path(Path(path))
    stored = read_model(file)
    require_capability(file, stored.config, "fill")
    return Filler.of(stored, file)


def _chosen(log_probs: Doubles, config: FillConfig, seed: int) -> list[int]:
    """The places of the greatest; with a temperature, of a draw without repetition (Gumbel top-k: Kool et al. 2019)."""
    if config.temperature:
        log_probs = log_probs + gumbel(generators(seed, range(1)), log_probs.shape, config.temperature)[0]
    chosen: list[int] = np.argsort(-log_probs, kind="stable")[: config.count].tolist()
    return chosen
