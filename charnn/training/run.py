"""A run from its beginning, or a checkpoint, to the end of its budget; every event is stored and passed on."""

import time
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from charnn.config import DisplayConfig, RunConfig
from charnn.errors import CharnnError, InputError, InterruptedRunError
from charnn.files import explained, require_room
from charnn.model.kinds import KindTraits, kind_of
from charnn.settings import configured
from charnn.storage.begun_here import remember_begun
from charnn.storage.checkpoints import Checkpoint, CheckpointStore
from charnn.storage.model_file import check_readable
from charnn.storage.run_folder import MetricsLog, RunFolder
from charnn.storage.train_state import TrainState
from charnn.training.context import RunContext, TrainRequest
from charnn.training.decisions import Decisions, Interval
from charnn.training.device import memory_advice
from charnn.training.events import Event, Finished, Notice, Planned, Resumed, RunSummary, Saved
from charnn.training.follow import lead
from charnn.training.loop import Loop
from charnn.training.options import option_notices
from charnn.training.pair_summary import summarise_pairs
from charnn.training.planner import planner_for
from charnn.training.resume import Resumption, restore, resumption
from charnn.training.resumed_corpus import addresses_in
from charnn.training.run_lock import RunLock
from charnn.training.setup import new_context, resumed_context
from charnn.training.shared_decisions import SharedDecisions
from charnn.training.shared_store import SharedStore
from charnn.training.summary import summarise
from charnn.training.tensorboard_log import check_tensorboard, logged
from charnn.training.trainer import Trainer

ROOM_FOR_PROVENANCE = 1 << 12  # bytes that a model file's header may grow by in training
SAVE_RATE = 130e6  # bytes a second hashed, written and synced, until measured


def run_events(request: TrainRequest, run_lock: RunLock, *, dry_run: bool = False) -> Iterator[Event]:
    """Prepare, train, store. Raises CharnnError: InterruptedRunError after a signal, once a checkpoint is saved."""
    kept, display = configured(RunConfig, request.options), configured(DisplayConfig, request.options)
    yield from map(Notice, option_notices(request.sources, request.options))
    if display.tensorboard is not None:
        check_tensorboard()
    group = request.group
    store = CheckpointStore(run_lock.folder.resume, kept.keep)
    save, sample = Interval.parse(kept.save_every), Interval.parse(display.sample_every)
    if request.options.get("resume"):
        checkpoint, complaints = store.newest()
        yield from (Notice(f"{complaint}; the one before it is used") for complaint in complaints)
        context = resumed_context(request, run_lock.folder, checkpoint)
    else:
        checkpoint, context = None, new_context(request, run_lock.folder)
    yield from map(Notice, context.notices)
    config, path = context.config, run_lock.folder.path
    kind = kind_of(config.model)
    if "sample" not in kind.capabilities:
        sample = _no_samples(request, kind)
    summarised = summarise_pairs if context.corpus.pairs else summarise
    rows = summarised(config, context.corpus, path)
    yield RunSummary(str(path), rows, kind.example_command(str(path)))
    if not dry_run:
        run_lock.take()
    lead(context, dry_run=dry_run)
    if dry_run:
        return
    store = store if group.part.is_whole else SharedStore(store.folder, store.keep, group)
    with memory_advice(context.config.device):
        events = _stored(_trained(context, store, checkpoint, save, sample), run_lock.folder)
        yield from logged(events, display.tensorboard)


def _no_samples(request: TrainRequest, kind: KindTraits) -> Interval:
    """For a kind of model that writes no text. Raises InputError when samples are asked for."""
    if request.options.get("sample_every", "0") != "0":
        raise InputError(f"--sample-every: {kind.described} can't sample, it {kind.purpose}; leave it out")
    return Interval()


def _stored(events: Iterator[Event], folder: RunFolder) -> Iterator[Event]:
    """Append each event that has a line to metrics.jsonl; a checkpoint taken up again takes the metrics with it.

    Raises CharnnError when the run's folder is moved away meanwhile.
    """
    metrics, place = MetricsLog(folder.metrics), folder.place()
    for event in events:
        if folder.place() != place:
            raise CharnnError(
                f"{folder.path} was moved or removed while it was trained in: the run stops at its last save; "
                "to go on, name where it lies now: charnn train --resume --out FOLDER"
            )
        if isinstance(event, Resumed):
            metrics.cut_back(event.step, Path(event.path).name)
        if event.kind:
            metrics.append(event.record())
        yield event


def _trained(
    context: RunContext,
    store: CheckpointStore,
    checkpoint: Checkpoint | None,
    save: Interval,
    sample: Interval,
) -> Iterator[Event]:
    trainer = context.new_trainer()
    decisions = _decisions(context, trainer, save, sample)
    require_room(context.folder.path, _room_needed(trainer, store.keep))
    check_readable(context.model_file(trainer), ROOM_FOR_PROVENANCE)
    if isinstance(store, SharedStore):
        store.shared(checkpoint)
    if checkpoint is None:
        context.group.told(context.folder.holds_a_run)
        remember_begun(context.folder.path, addresses_in(context.config.data))
        yield from _begun(context, store, trainer)
    else:
        asides = store.set_aside_newer(checkpoint)
        yield from (Notice(f"it is kept as {aside} until the run ends") for aside in asides)
        restore(trainer, checkpoint)
        checkpoint.tensors.clear()  # they are in the trainer now; a second copy would stay for the whole run
        what = resumption(checkpoint, context.config.budget)
        context.group.told(what.name)
        if what is Resumption.FINISHED:
            yield _over_already(context, decisions, trainer.train_state)
            return
        yield Resumed(checkpoint.step, str(checkpoint.path))
        if what is Resumption.EXTENDED:
            yield from _extended(trainer, decisions)
    decisions.begin(trainer.train_state.step)
    loop = Loop(trainer, decisions, store, context)
    try:
        yield from loop.events()
        store.finished()
    except InterruptedRunError as error:
        nproc = context.request.options.get("nproc", 1)
        command = f"charnn train --resume --out {quote(str(context.folder.path))}{f' --nproc {nproc}' * (nproc > 1)}"
        raise InterruptedRunError(f"interrupted; to go on: {command}", error.signal_number) from None


def _begun(context: RunContext, store: CheckpointStore, trainer: Trainer) -> Iterator[Event]:
    """A new run. What stands in its folder goes once its own first checkpoint is there."""
    folder = context.folder
    if not folder.holds_a_run:
        yield context.started_event()
        return
    folder.require_own()
    start = time.monotonic()
    path = store.save(trainer.tensors(), context.checkpoint_values(trainer.train_state))
    store.remove_others(path)
    with explained(folder.path, "clear"):
        folder.remove_results()
    context.write_model(trainer)
    yield context.started_event()
    yield Saved(trainer.train_state.step, str(path), time.monotonic() - start)


def _extended(trainer: Trainer, decisions: Decisions) -> Iterator[Event]:
    """A new plan for a budget that grew."""
    train_state = trainer.train_state
    plan = decisions.extended_plan(train_state)
    train_state.extend(plan)
    yield Planned(plan.step, plan.steps, plan.chars_per_second)
    yield Notice(
        f"the budget grew: the learning rate goes on at {trainer.lr:.2g}, where the schedule of "
        f"{plan.steps:,} steps stands at step {plan.step:,}"
    )


def _over_already(context: RunContext, decisions: Decisions, train_state: TrainState) -> Event:
    """That it is; or its last line, where a kill came between the last save and that."""
    reason = decisions.reason(train_state)
    if MetricsLog(context.folder.metrics).last("finish"):
        more = "a larger --patience or budget" if reason == "patience" else "a larger budget"
        return Notice(f"this run is over; give {more} to go on with it")
    return Finished(train_state.step, context.clock.seconds(), train_state.best, reason)


def _decisions(context: RunContext, trainer: Trainer, save: Interval, sample: Interval) -> Decisions:
    save_seconds = 3 * _weight_bytes(trainer) / SAVE_RATE
    planner = planner_for(trainer.task, context.config, context.clock, context.deadline, save_seconds)
    sparingly = "save_every" not in context.request.options
    given = planner, save, sample, context.request.pending_signal
    if context.group.part.is_whole:
        return Decisions(*given, save_sparingly=sparingly)
    return SharedDecisions(*given, context.group, save_sparingly=sparingly)


def _room_needed(trainer: Trainer, keep: int) -> int:
    """Bytes on the disk: weights and two moments in each state, one more while it is written, and the model twice."""
    weights = _weight_bytes(trainer)
    return 3 * weights * (keep + 1) + 2 * weights + 4_000_000


def _weight_bytes(trainer: Trainer) -> int:
    return sum(p.numel() * p.element_size() for p in trainer.network.parameters())
