"""A network that reads in one direction, and what it makes of the gaps of a text."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from charnn.config import FillConfig, Unknown
from charnn.errors import InputError
from charnn.inference.beam import MARGIN, Beam
from charnn.inference.blanks import Blanks, Fills
from charnn.inference.encoding import border, encode, state_after
from charnn.inference.engine import Engine, Ids
from charnn.inference.scorer import score_rows
from charnn.inference.softmax import Doubles
from charnn.inference.values import ArrayValue
from charnn.model.kinds import BACKWARD, FORWARD, kind_of
from charnn.storage.model_file import ModelFile


class DirectionalModel(ArrayValue):
    """A network for texts that are given in its own direction, each between two borders. Immutable.

    `margin` (nats) is how far behind the best a fill may fall and still be weighed. Raises InputError for a model that
    knows no character to fill gaps with.
    """

    def __init__(self, stored: ModelFile, margin: float = MARGIN) -> None:
        self.margin = margin
        self.engine = Engine(stored.config, stored.weights)
        self.vocabulary = stored.vocabulary
        self.border = border(self.vocabulary)
        self.banned_ids = self.border.tolist()  # ids that no fill holds
        if self.vocabulary.has_unknown:
            self.banned_ids.append(self.vocabulary.unknown_id)
        if len(self.banned_ids) == len(self.vocabulary):
            raise InputError("the model knows no character to fill a gap with; name another")

    def read(self, blanks: Blanks, config: FillConfig, unknown: Unknown) -> "InfillQuery":
        return InfillQuery(self, blanks, config, unknown)


class InfillQuery:
    """A text with gaps, read up to its first gap."""

    def __init__(self, way: DirectionalModel, blanks: Blanks, config: FillConfig, unknown: Unknown) -> None:
        self._way, self._gaps, self._config = way, blanks.gaps, config
        first, *between, last = (
            encode(way.vocabulary, known, unknown, "the text").ids for known in blanks.known
        )
        self._start = state_after(way.engine, way.vocabulary, first)
        last = np.concatenate([last, way.border])[: config.lookahead]
        self._after: list[Ids] = [*between, last]  # what stands after each gap

    def candidates(self) -> dict[Fills, float]:
        """The ways to fill the gaps that a beam search finds, the likeliest first.

        Each has the log-probability of its fills and of what follows them, to `config.lookahead` after the last.
        """
        beam = Beam(self._way.engine, self._way.banned_ids, self._config, self._way.margin)
        found = beam.candidates(self._start, list(zip(self._gaps, self._after, strict=True)))
        ends = np.cumsum([gap.longest for gap in self._gaps])[:-1]
        columns = [map(self._decoded, part) for part in np.split(found.fills, ends, axis=1)]
        return dict(zip(zip(*columns, strict=True), found.log_probs.tolist(), strict=True))

    def log_probs(self, ways: Sequence[Fills]) -> Doubles:
        """The log-probabilities (K,) of K ways to fill the gaps, each as in `candidates`."""
        rows = [self._ids(fills) for fills in ways]
        longest_first = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        scored = score_rows(self._way.engine, self._start, [rows[i] for i in longest_first])
        log_probs = np.empty(len(rows))
        log_probs[longest_first] = [row.sum(dtype=np.float64) for row in scored]
        return log_probs

    def _ids(self, fills: Fills) -> Ids:
        """The text after what has been read."""
        return np.concatenate(
            [*chain.from_iterable(zip(map(self._way.vocabulary.encode, fills), self._after, strict=True))]
        )

    def _decoded(self, ids: Ids) -> str:
        return self._way.vocabulary.decode(ids[ids >= 0])


def directions(model: ModelFile) -> tuple[ModelFile, ...]:
    """The forward and, of a bidirectional model, the backward one, which is a model of reversed text.

    They share vocabulary and provenance with it; a bidirectional model's output layer over both is in neither.
    """
    if kind_of(model.config).directions == 1:
        return (model,)
    return _one_of(model, FORWARD), _one_of(model, BACKWARD)


def _one_of(model: ModelFile, direction: str) -> ModelFile:
    weights = {
        name.removeprefix(direction): weight
        for name, weight in model.weights.items()
        if name.startswith(direction)
    }
    return replace(model, config=replace(model.config, kind="language_model"), weights=weights)
