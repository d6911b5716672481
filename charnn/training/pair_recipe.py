"""The recipe for pairs: sizes, rates and regularisation from their number; docs/recipe.md has the reasons."""

from dataclasses import dataclass, replace
from math import log10

from charnn.config import DataConfig, ModelConfig, OptimConfig, TrainConfig, TrainOptions
from charnn.settings import configured
from charnn.training.recipe import NGRAMS, choose_budget, rows_for

COPIED_SHARE = 0.5  # of the targets' symbols that sources have too: above it they are copied
LARGE = 30_000  # pairs: from them on hashed n-grams of the source and a higher rate help, and less smoothing will do
NGRAM_DROPOUT = 0.4


@dataclass(frozen=True)
class PairInputs:
    """What the recipe may depend on."""

    pairs: int  # to train on
    source_symbols: int  # in them, features included
    source_size: int
    vocab_size: int
    copied_share: float  # of the targets' symbols, which sources have too; 0 where their separators differ
    device: str = "cpu"


def choose_for_pairs(options: TrainOptions, data: DataConfig, inputs: PairInputs) -> TrainConfig:
    """The whole configuration: the user's options, and the recipe's choice for the rest."""
    model = _choose_model(options, inputs)
    optim = configured(
        OptimConfig,
        options,
        batch_size=_between(inputs.pairs, 8, 64),
        lr=3e-3 if inputs.pairs < LARGE else 4e-3,
        label_smoothing=0.1 if inputs.pairs < LARGE else 0.05,
        recombination=_recombination_for(inputs.pairs) if model.copy_gate == "on" else 0.0,
        weight_decay=0.01,
        warmup=100,
        beta1=0.9,
        beta2=0.98,
    )
    config = configured(
        TrainConfig, options, model=model, data=data, optim=optim, budget=choose_budget(options)
    )
    return replace(config, device=inputs.device)


def _choose_model(options: TrainOptions, inputs: PairInputs) -> ModelConfig:
    attention = options.get("attention", "dot")
    ngrams = options.get("ngrams", NGRAMS if inputs.pairs >= LARGE and not _is_plain(options) else 0)
    hidden = options.get("hidden", _between(inputs.pairs, 96, 256))
    return configured(
        ModelConfig,
        options,
        vocab_size=inputs.vocab_size,
        source_size=inputs.source_size,
        hidden=hidden,
        encoder_hidden=_between(inputs.pairs, 64, 128) if attention == "dot" else 0,
        embedding=_between(inputs.pairs, 48, 64),
        ngrams=ngrams,
        ngram_rows=rows_for(inputs.source_symbols) if ngrams else 0,
        ngram_dropout=NGRAM_DROPOUT if ngrams else 0.0,
        dropout=_dropout_for(inputs.pairs),
        copy_gate="on" if attention == "dot" and inputs.copied_share > COPIED_SHARE else "off",
        kind="encoder_decoder",
    )


def _is_plain(options: TrainOptions) -> bool:
    """A named cell, input or missing attention is taken as it is, with nothing added."""
    return "cell" in options or "embedding" in options or options.get("attention") == "none"


def _between(pairs: int, of_thousand: int, of_hundred_thousand: int) -> int:
    """A size that grows with the logarithm of the number of pairs, a multiple of 8."""
    share = _growth(pairs)
    return round((of_thousand + share * (of_hundred_thousand - of_thousand)) / 8) * 8


def _dropout_for(pairs: int) -> float:
    """Few pairs are learnt by heart; a hundred thousand hardly."""
    return round(0.25 - 0.15 * _growth(pairs), 2)


def _recombination_for(pairs: int) -> float:
    """More than half of a batch for few pairs, whose stems are learnt by heart; none of a hundred thousand."""
    return round(0.6 * (1 - _growth(pairs)), 2)


def _growth(pairs: int) -> float:
    """0 for a thousand pairs and less, 1 for a hundred thousand and more."""
    return min(max(log10(pairs / 1e3) / 2, 0.0), 1.0)
