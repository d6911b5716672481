"""A run in the processes that don't lead it: they read the text, train their part, and write and print nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from charnn.config import TrainConfig
from charnn.data.addresses import scheme_of
from charnn.data.cache_transfer import receive_texts, send_texts
from charnn.data.corpus import Corpus, open_cached_corpus, open_corpus
from charnn.errors import CharnnError, CorpusError, InterruptedRunError
from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.run_folder import RunFolder
from charnn.storage.train_state import TrainState
from charnn.training import device as devices
from charnn.training.context import RunContext, TrainRequest
from charnn.training.decisions import Interval
from charnn.training.distributed import Alone
from charnn.training.events import Event, RunSummary
from charnn.training.loop import Loop
from charnn.training.planner import Clock, planner_for
from charnn.training.resume import Resumption, restore
from charnn.training.run_lock import absolute_sources
from charnn.training.shared_decisions import SharedDecisions
from charnn.training.shared_store import SharedStore
from charnn.training.trainer import Trainer


class FollowedContext(RunContext):
    """What the loop asks of a process that leaves files and samples to the leader."""

    def write_model(self, trainer: Trainer) -> None:
        return None

    def sample(self, trainer: Trainer) -> str:
        return ""


def lead(context: RunContext, *, dry_run: bool) -> None:
    """Tell the other processes what is trained. Returns once all have the text."""
    group = context.group
    if group.part.is_whole:
        return
    group.arrive("prepared")
    group.told({"dry_run": dry_run, "folder": str(context.folder.path)})
    if dry_run:
        return
    group.told_bytes(context.checkpoint_values(TrainState()).to_bytes())
    _all_have_text(group, context.corpus, context.corpus.sha256)


def follow(request: TrainRequest) -> Iterator[Event]:
    """The events of a run, in a process that doesn't lead it."""
    group = request.group
    group.arrive("prepared")
    told = group.told(None)
    if told["dry_run"]:
        return
    folder = RunFolder(Path(told["folder"]))
    values = CheckpointValues.parse(group.told_bytes(b""))
    yield RunSummary(str(folder.path), [], "")
    config = _on_this_process(values.config, request, group)
    corpus = _followed_corpus(config, values, request, group)
    clock = Clock(request.started)
    context = FollowedContext(config, corpus, folder, clock, values.deadline, request, [], group=group)
    with devices.memory_advice(config.device):
        yield from _trained(context)


def _trained(context: RunContext) -> Iterator[Event]:
    group = context.group
    trainer = context.new_trainer()
    store = SharedStore(context.folder.resume, 1, group)
    planner = planner_for(trainer.task, context.config, context.clock, context.deadline)
    decisions = SharedDecisions(planner, Interval(), Interval(), context.request.pending_signal, group)
    checkpoint = store.shared(None)
    if checkpoint is None:
        if group.told(None):  # a run is overwritten
            store.save(trainer.tensors(), context.checkpoint_values(trainer.train_state))
    else:
        restore(trainer, checkpoint)
        what = Resumption[group.told(None)]
        if what is Resumption.FINISHED:
            return
        if what is Resumption.EXTENDED:
            trainer.train_state.extend(decisions.extended_plan(trainer.train_state))
    decisions.begin(trainer.train_state.step)
    try:
        yield from Loop(trainer, decisions, store, context).events()
    except InterruptedRunError as error:
        raise InterruptedRunError("", error.signal_number) from None  # the leader says it


def _on_this_process(config: TrainConfig, request: TrainRequest, group: Alone) -> TrainConfig:
    """The leader's configuration, with this process's device and threads."""
    device = config.device
    if device.startswith("cuda") and group.place is not None:
        device = f"cuda:{group.place.local_rank}"
    threads = devices.use_threads(devices.shared_threads(request.options.get("threads"), group.local_size))
    return replace(config, device=str(devices.available_device(device)), threads=threads)


def _followed_corpus(
    config: TrainConfig, values: CheckpointValues, request: TrainRequest, group: Alone
) -> Corpus:
    """The leader's text: read here, or taken from the cache, or sent. One process of each machine comes first."""
    data = config.data
    if request.sources:
        data = replace(data, sources=absolute_sources(request.sources))
    base = (values.vocabulary, values.pairs) if values.pairs else values.vocabulary

    def found() -> Corpus | None:
        if not any(source == "-" or scheme_of(source) for source in (*data.sources, data.val or "")):
            try:
                return open_corpus(data, base=base, sha256=values.corpus_sha256, progress=request.on_read)
            except CharnnError:
                pass  # another text has that name here
        return open_cached_corpus(data, base=base, sha256=values.corpus_sha256)

    is_first = group.place is not None and group.place.local_rank == 0
    corpus = _all_have_text(group, found() if is_first else None, values.corpus_sha256, is_first=is_first)
    corpus = corpus or found()
    if corpus is None:
        raise CorpusError(
            f"the text of the run isn't in the cache of this machine, and {data.sources[0]} isn't it"
        )
    return corpus


def _all_have_text(
    group: Alone, corpus: Corpus | None, sha256: str, *, is_first: bool = True
) -> Corpus | None:
    """Send the text to where it isn't."""
    group.arrive("text")
    lacks = is_first and corpus is None
    if group.sums([float(lacks)])[0]:
        if group.leads:
            send_texts(sha256, group.told, group.told_bytes)
        else:
            receive_texts(group.told, group.told_bytes, wanted=lacks)
    group.arrive("sent")
    return corpus
