"""What a model file says about its model, and what its run's metrics say about its training. No torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from charnn.config import ModelConfig
from charnn.data.symbols import PairVocabulary
from charnn.data.vocab import Vocabulary
from charnn.model.kinds import weight_shapes
from charnn.storage.model_documents import ModelDocuments
from charnn.storage.model_file import model_path, read_model
from charnn.storage.run_folder import MetricsLog, RunFolder

Losses = tuple[tuple[int, float], ...]
"""(step, nats per character), in order."""

MAX_NATS = 1e6  # no run reports a larger loss


@dataclass(frozen=True)
class Weight:
    """One tensor of a network, in PyTorch's names."""

    name: str
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class History:
    """How a run's losses went: on what it trained on, and on the whole validation part."""

    training: Losses
    validation: Losses


@dataclass(frozen=True)
class Description:
    """A model without its numbers. `provenance` is as the file has it; `history` None where no run's metrics are."""

    path: Path
    bytes: int
    config: ModelConfig
    vocabulary: Vocabulary
    weights: tuple[Weight, ...]
    provenance: Mapping[str, Any]
    history: History | None
    pairs: PairVocabulary | None = None  # of an encoder–decoder, whose `vocabulary` is that of its targets
    documents: ModelDocuments | None = None  # of a model of documents

    @property
    def parameters(self) -> int:
        """Of all weights together."""
        return sum(weight.parameters for weight in self.weights)


def describe(path: str | Path) -> Description:
    """What is known about the model in a .safetensors file or a run's folder.

    Raises ModelFileError, naming it and what is wrong, CharnnError where the machine can't read it.
    """
    file = model_path(Path(path))
    stored = read_model(file)
    weights = tuple(Weight(name, shape) for name, shape in weight_shapes(stored.config).items())
    return Description(
        file,
        file.stat().st_size,
        stored.config,
        stored.vocabulary,
        weights,
        stored.provenance,
        _history(file),
        stored.pairs,
        stored.documents,
    )


def _history(file: Path) -> History | None:
    """From the metrics beside a model file that has the name which a run's has."""
    run = RunFolder(file.parent)
    if file != run.model or not run.metrics.is_file():
        return None
    log = MetricsLog(run.metrics)
    return History(_losses(log.all("train"), "nats_per_char"), _losses(log.all("eval"), "val_nats_per_char"))


def _losses(records: Iterable[Mapping[str, Any]], name: str) -> Losses:
    """The run may be a stranger's: records without sane numbers are passed over."""
    pairs = ((record.get("step"), record.get(name)) for record in records)
    return tuple(
        (step, loss)
        for step, loss in pairs
        if isinstance(step, int) and isinstance(loss, float) and 0 <= loss <= MAX_NATS
    )
