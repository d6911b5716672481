"""What may be drawn: filters of the logits, composed in a list, that leave what isn't to be drawn at −∞."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from charnn.config import SampleConfig
from charnn.inference.cells import Array
from charnn.inference.engine import Ids
from charnn.inference.softmax import Doubles, tempered

Filter = Callable[[Array], Array]
"""Logits (B, V) of the next characters of B texts → logits."""


@runtime_checkable
class HistoryFilter(Protocol):
    """A filter that goes by what each text has been so far."""

    def __call__(self, logits: Array) -> Array: ...

    def read(self, ids: Ids) -> None:
        """The texts went on with these ids (B,)."""

    def keep(self, chosen: NDArray[np.intp]) -> None:
        """Go on with some of the texts only."""


def filters_of(
    config: SampleConfig, banned_ids: Sequence[int] = (), prompts: Sequence[Ids] = ()
) -> list[Filter]:
    """What may be drawn, as filters of the logits, in the order in which they apply.

    `prompts` are the ids that each text begins with.
    """
    filters: list[Filter] = []
    if banned_ids:
        filters.append(partial(without, list(banned_ids)))
    if config.no_repeat:
        filters.append(NoRepeat(config.no_repeat, prompts))
    if config.repetition_penalty != 1:
        filters.append(RepetitionPenalty(config.repetition_penalty, prompts))
    if config.top_k:
        filters.append(partial(top_k, config.top_k))
    if config.top_p < 1:
        filters.append(partial(top_p, config.top_p, config.temperature))
    if config.min_p:
        filters.append(partial(min_p, config.min_p, config.temperature))
    return filters


def filtered(logits: Array, filters: Iterable[Filter]) -> Array:
    """Logits (B, V) after one filter and another."""
    for keep in filters:
        logits = keep(logits)
    return logits


def probabilities(logits: Array, config: SampleConfig) -> Doubles:
    """The distributions (B, V) that characters are drawn from, for logits (B, V)."""
    return tempered(filtered(logits, filters_of(config)), config.temperature)


class NoRepeat:
    """No `size` characters in a row twice in a text, its prompt included."""

    def __init__(self, size: int, prompts: Sequence[Ids]) -> None:
        self._before = size - 1
        self._histories = [_Successors(self._before, prompt.tolist()) for prompt in prompts]

    def __call__(self, logits: Array) -> Array:
        logits = logits.copy()
        for row, history in zip(logits, self._histories, strict=True):
            row[history.of_the_last()] = -np.inf
        return logits

    def read(self, ids: Ids) -> None:
        for history, i in zip(self._histories, ids.tolist(), strict=True):
            history.add(i)

    def keep(self, chosen: NDArray[np.intp]) -> None:
        self._histories = [self._histories[row] for row in chosen]


class _Successors:
    """What followed each stretch of `length` ids in a text."""

    def __init__(self, length: int, ids: Iterable[int]) -> None:
        self._length = length
        self._last: tuple[int, ...] = ()
        self._after: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for i in ids:
            self.add(i)

    def add(self, i: int) -> None:
        if len(self._last) == self._length:
            self._after[self._last].append(i)
        self._last = (*self._last, i)[-self._length :] if self._length else ()

    def of_the_last(self) -> list[int]:
        return self._after.get(self._last, [])


class RepetitionPenalty:
    """Logits of what stands in the text already, its prompt included, made less by a factor.

    Keskar et al. 2019 (CTRL): those above 0 are divided by `penalty`, those below multiplied; below 1 it encourages.
    """

    def __init__(self, penalty: float, prompts: Sequence[Ids]) -> None:
        self._penalty = np.float32(penalty)
        self._prompts = prompts
        self._seen = np.zeros((0, 0), bool)  # (B, V), once V is known

    def __call__(self, logits: Array) -> Array:
        if not self._seen.size:
            self._seen = np.zeros(logits.shape, bool)
            for row, prompt in zip(self._seen, self._prompts, strict=True):
                row[prompt] = True
        penalised = np.where(logits > 0, logits / self._penalty, logits * self._penalty)
        return np.where(self._seen, penalised, logits)

    def read(self, ids: Ids) -> None:
        self._seen[np.arange(len(ids)), ids] = True

    def keep(self, chosen: NDArray[np.intp]) -> None:
        self._seen = self._seen[chosen]


def without(ids: Sequence[int], logits: Array) -> Array:
    """Logits (B, V), those of `ids` at −∞."""
    logits = logits.copy()
    logits[:, ids] = -np.inf
    return logits


def top_k(count: int, logits: Array) -> Array:
    """Logits (B, V), all but the `count` greatest at −∞; of equals the first in the vocabulary are kept."""
    order = np.argsort(-logits, axis=1, kind="stable")
    return _only(_at(order[:, :count], logits), logits)


def top_p(share: float, temperature: float, logits: Array) -> Array:
    """Logits (B, V), all at −∞ but the fewest that together have `share` of the probability at this temperature.

    Nucleus sampling (Holtzman et al. 2020). Of equals the first in the vocabulary are kept.
    """
    order = np.argsort(-logits, axis=1, kind="stable")
    ranked = np.take_along_axis(tempered(logits, temperature), order, axis=1)
    sums = ranked.cumsum(axis=1)
    kept = np.empty(logits.shape, bool)
    np.put_along_axis(kept, order, sums - ranked < share * sums[:, -1:], axis=1)
    return _only(kept, logits)


def min_p(share: float, temperature: float, logits: Array) -> Array:
    """Logits (B, V), at −∞ where the probability at this temperature is less than `share` of the greatest one."""
    probabilities = tempered(logits, temperature)
    return _only(probabilities >= share * probabilities.max(axis=1, keepdims=True), logits)


def _at(places: NDArray[np.intp], logits: Array) -> NDArray[np.bool_]:
    marked = np.zeros(logits.shape, bool)
    np.put_along_axis(marked, places, True, axis=1)
    return marked


def _only(kept: NDArray[np.bool_], logits: Array) -> Array:
    return np.where(kept, logits, np.float32(-np.inf))
