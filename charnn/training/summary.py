"""The plan of a run in words: what was read, what was chosen and why, what it will take."""

from dataclasses import replace
from math import inf
from pathlib import Path

import torch

from charnn.config import VALIDATION_STREAMS, Budget, ModelConfig, TrainConfig
from charnn.data.collection import DocumentView
from charnn.data.corpus import Corpus
from charnn.model.kinds import dense_parameters, kind_of, parameter_count
from charnn.training.context import few_names
from charnn.training.device import machine_gflops
from charnn.training.evaluation import validation_length
from charnn.training.recipe import KERNEL_SHARE

TORCH_BYTES = 300e6  # resident once torch is loaded
HIDDEN_BYTES = 96  # of a character, for each hidden unit of a layer: gates and states, forward and back
LOGIT_BYTES = (
    14  # of a character, for each of the vocabulary: logits, log-probabilities, gradient; as measured
)


def summarise(config: TrainConfig, corpus: Corpus, folder: Path) -> list[tuple[str, str]]:
    """Rows of (what, how)."""
    model, optim = config.model, config.optim
    val = len(corpus.val) if corpus.val is not None else 0
    return [
        ("corpus", few_names(config.data.sources)),
        *file_rows(corpus),
        ("documents", _documents(corpus)),
        ("characters", f"{len(corpus.train):,} to train on, {val:,} to validate on{_with_ends(corpus)}"),
        ("vocabulary", f"{len(corpus.vocabulary):,} characters{_unknown(corpus)}"),
        *oddity_rows(corpus),
        ("network", _network(config)),
        ("batch", _batch(config, corpus)),
        (
            "optimiser",
            f"AdamW, learning rate {optim.lr:g}, clip {optim.clip:g}, weight decay {optim.weight_decay:g}",
        ),
        ("regularised", _regularisation(model)),
        (
            "device",
            f"{config.device}, {config.precision}, {_counted(config.threads or 1, 'thread')}, seed {config.seed}",
        ),
        ("memory", f"about {_memory(config, val) / 1e6:,.0f} MB"),
        ("budget", describe_budget(config.budget)),
        ("time", _expected_time(config, len(corpus.train))),
        ("folder", str(folder)),
    ]


def _documents(corpus: Corpus) -> str:
    """What a document is, why, and the option that says otherwise."""
    documents = corpus.documents
    why = f" ({documents.reason})" if documents.reason else ""
    if documents.kind == "none":
        return f"none: one continuous text{why}; --documents lines, paragraphs, files or a text reads a collection"
    assert isinstance(corpus.train, DocumentView)
    val = f", {corpus.val.count:,} to validate on" if isinstance(corpus.val, DocumentView) else ""
    duplicates = f", {documents.duplicates:,} of them duplicates" if documents.duplicates else ""
    return (
        f"{documents.kind}{why}: {corpus.train.count:,} to train on{val}{duplicates}; "
        "--documents none reads one continuous text"
    )


def _with_ends(corpus: Corpus) -> str:
    return ", each document's end counted as one" if corpus.documents.kind != "none" else ""


def _batch(config: TrainConfig, corpus: Corpus) -> str:
    streams, length = config.optim.batch_size, config.optim.seq_length
    if corpus.documents.kind != "none":
        return f"about {streams * length:,} characters of documents of similar length, {length} at a time"
    return f"{streams} streams × {length} characters"


def file_rows(corpus: Corpus) -> list[tuple[str, str]]:
    """How many files were read, and what of folders wasn't."""
    if corpus.files == 1 and not corpus.left_out:
        return []
    left_out = f"; left out: {corpus.left_out}" if corpus.left_out else ""
    return [("files", f"{corpus.files:,} read{left_out}")]


def oddity_rows(corpus: Corpus) -> list[tuple[str, str]]:
    """What isn't trained on as it stood in the files, and NULs."""
    rows = [("invalid UTF-8", f"{corpus.replaced:,} replaced by U+FFFD" if corpus.replaced else "none")]
    if corpus.nuls:
        rows.append(("NULs", f"{corpus.nuls:,}, kept"))
    if corpus.newlines:
        rows.append(("line ends", f"{corpus.newlines:,} made LF; --newlines keep keeps them"))
    return rows


def describe_budget(budget: Budget) -> str:
    given = {"minute": budget.minutes, "step": budget.steps, "epoch": budget.epochs}
    early = f", or {_counted(budget.patience, 'evaluation')} without a better loss" if budget.patience else ""
    return " or ".join(_counted(value, unit) for unit, value in given.items() if value is not None) + early


def _counted(number: float, unit: str) -> str:
    return f"{number:,.10g} {unit}{'s' * (number != 1)}"


def _expected_time(config: TrainConfig, train_chars: int) -> str:
    """What minutes promise, or a rough guess from the machine's measured rate."""
    budget, optim = config.budget, config.optim
    if budget.minutes is not None:
        return f"{_counted(budget.minutes, 'minute')}, the last evaluation and save included"
    epochs = inf if budget.epochs is None else budget.epochs * train_chars
    steps = inf if budget.steps is None else budget.steps * optim.batch_size * optim.seq_length
    gflop = min(epochs, steps) * 6 * dense_parameters(config.model) / 1e9
    if gflop < 1:  # on any machine: not worth measuring this one
        return "a few seconds"
    seconds = gflop / (KERNEL_SHARE * machine_gflops(torch.device(config.device)))
    return f"{max(seconds / 60, 0.1):,.1f} minutes, roughly"


def _unknown(corpus: Corpus) -> str:
    if not corpus.vocabulary.has_unknown:
        return ""
    share = 100 * corpus.unknown / corpus.chars
    return f", one of them for all the others ({corpus.unknown:,} in the text, {share:.2g} %)"


def _network(config: TrainConfig) -> str:
    model = config.model
    cell = {"lstm": "LSTM", "gru": "GRU", "rnn": f"RNN ({model.nonlinearity})"}[model.cell]
    inputs = f"embedding of {model.embedding}" if model.embedding else "one-hot input"
    if model.ngrams:
        inputs += f", n-grams to {model.ngrams} from {model.ngram_rows:,} rows each"
    if model.skip_connection == "input":
        inputs += ", skip connection"
    kind = f"{kind_of(model).name} {cell}" if kind_of(model).directions > 1 else cell
    return f"{kind} {model.layers}×{model.hidden}, {inputs}, {parameter_count(model):,} parameters"


def _regularisation(model: ModelConfig) -> str:
    ngrams = f", {model.ngram_dropout:g} of whole n-grams" if model.ngrams else ""
    return f"dropout {model.dropout:g}{ngrams}"


def _memory(config: TrainConfig, val_chars: int) -> float:
    """Bytes: weights; of the dense ones gradients and two moments; the activations of a step, or of validation."""
    model, optim = config.model, config.optim
    kind = kind_of(model)
    hidden = HIDDEN_BYTES * model.hidden * model.layers * kind.directions
    trained = optim.batch_size * optim.seq_length * (hidden + LOGIT_BYTES * model.vocab_size * kind.losses)
    rows = min(VALIDATION_STREAMS * validation_length(model.vocab_size), val_chars)
    validated = rows * (hidden + LOGIT_BYTES * model.vocab_size)
    dense = parameter_count(replace(model, ngrams=0, ngram_rows=0))
    return TORCH_BYTES + 4 * parameter_count(model) + 12 * dense + max(trained, validated)
