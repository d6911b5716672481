"""The plan of a run on pairs in words."""

from pathlib import Path

from charnn.config import ModelConfig, TrainConfig
from charnn.data.corpus import Corpus
from charnn.data.pair_view import PairView
from charnn.model.kinds import parameter_count
from charnn.training.context import few_names
from charnn.training.summary import describe_budget, file_rows, oddity_rows

SHOWN = 40  # symbols


def summarise_pairs(config: TrainConfig, corpus: Corpus, folder: Path) -> list[tuple[str, str]]:
    """Rows of (what, how)."""
    optim, val = config.optim, corpus.val
    assert isinstance(corpus.train, PairView) and (val is None or isinstance(val, PairView))
    repeated = f", {corpus.documents.duplicates:,} of them duplicates" if corpus.documents.duplicates else ""
    return [
        ("pairs", few_names(config.data.sources)),
        *file_rows(corpus),
        ("read", f"{corpus.train.count:,} to train on, {val.count if val else 0:,} to validate on{repeated}"),
        ("symbols", _symbols(corpus)),
        *oddity_rows(corpus),
        ("network", _network(config.model)),
        ("batch", f"{optim.batch_size} pairs of like lengths"),
        (
            "optimiser",
            f"AdamW, learning rate {optim.lr:g}, clip {optim.clip:g}, weight decay {optim.weight_decay:g}",
        ),
        (
            "regularised",
            f"dropout {config.model.dropout:g}, label smoothing {optim.label_smoothing:g}, "
            f"{optim.recombination:.0%} of a batch recombined",
        ),
        ("device", f"{config.device}, {config.precision}, {config.threads} threads, seed {config.seed}"),
        ("budget", describe_budget(config.budget)),
        ("folder", str(folder)),
    ]


def _symbols(corpus: Corpus) -> str:
    """How many of each part, and an example of the targets', so that a separator that is missing is seen."""
    assert corpus.pairs is not None
    features = f", {len(corpus.pairs.features):,} features" if corpus.pairs.features else ""
    written = list(corpus.pairs.symbols_of(corpus.vocabulary.characters))
    shown = " ".join(written[:SHOWN]) + (" …" if len(written) > SHOWN else "")
    return f"{len(corpus.pairs.source):,} of sources{features}, {len(written):,} of targets: {shown}"


def _network(model: ModelConfig) -> str:
    cell = model.cell.upper() if model.cell != "rnn" else f"RNN ({model.nonlinearity})"
    layers = f"{model.layers}×" if model.layers > 1 else ""
    if model.attention == "none":
        reader, between = f"{cell} {layers}{model.hidden}", "its last state alone"
    else:
        reader, between = f"two-way {cell} {layers}{model.encoder_hidden}", "attention"
    between += ", copying" if model.copy_gate == "on" else ""
    inputs = f"embeddings of {model.embedding}"
    inputs += f", n-grams to {model.ngrams} from {model.ngram_rows:,} rows each" if model.ngrams else ""
    return f"{reader} → {between} → {cell} {layers}{model.hidden}, {inputs}, {parameter_count(model):,} parameters"
