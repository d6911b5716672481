"""How a context comes to be: from what the user asked for, or from what a run left behind."""

import time
from dataclasses import replace

from charnn.config import DataConfig, TrainConfig
from charnn.data.cache import text_hashes
from charnn.data.corpus import Corpus, open_corpus
from charnn.errors import ModelFileError
from charnn.settings import configured
from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.checkpoints import Checkpoint
from charnn.storage.run_folder import MetricsLog, RunFolder, started_config
from charnn.training import device as devices
from charnn.training.configuration import new_config, on_this_machine
from charnn.training.context import RunContext, TrainRequest, versions
from charnn.training.distributed import Alone
from charnn.training.planner import Clock
from charnn.training.resume import check_fit, continued_config, refused, refused_start
from charnn.training.resumed_corpus import require_fetchable, resumed_corpus, without_secrets_in
from charnn.training.run_lock import absolute_sources
from charnn.training.start import NONE, StartingModel
from charnn.training.warm_start import adapted_weights, with_architecture

READING_SHARE = 0.1  # of a timed budget; a longer reading doesn't count against it


def new_context(request: TrainRequest, folder: RunFolder) -> RunContext:
    """A run from its beginning."""
    data = _data_config(request)
    opened = _Opened(data, StartingModel(request.options), request)
    start, corpus = opened.start, opened.corpus
    options = with_architecture(start.options, start.model.config) if start.model else start.options
    data = replace(data, documents=corpus.documents.kind)
    config, notices = new_config(options, data, corpus, request.group)
    config = replace(config, data=without_secrets_in(config.data))
    return _new_context(
        request, folder, config, opened, [*start.notices, *_validation(config, corpus), *notices]
    )


def resumed_context(request: TrainRequest, folder: RunFolder, checkpoint: Checkpoint | None) -> RunContext:
    """A run that goes on from `checkpoint`, or from its beginning when it has none yet."""
    if checkpoint is None:
        return _restarted_context(request, folder)
    values = checkpoint.values
    stored = replace(values.config, threads=_stored_threads(values.config, request))
    config = on_this_machine(continued_config(stored, _sources(request), request.options))
    require_fetchable(config.data, request, folder.path, values.corpus_sha256)
    corpus, data, notices = resumed_corpus(
        config.data,
        stored.data,
        folder.path,
        (values.vocabulary, values.pairs) if values.pairs else values.vocabulary,
        values.corpus_sha256,
        request.on_read,
    )
    config = replace(config, data=without_secrets_in(data))
    with refused(checkpoint):
        check_fit(config, corpus)
    clock = Clock(request.started, values.seconds)
    deadline = values.deadline
    if deadline is not None:
        deadline += 60 * ((config.budget.minutes or 0) - (values.config.budget.minutes or 0))
    notices += _differences(config, values, request.group)
    return RunContext(config, corpus, folder, clock, deadline, request, notices, group=request.group)


def _restarted_context(request: TrainRequest, folder: RunFolder) -> RunContext:
    if MetricsLog(folder.metrics).first("save"):
        raise ModelFileError(
            f"{folder.path} was saved, but its checkpoints are gone from {folder.resume}: put them back to go on; "
            "the model stays as it is, and --overwrite begins a new run in its place"
        )
    with refused_start(folder.path):
        stored = started_config(folder)
        stored = replace(stored, threads=_stored_threads(stored, request))
    config = on_this_machine(continued_config(stored, _sources(request), request.options))
    require_fetchable(config.data, request, folder.path)
    opened = _Opened(
        config.data,
        StartingModel({"init_from": config.init_from or NONE, "layout": config.data.layout}),
        request,
    )
    config = replace(config, data=without_secrets_in(config.data))
    with refused_start(folder.path):
        check_fit(config, opened.corpus)
    notice = "no checkpoint was saved yet: the run starts from its beginning"
    return _new_context(request, folder, config, opened, [notice])


class _Opened:
    """A corpus read, the model that the run starts from, and the seconds that reading took."""

    def __init__(self, data: DataConfig, start: StartingModel, request: TrainRequest) -> None:
        begun = time.monotonic()
        self.start = start
        self.corpus = open_corpus(data, base=start.base, progress=request.on_read)
        self.seconds = time.monotonic() - begun


def _new_context(
    request: TrainRequest, folder: RunFolder, config: TrainConfig, opened: _Opened, notices: list[str]
) -> RunContext:
    clock = Clock(request.started)
    deadline, late = _deadline(config, opened.seconds, clock)
    model = opened.start.model
    weights = adapted_weights(model, opened.corpus.vocabulary, opened.corpus.pairs) if model else None
    return RunContext(
        config, opened.corpus, folder, clock, deadline, request, notices + late, weights, request.group
    )


def _validation(config: TrainConfig, corpus: Corpus) -> list[str]:
    """What is to be said of a --val that holds the corpus's own text under another name."""
    hashes = text_hashes(corpus.sha256)
    if len(set(hashes)) == len(hashes) or config.data.val in config.data.sources:
        return []
    return [f"--val {config.data.val} holds the text that is trained on: its loss says nothing of new text"]


def _stored_threads(config: TrainConfig, request: TrainRequest) -> int | None:
    """A run's threads; of several processes each has its share of this machine's."""
    if request.group.part.is_whole:
        return devices.sane_threads(config.threads)
    return devices.shared_threads(None, request.group.local_size)


def _sources(request: TrainRequest) -> tuple[str, ...]:
    return absolute_sources(request.sources) if request.sources else ()


def _data_config(request: TrainRequest) -> DataConfig:
    return configured(DataConfig, request.options, sources=absolute_sources(request.sources))


def _deadline(config: TrainConfig, reading: float, clock: Clock) -> tuple[float | None, list[str]]:
    """When a timed run must be over, in the clock's seconds; a long reading moves it, and is said."""
    if config.budget.minutes is None:
        return None, []
    budget = 60 * config.budget.minutes
    if reading <= READING_SHARE * budget:
        return budget, []
    return budget + clock.seconds(), [f"reading took {reading:.0f} s: the budget starts after it"]


def _differences(config: TrainConfig, stored: CheckpointValues, group: Alone) -> list[str]:
    """What keeps the resumed run from being bitwise identical to the uninterrupted one."""
    old = stored.config
    before = {**stored.versions, "threads": old.threads, "device": old.device, "precision": old.precision}
    now = {
        **versions(group.part.size),
        "threads": config.threads,
        "device": config.device,
        "precision": config.precision,
    }
    if "processes" in before or "processes" in now:  # whose threads are each a share of a machine's
        before = {"processes": "1", **before, "threads": None}
        now = {"processes": "1", **now, "threads": None}
    return [
        f"{name} was {before.get(name)}, is {value}: the run goes on, but not bit for bit"
        for name, value in now.items()
        if before.get(name) != value
    ]
