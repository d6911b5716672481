"""A network that reads in one direction, and what it makes of the gaps of a text."""

from collections.abc import Sequence

import numpy as np

from charnn.config import FillConfig
from charnn.errors import InputError
from charnn.inference.beam import Beam
from charnn.inference.blanks import Blanks, Fills
from charnn.inference.context import NEWLINE, state_after
from charnn.inference.engine import Engine, Ids
from charnn.inference.scorer import score_rows
from charnn.inference.softmax import Doubles
from charnn.storage.model_file import ModelFile


class OneWay:
    """Proposes and weighs fills of texts given in its own direction, each between two newlines. Immutable."""

    def __init__(self, stored: ModelFile) -> None:
        self._engine = Engine(stored.config, stored.weights)
        self._vocabulary = stored.vocabulary
        self._end = NEWLINE if NEWLINE in self._vocabulary else ""
        self._barred = self._vocabulary.encode(self._end).tolist()  # ids that no fill holds
        if self._vocabulary.has_unknown:
            self._barred.append(self._vocabulary.unknown_id)

    def candidates(self, blanks: Blanks, config: FillConfig) -> dict[Fills, float]:
        """The fills that a beam search finds, the likeliest first, with their log-probabilities."""
        if len(self._barred) == len(self._vocabulary):
            raise InputError("the model knows no character to fill a gap with; name another")
        start = state_after(self._engine, self._vocabulary, blanks.known[0], "the text")
        found = Beam(self._engine, self._barred, config).candidates(
            start, list(zip(blanks.gaps, self._following(blanks), strict=True))
        )
        ends = np.cumsum([gap.longest for gap in blanks.gaps])[:-1]
        columns = [map(self._decoded, part) for part in np.split(found.fills, ends, axis=1)]
        return dict(zip(zip(*columns, strict=True), found.log_probs.tolist(), strict=True))

    def log_probs(self, blanks: Blanks, fills: Sequence[Fills], config: FillConfig) -> Doubles:
        """The log-probabilities (K,) of K ways to fill the gaps and of what follows them, as in `candidates`."""
        start = state_after(self._engine, self._vocabulary, blanks.known[0], "the text")
        *between, last = self._following(blanks)
        after = [*between, last[: config.lookahead]]
        rows = [
            np.concatenate(
                [
                    part
                    for fill, known in zip(ways, after, strict=True)
                    for part in (self._vocabulary.encode(fill), known)
                ]
            )
            for ways in fills
        ]
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        scored = score_rows(self._engine, start, [rows[i] for i in order])
        log_probs = np.empty(len(rows))
        log_probs[order] = [row.sum(dtype=np.float64) for row in scored]
        return log_probs

    def _following(self, blanks: Blanks) -> list[Ids]:
        """The known text after each gap."""
        *between, last = blanks.known[1:]
        return [self._vocabulary.encode(known) for known in (*between, last + self._end)]

    def _decoded(self, ids: Ids) -> str:
        return self._vocabulary.decode(ids[ids >= 0])
