"""Learning pairs: −log p of each symbol of the targets, given the source and the symbols before it, in nats."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import log
from typing import Any

import numpy as np
import torch
from torch import Tensor

from charnn.config import TrainConfig
from charnn.data.corpus import Corpus
from charnn.data.pair_batches import PairBatches
from charnn.data.pair_view import PairBatch, PairView
from charnn.data.parts import WHOLE, Part, Rows
from charnn.data.recombination import Recombination
from charnn.data.symbols import copied_ids
from charnn.data.vocab import IGNORED
from charnn.errors import InputError
from charnn.model.encoder_decoder import EncoderDecoder
from charnn.model.noise import Noise
from charnn.model.state import State
from charnn.training.evaluation import validated_symbols
from charnn.training.objective import Loss
from charnn.training.task import Task, own_columns, require_streams

UNKNOWN_SHARE = {"on": 0.004, "off": 0.002}  # of a source's kinds of symbols, by the copy gate


@dataclass(frozen=True)
class PairTensors:
    """source (S, N) of `lengths` (N,), target (T, N) with its ends; IGNORED beyond a row's end.

    They are these `rows` of a batch with so many `symbols`.
    """

    source: Tensor
    lengths: Tensor
    target: Tensor
    symbols: int
    rows: Rows


class PairTask(Task[PairTensors]):
    """Pairs of texts, in batches of like lengths; no state is carried.

    In training a source's symbols are sometimes unknown, all those of a kind together, and the same ones of the target
    with them: so the network learns to copy what it doesn't know, and what an unknown symbol is.
    """

    def __init__(self, config: TrainConfig, corpus: Corpus, part: Part = WHOLE) -> None:
        require_streams(part, config.optim.batch_size)
        self.part = part
        model = config.model
        if not part.is_whole and model.attention == "none" and model.layers > 1 and model.dropout:
            raise InputError(
                "several processes can't share the dropout between the layers of an encoder without attention; "
                "give --layers 1, --dropout 0 or --attention dot"
            )
        assert isinstance(corpus.train, PairView) and corpus.pairs is not None
        assert corpus.val is None or isinstance(corpus.val, PairView)
        self._config, self._val = config.model, corpus.val
        self._smoothing = config.optim.label_smoothing
        self._vocabulary = corpus.vocabulary
        copies = copied_ids(corpus.vocabulary, corpus.pairs)
        self._copies = torch.from_numpy(copies)
        self._batches = PairBatches(corpus.train, config.optim.batch_size, config.seed)
        share = config.optim.recombination
        self._recombination = (
            Recombination(corpus.train, copies, len(corpus.pairs.source), share, config.seed)
            if share
            else None
        )
        self.batches_per_epoch = self._batches.batches_per_epoch
        self.symbols_per_batch = len(corpus.train) / self.batches_per_epoch
        self.val_symbols = 0 if corpus.val is None else len(corpus.val)
        self.uniform_nats = log(config.model.vocab_size)

    def new_network(self) -> EncoderDecoder:
        return EncoderDecoder(self._config, self._copies)

    def initial_state(self, network: Any) -> State:
        return State((), torch.empty(0, 0), torch.empty(0, 0))

    def streams(self, step: int) -> int:
        return 0

    def state_after(self, network: Any, step: int) -> State:
        return self.initial_state(network)

    def batch(self, step: int, device: torch.device) -> PairTensors:
        batch = self._batches.batch(step)
        if self._recombination is not None:
            batch = self._recombination.batch(batch, step)
        symbols = int(np.count_nonzero(batch.target != IGNORED))
        rows = self.part.rows(len(batch.lengths))
        own = PairBatch(
            own_columns(batch.source, rows), batch.lengths[rows.slice], own_columns(batch.target, rows)
        )
        if rows.stand_in:
            own = own._replace(target=np.full_like(own.target, IGNORED))
        return _tensors(own, symbols, rows, device)

    def loss(self, network: Any, batch: PairTensors, state: State) -> Loss:
        """With label smoothing (Szegedy et al. 2016): a share of the probability is taught for all symbols alike."""
        noise = self.noise(batch.rows)
        source, target = self._with_unknown(batch, noise)
        log_probs = network(source, batch.lengths, inputs_before(target, self._vocabulary.end_id), noise)
        counts = target != IGNORED
        found = log_probs.gather(2, target.clamp(min=0)[..., None])[..., 0][counts]
        nats = -self._mean(found, batch)
        trained = nats
        if self._smoothing:
            spread = self._mean(log_probs.mean(dim=2)[counts], batch)
            trained = (1 - self._smoothing) * nats - self._smoothing * spread
        return Loss(trained, nats, batch.symbols, state, None if self.part.is_whole else len(found))

    def _mean(self, values: Tensor, batch: PairTensors) -> Tensor:
        """Of each symbol's values the mean; of a part of a batch its share of that."""
        return values.mean() if self.part.is_whole else values.sum() / batch.symbols

    @torch.no_grad()
    def evaluate(self, network: Any, stop: Callable[[], bool]) -> float | None:
        if self._val is None:
            return None
        was_training = network.training
        network.eval()
        try:
            return self._mean_nats(network, self._val, stop)
        finally:
            network.train(was_training)

    def _mean_nats(self, network: EncoderDecoder, view: PairView, stop: Callable[[], bool]) -> float | None:
        total, device = 0.0, network.output.weight.device
        batches = batches_in_order(view, validated_symbols(self._config.vocab_size))
        for numbers in islice(batches, self.part.rank, None, self.part.size):
            if stop():
                return None
            batch = _tensors(view.batch(numbers), 0, WHOLE.rows(len(numbers)), device)
            log_probs = network(
                batch.source, batch.lengths, inputs_before(batch.target, self._vocabulary.end_id)
            )
            found = log_probs.gather(2, batch.target.clamp(min=0)[..., None])[..., 0]
            total -= float(found[batch.target != IGNORED].double().sum())
        return total / len(view)

    def _with_unknown(self, batch: PairTensors, noise: Noise) -> tuple[Tensor, Tensor]:
        """source and target, some kinds of symbols unknown."""
        source, target, copies = batch.source, batch.target, self._copies.to(batch.source.device)
        pairs, kinds = source.shape[1], len(copies)
        drawn = noise.uniform((1, pairs, kinds), source.device)[0]
        is_unknown = drawn < UNKNOWN_SHARE[self._config.copy_gate]
        columns = torch.arange(pairs, device=source.device).expand_as(source)
        source_hit = is_unknown[columns, source.clamp(min=0)] & (source != IGNORED)
        of_target = torch.zeros(pairs, self._config.vocab_size, dtype=torch.bool, device=source.device)
        known = copies != IGNORED
        of_target[:, copies[known]] = is_unknown[:, known]
        columns = torch.arange(pairs, device=source.device).expand_as(target)
        target_hit = of_target[columns, target.clamp(min=0)] & (target != IGNORED)
        if self._config.copy_gate == "off":
            target_hit = torch.zeros_like(target_hit)
        return (
            source.masked_fill(source_hit, kinds - 1),
            target.masked_fill(target_hit, self._vocabulary.unknown_id),
        )


def inputs_before(target: Tensor, end_id: int | None) -> Tensor:
    """target (T, N) → the symbol before each: a target's end stands before its first, and beyond its end."""
    assert end_id is not None
    first = torch.full_like(target[:1], end_id)
    shifted = torch.cat([first, target[:-1]])
    return shifted.masked_fill(shifted == IGNORED, end_id)


def batches_in_order(view: PairView, symbols: int) -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    """The numbers of all pairs, those of like lengths together, in batches of about so many symbols at most."""
    sources, targets = view.lengths(np.arange(view.count))
    order = np.lexsort((targets, sources))
    longest = np.maximum(sources, targets)[order]
    first = 0
    while first < len(order):
        size = max(1, symbols // int(longest[min(first + 255, len(order) - 1)]))
        yield order[first : first + min(size, 256)]
        first += min(size, 256)


def _tensors(batch: PairBatch, symbols: int, rows: Rows, device: torch.device) -> PairTensors:
    source, lengths, target = (torch.from_numpy(part).to(device, non_blocking=True) for part in batch)
    return PairTensors(source, lengths, target, symbols, rows)
