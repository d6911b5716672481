"""One run, ready to go: its configuration, corpus and folder, and what the loop asks of its surroundings."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from charnn.config import DataConfig, SampleConfig, TrainConfig, TrainOptions, to_json
from charnn.data.collection import DocumentView
from charnn.data.corpus import Corpus
from charnn.data.tokens import TokenView
from charnn.data.vocab import Vocabulary
from charnn.inference.model import Model
from charnn.model.kinds import parameter_count
from charnn.settings import settings_of
from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.model_documents import MAX_HASHES, ModelDocuments, stored_hashes
from charnn.storage.model_file import ModelFile, write_model
from charnn.storage.run_folder import RunFolder
from charnn.storage.train_state import TrainState
from charnn.training.distributed import Alone
from charnn.training.events import Started
from charnn.training.planner import Clock
from charnn.training.tasks import task_for
from charnn.training.trainer import Trainer
from charnn.version import __version__

FEW = 3  # sources that are named
LONGEST_NAME = 80  # characters
Section = TypeVar("Section", TrainConfig, DataConfig)
OPENING = 64  # characters
LINES_SOUGHT = 1_000_000  # characters of a text, at its beginning
LONGEST_LINE = 10_000  # characters, on the average, of a text that can begin after a newline
LIVE_SAMPLE = SampleConfig(length=200, temperature=0.8)


@dataclass(frozen=True)
class TrainRequest:
    """What was asked for, and by whom it is watched.

    `started` is the moment seconds count from, on time.monotonic's scale.
    """

    sources: Sequence[str]
    options: TrainOptions
    started: float
    pending_signal: Callable[[], int | None] = lambda: None
    on_read: Callable[[int, int | None], None] | None = None
    group: Alone = field(default_factory=Alone)


@dataclass
class RunContext:
    """One run, ready to go: everything it needs that isn't in the trainer."""

    config: TrainConfig
    corpus: Corpus
    folder: RunFolder
    clock: Clock
    deadline: float | None
    request: TrainRequest
    notices: list[str]
    weights: dict[str, torch.Tensor] | None = None
    group: Alone = field(default_factory=Alone)

    # What the loop asks of its surroundings.

    def new_trainer(self) -> Trainer:
        task = task_for(self.config, self.corpus, self.group.part)
        return Trainer(self.config, task, self.weights, self.group)

    def write_model(self, trainer: Trainer) -> None:
        write_model(self.folder.model, self.model_file(trainer))

    def sample(self, trainer: Trainer) -> str:
        return Model.of(self.model_file(trainer), self.folder.model).sample(
            length=LIVE_SAMPLE.length, temperature=LIVE_SAMPLE.temperature, seed=trainer.train_state.step
        )

    def checkpoint_values(self, train_state: TrainState) -> CheckpointValues:
        return CheckpointValues(
            config=self.config,
            corpus_sha256=self.corpus.sha256,
            vocabulary=self.corpus.vocabulary,
            pairs=self.corpus.pairs,
            versions=versions(self.group.part.size),
            seconds=self.clock.seconds(),
            deadline=self.deadline,
            train_state=train_state.copy(),
        )

    def model_file(self, trainer: Trainer) -> ModelFile:
        weights = {name: tensor.float().numpy() for name, tensor in trainer.weights().items()}
        return ModelFile(
            self.config.model,
            self.corpus.vocabulary,
            weights,
            self._provenance(trainer),
            self._model_documents,
            self.corpus.pairs,
        )

    @cached_property
    def _model_documents(self) -> ModelDocuments | None:
        documents, part = self.corpus.documents, self.corpus.train
        if not isinstance(part, DocumentView):
            return None
        hashes = stored_hashes(part.hashes()) if part.count <= MAX_HASHES else None
        return ModelDocuments(documents.kind, documents.separator, part.count, hashes)

    @cached_property
    def _opening(self) -> dict[str, str]:
        """How a text of hardly any newline begins: what a sample of its model goes on from where there is no prompt."""
        part, vocabulary = self.corpus.train, self.corpus.vocabulary
        if not isinstance(part, TokenView) or _has_lines(part, vocabulary):
            return {}
        return {"opening": vocabulary.decode(part.read(0, min(OPENING, len(part))))}

    def started_event(self) -> Started:
        return Started(
            version=__version__,
            corpus=few_names(self.config.data.sources),
            chars=self.corpus.chars,
            vocab_size=len(self.corpus.vocabulary),
            parameters=parameter_count(self.config.model),
            config=to_json(self.config),
            device=self.config.device,
            documents=self.corpus.documents.count,
            duplicates=self.corpus.documents.duplicates,
            documents_kind=self.corpus.documents.kind,
        )

    def _provenance(self, trainer: Trainer) -> dict[str, Any]:
        train_state = trainer.train_state
        return {
            "charnn": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "corpus": {
                "name": few_names(without_paths(self.config).data.sources),
                "files": len(self.config.data.sources),
                "sha256": self.corpus.sha256,
                "chars": self.corpus.chars,
                **self._opening,
            },
            "training": {
                "steps": train_state.step,
                "epochs": round(trainer.epoch, 3),
                "chars": train_state.chars,
                "seconds": round(self.clock.seconds(), 1),
                "val_nats_per_char": train_state.best,
                "config": to_json(_with_few_sources(without_paths(self.config))),
            },
        }


def _has_lines(part: TokenView, vocabulary: Vocabulary) -> bool:
    """Whether a text's beginning has newlines enough to learn from what comes after one."""
    beginning = part.read(0, LINES_SOUGHT)
    newlines = int(np.count_nonzero(beginning == vocabulary.encode("\n")[0]))
    return newlines * LONGEST_LINE >= len(beginning)


def few_names(sources: Sequence[str]) -> str:
    """The first few, on a line of at most 300 characters, and how many more there are."""
    names = ", ".join(_short(source) for source in sources[:FEW])
    return names if len(sources) <= FEW else f"{names} and {len(sources) - FEW:,} more"


def _short(name: str) -> str:
    """A long name without its middle."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 :]}"


def _with_few_sources(config: TrainConfig) -> TrainConfig:
    """The same, only the first few sources named: a model file has a bound."""
    return replace(config, data=replace(config.data, sources=tuple(map(_short, config.data.sources[:FEW]))))


def without_paths(config: TrainConfig) -> TrainConfig:
    """The same, files by their names alone: a model is passed on, and where its text lay is nobody's business."""
    return replace(_named(config), data=_named(config.data))


def _named(section: Section) -> Section:
    """The part of a configuration, its settings that are paths cut to their last names."""
    kind: Any = type(section)
    paths = {name: getattr(section, name) for name, one in settings_of(kind).items() if one.is_path}
    names: dict[str, Any] = {
        name: tuple(Path(one).name for one in path) if isinstance(path, tuple) else Path(path).name
        for name, path in paths.items()
        if path
    }
    return replace(section, **names)


def versions(processes: int) -> dict[str, str]:
    """What a bit-for-bit resumed run must share with the one it continues."""
    several = {"processes": str(processes)} if processes > 1 else {}
    return {"charnn": __version__, "torch": torch.__version__, "python": platform.python_version(), **several}
