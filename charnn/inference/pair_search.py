"""The likeliest targets of sources: beam search over one network, or over an ensemble of several, many sources at once.

A target's score is its whole log-probability, its end included, so that no length is preferred; and the search for a
source is over when no target that goes on can overtake those that have ended, not when the first has ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charnn.inference.cells import Array
from charnn.inference.softmax import Doubles, tempered
from charnn.inference.transducer import Ids, Memory, States, Transducer

NOTHING = -1  # after a target's end
UNENDED = 1e6  # nats that a target which has reached its longest length stands behind those that ended


@dataclass(frozen=True)
class Targets:
    """The targets found for N sources, M each, the likeliest first: ids (N, M, T) without their ends, NOTHING after
    them; log-probabilities (N, M), −∞ where there are fewer; and whether each has `ended` (N, M)."""

    ids: Ids
    log_probs: Doubles
    ended: NDArray[np.bool_]


class Ensemble:
    """Networks of one vocabulary that write together: a symbol's probability is the mean of theirs."""

    def __init__(self, networks: Sequence[Transducer]) -> None:
        self.networks = networks
        self.end_id, self.unknown_id = networks[0].end_id, networks[0].unknown_id
        self._looks = all(network.config.attention == "dot" for network in networks)

    def writes_only_known(self, source: Ids) -> NDArray[np.bool_]:
        """source (S, N) → whether an unknown symbol, in each one's target, would stand for nothing that is there."""
        is_known = np.all(source != self.networks[0].unknown_source_id, axis=0)
        return np.asarray(is_known | (not self._looks))

    def encode(self, source: Ids, lengths: Ids) -> "Reading":
        """source (S, N) of lengths (N,)."""
        encoded = [network.encode(source, lengths) for network in self.networks]
        return Reading(self, [memory for memory, _ in encoded], [states for _, states in encoded])


@dataclass
class Reading:
    """Where an ensemble stands with some sources, K rows each."""

    ensemble: Ensemble
    memories: list[Memory]
    states: list[States]

    def step(self, ids: Ids) -> tuple[Doubles, Array]:
        """ids (N·K,) → log-probabilities (N·K, V) of the next symbols, and the attention (N, K, S)."""
        log_probs, attentions = [], []
        for i, network in enumerate(self.ensemble.networks):
            found, self.states[i], attention = network.step(ids, self.states[i], self.memories[i])
            log_probs.append(found)
            attentions.append(attention)
        if len(log_probs) == 1:
            return log_probs[0].astype(np.float64), attentions[0]
        together = np.logaddexp.reduce([one.astype(np.float64) for one in log_probs]) - np.log(len(log_probs))
        return together, np.mean(attentions, axis=0)

    def choose_rows(self, rows: NDArray[np.intp]) -> None:
        """Go on with these of the rows."""
        self.states = [[tuple(part[rows] for part in layer) for layer in states] for states in self.states]

    def choose_sources(self, chosen: NDArray[np.intp]) -> None:
        """Go on with these of the sources; their rows are chosen apart."""
        self.memories = [memory.of(chosen) for memory in self.memories]


def beam_search(
    ensemble: Ensemble, source: Ids, lengths: Ids, longest: Ids, *, beam: int, wanted: int = 1
) -> Targets:
    """The `wanted` likeliest targets of each source, at most `beam`; those of `longest` (N,) symbols haven't ended.

    `beam` 1 is greedy.
    """
    return _Beam(ensemble, source, lengths, longest, beam, wanted).run()


class _Beam:
    """The search for a batch of sources. Arrays are of the N sources that are still searched, K beams each."""

    def __init__(
        self, ensemble: Ensemble, source: Ids, lengths: Ids, longest: Ids, beam: int, wanted: int
    ) -> None:
        count = source.shape[1]
        self._ensemble, self._beam, self._longest = ensemble, beam, longest
        self._reading = ensemble.encode(source, lengths)
        self._numbers = np.arange(count)  # of the sources
        self._tokens: Ids = np.zeros((count, 1, 0), np.int64)
        self._scores: Doubles = np.zeros((count, 1))
        most = int(longest.max(initial=0))
        self._found = Targets(
            np.full((count, wanted, most), NOTHING),
            np.full((count, wanted), -np.inf),
            np.zeros((count, wanted), bool),
        )
        self._only_known = ensemble.writes_only_known(source)

    def run(self) -> Targets:
        last = np.full(len(self._numbers), self._ensemble.end_id)
        while len(self._numbers):
            log_probs, _ = self._reading.step(last)
            last = self._extend(log_probs)
        return self._found

    def _extend(self, log_probs: Doubles) -> Ids:
        """Take a step's log-probabilities (N·K, V); the symbols (N·K,) that the rows go on with."""
        sources, beams = self._scores.shape
        totals = self._scores[:, :, None] + log_probs.reshape(sources, beams, -1)
        totals[self._only_known[self._numbers], :, self._ensemble.unknown_id] = -np.inf
        ends = totals[:, :, self._ensemble.end_id].copy()
        going_on = totals.reshape(sources, -1)
        kept = min(self._beam, going_on.shape[1] - beams)
        bound = -np.partition(-going_on, kept - 1, axis=1)[:, kept - 1]
        self._finish(np.where(ends >= bound[:, None], ends, -np.inf), ended=True)
        totals[:, :, self._ensemble.end_id] = -np.inf
        best = np.argpartition(-going_on, kept - 1, axis=1)[:, :kept]
        best = np.take_along_axis(
            best, np.argsort(-np.take_along_axis(going_on, best, 1), axis=1, kind="stable"), 1
        )
        parents, symbols = np.divmod(best, log_probs.shape[1])
        self._scores = np.take_along_axis(going_on, best, 1)
        tokens = np.take_along_axis(self._tokens, parents[:, :, None], 1)
        self._tokens = np.concatenate([tokens, symbols[:, :, None]], axis=2)
        rows = (np.arange(sources)[:, None] * beams + parents).ravel()
        return self._without_finished(rows, symbols)

    def _finish(self, scores: Doubles, *, ended: bool) -> None:
        """Take the targets as they stand, with these scores (N, K), among those found, where they are good enough."""
        found = self._found
        better = np.flatnonzero(scores.max(axis=1) > found.log_probs[self._numbers, -1])
        at, scores = self._numbers[better], scores[better]
        both = np.concatenate([found.log_probs[at], scores], axis=1)
        flags = np.concatenate([found.ended[at], np.full(scores.shape, ended)], axis=1)
        keys = np.where(flags, both, both - UNENDED)
        order = np.argsort(-keys, axis=1, kind="stable")[:, : found.log_probs.shape[1]]
        tokens = np.full((*scores.shape, found.ids.shape[2]), NOTHING)
        tokens[:, :, : self._tokens.shape[2]] = self._tokens[better]
        ids = np.concatenate([found.ids[at], tokens], axis=1)
        found.log_probs[at] = np.take_along_axis(both, order, 1)
        found.ids[at] = np.take_along_axis(ids, order[:, :, None], 1)
        found.ended[at] = np.take_along_axis(flags, order, 1)

    def _without_finished(self, rows: NDArray[np.intp], symbols: Ids) -> Ids:
        """Leave out the sources that nothing can be won for any more, and those whose targets are long enough."""
        sources, beams = symbols.shape
        is_open = self._scores[:, 0] > self._found.log_probs[self._numbers, -1]
        at_limit = self._longest[self._numbers] <= self._tokens.shape[2]
        if (is_open & at_limit).any():
            is_lacking = self._found.log_probs[self._numbers, -1] == -np.inf
            scores = np.where((is_open & at_limit & is_lacking)[:, None], self._scores, -np.inf)
            self._finish(scores, ended=False)
        going_on = np.flatnonzero(is_open & ~at_limit)
        rows, symbols = rows.reshape(sources, beams)[going_on], symbols[going_on]
        self._reading.choose_rows(rows.ravel())
        if len(going_on) < sources:
            self._reading.choose_sources(going_on)
            self._numbers, self._tokens = self._numbers[going_on], self._tokens[going_on]
            self._scores = self._scores[going_on]
        return symbols.ravel()


def draw(
    ensemble: Ensemble,
    source: Ids,
    lengths: Ids,
    longest: Ids,
    *,
    temperature: float,
    generators: Sequence[np.random.Generator],
) -> Targets:
    """Targets drawn at a temperature, as many of each source as there are `generators` for it, side by side.

    Log-probabilities are untempered.
    """
    sources, rows, most = source.shape[1], len(generators), int(longest.max(initial=0))
    reading = ensemble.encode(source, lengths)
    reading.choose_rows(np.repeat(np.arange(sources), rows // sources))
    only_known = np.repeat(ensemble.writes_only_known(source), rows // sources)
    ids, limits = np.full((rows, most), NOTHING), np.repeat(longest, rows // sources)
    log_probs, ended = np.zeros(rows), np.zeros(rows, bool)
    last = np.full(rows, ensemble.end_id)
    for step in range(most):
        found, _ = reading.step(last)
        found[only_known, ensemble.unknown_id] = -np.inf
        upto = np.cumsum(tempered(found, temperature), axis=1)
        draws = np.array([one.random() for one in generators])[:, None] * upto[:, -1:]
        last = np.minimum((draws >= upto).sum(axis=1), found.shape[1] - 1)
        going_on = ~ended & (step < limits)
        log_probs[going_on] += found[going_on, last[going_on]]
        ended |= going_on & (last == ensemble.end_id)
        ids[going_on & ~ended, step] = last[going_on & ~ended]
        if not (~ended & (step + 1 < limits)).any():
            break
    shape = (sources, rows // sources)
    return Targets(ids.reshape(*shape, most), log_probs.reshape(shape), ended.reshape(shape))


def forced(ensemble: Ensemble, source: Ids, lengths: Ids, target: Ids) -> tuple[Doubles, list[Array]]:
    """target (T, N), each with its end, NOTHING beyond → log-probabilities (T, N), 0 beyond, and T times the attention
    (N, S) that each symbol was written with."""
    reading = ensemble.encode(source, lengths)
    last = np.full(target.shape[1], ensemble.end_id)
    log_probs, attentions = np.zeros(target.shape), []
    for step, symbols in enumerate(target):
        found, attention = reading.step(last)
        there = symbols != NOTHING
        log_probs[step, there] = found[np.flatnonzero(there), symbols[there]]
        attentions.append(attention[:, 0])
        last = np.where(there, symbols, ensemble.end_id)
    return log_probs, attentions
