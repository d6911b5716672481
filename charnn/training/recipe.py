"""From corpus, budget and machine to every setting that the user left open. Each rule with its reason.

The figures behind the rules are in benchmarks/LOG.md.
"""

from dataclasses import dataclass, replace
from math import inf, log2, log10

from charnn.config import (
    DEFAULT_MINUTES,
    Budget,
    DataConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
    TrainOptions,
)
from charnn.model.kinds import kind_for, traits_of
from charnn.settings import configured

LARGE_VOCABULARY = 256  # above it one-hot input costs more than it teaches
KERNEL_SHARE = 0.55  # of the rate of plain matrix products that a whole step reaches
NGRAMS = 5  # inputs teach most per operation: a look-up costs no product
NGRAM_EMBEDDING = 64
FINE_TUNED_CHARS = 45_000  # the text for which these were measured:
FINE_TUNING_LR = 0.1  # of the rate that learns from nothing
FINE_TUNING_EPOCHS = 6.0
FINE_TUNING_NGRAM_DROPOUT = 0.3
FINE_TUNING_SEQ_LENGTH = 32
CHARS_OF_A_STREAM = 1_800  # of a text that a model is fine-tuned to
CHARS_OF_300 = 2_000  # in 300 names
CHARS_OF_SMALL_BATCHES = 16 * 1024  # in a collection; below it an epoch would be a few steps
CHARS_PER_ROW = 16  # of the training text, for each row of an n-gram table


@dataclass(frozen=True)
class RecipeInputs:
    """What a recipe may depend on. `gflops` is None unless the budget is in minutes."""

    train_chars: int
    vocab_size: int
    device: str = "cpu"
    gflops: float | None = None
    is_collection: bool = False
    is_warm: bool = False  # the run starts from a model's weights


def choose(options: TrainOptions, data: DataConfig, inputs: RecipeInputs) -> TrainConfig:
    """The whole configuration: the user's options, and the recipe's choice for the rest."""
    budget = choose_budget(options)
    if (inputs.is_collection or inputs.is_warm) and budget.epochs is None and budget.steps is None:
        budget = replace(budget, epochs=_epochs_for(inputs))
    reach = _affordable_chars(options, budget, inputs)
    model = _choose_model(options, inputs, reach)
    config = configured(
        TrainConfig,
        options,
        model=model,
        data=data,
        optim=_choose_optim(options, model, inputs),
        budget=budget,
    )
    return replace(config, device=inputs.device)


def choose_budget(options: TrainOptions) -> Budget:
    given = configured(Budget, options)
    return given if given.is_bounded else replace(given, minutes=DEFAULT_MINUTES)


def _affordable_chars(options: TrainOptions, budget: Budget, inputs: RecipeInputs) -> float:
    """How many characters the run will read, roughly: what size, dropout and rate depend on."""
    optim = configured(OptimConfig, options)
    chars_per_step = optim.batch_size * optim.seq_length
    chars = inf
    if budget.steps is not None:
        chars = min(chars, budget.steps * chars_per_step)
    if budget.epochs is not None:
        chars = min(chars, budget.epochs * inputs.train_chars)
    if budget.minutes is not None and inputs.gflops is not None:
        networks = traits_of(kind_for(options)).directions
        flop = budget.minutes * 60 * inputs.gflops * 1e9 * KERNEL_SHARE / networks
        chars = min(chars, flop / _flop_per_char(options["hidden"]) if inputs.is_warm else _chars_in(flop))
    return chars


def _flop_per_char(hidden: int) -> float:
    """Forward and back: 6 a weight, of an LSTM and about a third more for its input and output."""
    return 6 * 4 * hidden**2 * 1.3


def _chars_in(flop: float) -> float:
    """Characters that the network chosen for so many operations reads with them."""
    # hidden ∝ chars^0.42 and flop = _flop_per_char(hidden) × chars, solved for chars
    ratio = flop / (_flop_per_char(192) * 4.5e6)
    return 4.5e6 * float(ratio ** (1 / 1.84))


def _choose_model(options: TrainOptions, inputs: RecipeInputs, chars: float) -> ModelConfig:
    is_plain = "cell" in options or "embedding" in options  # a named cell or input is taken as it is
    ngrams = options.get("ngrams", 0 if is_plain else NGRAMS)
    epochs = chars / inputs.train_chars
    return configured(
        ModelConfig,
        options,
        vocab_size=inputs.vocab_size,
        hidden=_hidden_for(chars),
        embedding=NGRAM_EMBEDDING if ngrams else 128 if inputs.vocab_size > LARGE_VOCABULARY else 0,
        ngrams=ngrams,
        ngram_rows=rows_for(inputs.train_chars) if ngrams else 0,
        ngram_dropout=_ngram_dropout_for(epochs, inputs) if ngrams else 0.0,
        skip_connection="input" if ngrams and not is_plain else "none",
        dropout=_dropout_for(epochs, inputs),
        kind=kind_for(options),
    )


def rows_for(train_chars: int) -> int:
    """A power of two that grows with the text's n-grams, within what a state on disk should weigh."""
    return 1 << min(max(round(log2(train_chars / CHARS_PER_ROW)), 12), 18)


def _ngram_dropout_for(epochs: float, inputs: RecipeInputs) -> float:
    """What is read once needs little; what is read often is learnt by heart unless orders are left out.

    A short list is learnt by heart sooner: 0.85 for 300 names, 0.65 for 30,000.
    """
    if inputs.is_warm:
        return FINE_TUNING_NGRAM_DROPOUT
    of_text = min(max(0.4 + 0.13 * log2(max(epochs, 0.1) / 3.4), 0.1), 0.75)
    return max(of_text, _of_list(inputs, 0.85, 0.1))


def _of_list(inputs: RecipeInputs, of_300: float, step: float) -> float:
    """A share that is `of_300` for a list of 300 names and `step` less for ten times as many; 0 for one text."""
    if not inputs.is_collection:
        return 0.0
    return round(min(max(of_300 - step * log10(inputs.train_chars / CHARS_OF_300), 0.0), of_300), 2)


def _epochs_for(inputs: RecipeInputs) -> float:
    """When a collection is learnt: 12 epochs for 300 names, 20 for 3,000, 35 for 30,000.

    And what a model knows already takes fewer: 9 for 5,000 characters, 6 for 45,000, 4 for 450,000, 2 for 4,500,000.
    """
    chars = inputs.train_chars
    if inputs.is_warm:
        return float(max(round(FINE_TUNING_EPOCHS * (chars / FINE_TUNED_CHARS) ** -0.2), 2))
    return float(max(round(12 * (chars / CHARS_OF_300) ** 0.23), 5))


def _hidden_for(chars: float) -> int:
    """Small networks win short budgets: 192 at a minute (4.5 M characters), 320 at ten (15 M), on two cores."""
    hidden = 192 * (chars / 4.5e6) ** 0.42
    return int(min(max(round(hidden / 32) * 32, 64), 1024))


def _dropout_for(epochs: float, inputs: RecipeInputs) -> float:
    """For a few epochs leaving out n-grams is enough; later the network itself learns the text by heart."""
    bounds = ((6, 0.0), (12, 0.1), (30, 0.2), (60, 0.3))
    of_text = next((dropout for bound, dropout in bounds if epochs < bound), 0.4)
    return max(of_text, _of_list(inputs, 0.5, 0.15))


def _choose_optim(options: TrainOptions, model: ModelConfig, inputs: RecipeInputs) -> OptimConfig:
    sizes = _sizes_for(inputs)
    streams = configured(OptimConfig, options, **sizes).batch_size
    lr = _lr_for(model, _share_of_lr(inputs, streams) if inputs.is_warm else 1.0)
    return configured(OptimConfig, options, lr=lr, beta1=_beta1_for(model), **sizes)


def _sizes_for(inputs: RecipeInputs) -> dict[str, int]:
    """The batch, where it isn't OptimConfig's own."""
    if inputs.is_collection and inputs.train_chars < CHARS_OF_SMALL_BATCHES:
        return {"batch_size": max(inputs.train_chars // 1024, 2), "seq_length": 64}
    if inputs.device != "cpu":
        return {"batch_size": 64, "seq_length": 128}
    if inputs.is_warm and not inputs.is_collection and inputs.train_chars > FINE_TUNED_CHARS // 2:
        return {"batch_size": _fine_tuning_batch(inputs.train_chars), "seq_length": FINE_TUNING_SEQ_LENGTH}
    return {}


def _fine_tuning_batch(train_chars: int) -> int:
    """Many places of the text at once: what a model knows already is led astray by any one of them."""
    return 1 << min(round(log2(train_chars / CHARS_OF_A_STREAM)), 7)


def _lr_for(model: ModelConfig, share: float) -> float:
    """High rates win short budgets; larger and deeper networks, and cells without gates, bear less.

    What a model knows would be lost at such a rate: fine-tuning takes a `share` of it.
    """
    cell = {"lstm": 1.0, "gru": 0.6, "rnn": 0.25}[model.cell]
    rate = 8e-3 * (256 / model.hidden) ** 0.8 * cell / model.layers**0.5
    return float(f"{share * min(rate, 1e-2):.2g}")


def _share_of_lr(inputs: RecipeInputs, streams: int) -> float:
    """A small text changes what a model knows by little; a larger one bears a higher rate, and has more to teach.

    Gradients of more streams agree better, and so does a rate for them.
    """
    share = min(FINE_TUNING_LR * max(inputs.train_chars / FINE_TUNED_CHARS, 1.0) ** 0.35, 0.4)
    is_text = inputs.device == "cpu" and not inputs.is_collection
    return float(min(share * (streams / OptimConfig.batch_size) ** 0.6, 1.0) if is_text else share)


def _beta1_for(model: ModelConfig) -> float:
    """Networks with gates learn a little more without momentum (Melis et al. 2018), the others a little less."""
    return OptimConfig.beta1 if model.cell == "rnn" else 0.0
