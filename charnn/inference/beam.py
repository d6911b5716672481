"""Beam search for what may stand in the gaps of a text, read from its beginning to its end."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charnn.config import FillConfig
from charnn.inference.blanks import Gap
from charnn.inference.engine import Engine, Ids, State
from charnn.inference.softmax import Doubles, all_log_probs, log_probs_of

NOTHING = -1  # stands behind the last character of a fill that is shorter than its gap may be
MARGIN = 10.0  # nats; what falls further behind the best while it reads the text after a gap is given up


class Candidates(NamedTuple):
    """K ways to fill the gaps so far.

    `fills` (K, sum of the gaps' greatest lengths) are the ids; `log_probs` (K,) what they and the known text that was
    read after them cost, as natural logarithms of probabilities.
    """

    state: State
    fills: Ids
    log_probs: Doubles

    def rows(self, chosen: NDArray[np.intp]) -> "Candidates":
        return Candidates(self.state.rows(chosen), self.fills[chosen], self.log_probs[chosen])


class Beam:
    """The search with one network. `banned_ids` are ids that no fill may hold."""

    def __init__(
        self, engine: Engine, banned_ids: Sequence[int], config: FillConfig, margin: float = MARGIN
    ) -> None:
        self._engine, self._banned_ids, self._config = engine, list(banned_ids), config
        self._margin = margin
        self._room = 0  # of the scratch space

    def candidates(self, start: State, blanks: Iterable[tuple[Gap, Ids]]) -> Candidates:
        """Ways to fill the gaps of what follows `start`, each gap with the known text after it; the likeliest first."""
        found = Candidates(start, np.empty((1, 0), np.int32), np.zeros(1))
        for gap, known in blanks:
            found = self._past(known, self._through(gap, found))
        return found.rows(np.argsort(-found.log_probs, kind="stable"))

    def _through(self, gap: Gap, found: Candidates) -> Candidates:
        """The candidates with a gap filled, in all its lengths."""
        ended = []
        for length in range(1, gap.longest + 1):
            found = self._extended(found)
            if length >= gap.shortest:
                rest = np.full((len(found.fills), gap.longest - length), NOTHING)
                ended.append(found._replace(fills=np.concatenate([found.fills, rest], axis=1)))
        return _joined(ended)

    def _extended(self, found: Candidates) -> Candidates:
        """The likeliest ways to go on by a character."""
        log_probs = all_log_probs(self._engine.logits(found.state.top))
        log_probs += found.log_probs[:, None]
        log_probs[:, self._banned_ids] = -np.inf
        chosen = _likeliest(log_probs.ravel(), self._config.beam)
        chosen = chosen[np.isfinite(log_probs.ravel()[chosen])]
        parents, ids = np.divmod(chosen, log_probs.shape[1])
        fills = np.concatenate([found.fills[parents], ids[:, None]], axis=1)
        state = self._advanced(ids, found.state.rows(parents))
        return Candidates(state, fills, log_probs[parents, ids])

    def _past(self, known: Ids, found: Candidates) -> Candidates:
        """The candidates after they have read the known text that follows."""
        lookahead = self._config.lookahead
        for i in known[:lookahead]:
            found = self._kept(self._read(i, found))
        if len(known) > lookahead:  # by now all states are nearly alike, so the best serves for all
            best = found.state.rows(_likeliest(found.log_probs, 1))
            state = self._engine.read(known[lookahead:], best)
            found = found._replace(state=state.repeated(len(found.fills)))
        return found

    def _read(self, i: int, found: Candidates) -> Candidates:
        ids = np.full(len(found.fills), i)
        log_probs = found.log_probs + log_probs_of(self._engine.logits(found.state.top), ids)
        return Candidates(self._advanced(ids, found.state), found.fills, log_probs)

    def _kept(self, found: Candidates) -> Candidates:
        """Without those that have fallen behind."""
        chosen = _likeliest(found.log_probs, self._config.beam)
        near = found.log_probs[chosen] >= found.log_probs.max() - self._margin
        return found.rows(chosen[near])

    def _advanced(self, ids: Ids, state: State) -> State:
        if len(ids) > self._room:
            self._room = len(ids)
            self._buffers = self._engine.buffers(self._room)
        return self._engine.advance(ids, state, self._buffers.first(len(ids)))


def _likeliest(log_probs: Doubles, count: int) -> NDArray[np.intp]:
    """The places of the `count` greatest, in no order; of all if there are fewer."""
    if len(log_probs) <= count:
        return np.arange(len(log_probs))
    return np.argpartition(-log_probs, count)[:count]


def _joined(parts: Sequence[Candidates]) -> Candidates:
    """All of these candidates."""
    states, fills, log_probs = zip(*parts, strict=True)
    return Candidates(State.join(states), np.concatenate(fills), np.concatenate(log_probs))
