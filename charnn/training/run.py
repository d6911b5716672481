"""A run from its beginning, or its last whole state, to the end of its budget; every event is stored and passed on."""

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from charnn.errors import InputError, InterruptedRunError
from charnn.files import require_room
from charnn.storage.run_folder import MetricsLog
from charnn.storage.states import StateStore, StoredState
from charnn.training.cadence import Cadence
from charnn.training.claim import Claim
from charnn.training.device import memory_advice
from charnn.training.events import Event, Finished, Noticed, Planned, Prepared, Resumed
from charnn.training.loop import Loop
from charnn.training.opening import new_session, resumed_session
from charnn.training.planner import Planner
from charnn.training.session import Session, Wish
from charnn.training.stored import restore, stored_run
from charnn.training.summary import summarise
from charnn.training.trainer import Course, Trainer

DEFAULT_SAVE_EVERY = "1m"
DEFAULT_SAMPLE_EVERY = "1m"
DEFAULT_KEEP = 2
SAVE_RATE = 130e6  # bytes a second hashed, written and synced, until measured


def run_events(wish: Wish, claim: Claim, *, dry_run: bool = False) -> Iterator[Event]:
    """Prepare, train, store. Raises CharnnError: InterruptedRunError after a signal, once the state is saved."""
    store = StateStore(claim.folder.resume, wish.options.get("keep", DEFAULT_KEEP))
    save, sample = (Cadence.parse(*_cadence(wish, name)) for name in ("save_every", "sample_every"))
    if wish.options.get("resume"):
        state, complaints = store.latest()
        yield from (Noticed(complaint) for complaint in complaints)
        session = resumed_session(wish, claim.folder, state)
    else:
        state, session = None, new_session(wish, claim.folder)
    yield from map(Noticed, session.notices)
    config, path = session.config, claim.folder.path
    if config.model.bidirectional:
        sample = _no_samples(wish)
    yield Prepared(str(path), summarise(config, session.corpus, path), config.model.bidirectional)
    if dry_run:
        return
    claim.take()
    with memory_advice(session.config.device):
        yield from _stored(_trained(session, store, state, save, sample), MetricsLog(claim.folder.metrics))


def _cadence(wish: Wish, name: str) -> tuple[str, str]:
    default = {"save_every": DEFAULT_SAVE_EVERY, "sample_every": DEFAULT_SAMPLE_EVERY}[name]
    return str(wish.options.get(name, default)), f"--{name.replace('_', '-')}"


def _no_samples(wish: Wish) -> Cadence:
    """A bidirectional model's. Raises InputError when some are asked for."""
    if wish.options.get("sample_every", "0") != "0":
        raise InputError("--sample-every: a bidirectional model can't sample, it fills blanks; leave it out")
    return Cadence()


def _stored(events: Iterator[Event], metrics: MetricsLog) -> Iterator[Event]:
    """Append each event that has a line to metrics.jsonl; a state taken up again takes the metrics with it."""
    for event in events:
        if isinstance(event, Resumed):
            metrics.cut_back(event.step, Path(event.path).name)
        if event.kind:
            metrics.append(event.record())
        yield event


def _trained(
    session: Session, store: StateStore, state: StoredState | None, save: Cadence, sample: Cadence
) -> Iterator[Event]:
    trainer = session.new_trainer()
    planner = _planner(session, trainer)
    require_room(session.folder.path, _room_needed(trainer, store.keep))
    if state is None:
        session.folder.clear()
        yield session.started_event()
    else:
        store.forget_after(state)
        restore(trainer, state)
        if _is_over(session, trainer.course, state):
            yield _over_already(session, planner, trainer.course)
            return
        yield from _resumed(session, trainer, planner, state)
    for cadence in (save, sample):
        cadence.restart(trainer.course.step)
    loop = Loop(trainer, planner, store, session, save, sample, "save_every" not in session.wish.options)
    try:
        yield from loop.events()
    except InterruptedRunError as error:
        command = f"charnn train --resume --out {quote(str(session.folder.path))}"
        raise InterruptedRunError(f"interrupted; to go on: {command}", error.signal_number) from None


def _resumed(session: Session, trainer: Trainer, planner: Planner, state: StoredState) -> Iterator[Event]:
    yield Resumed(state.step, str(state.path))
    planner.restart_measuring(state.step)
    plan = trainer.course.plan
    if plan is not None and _grew(session, state):
        plan = planner.extended(plan, state.step)
        trainer.course.plans.append(plan)
        yield Planned(plan.step, plan.steps, plan.chars_per_second)
        yield Noticed(
            f"the budget grew: the learning rate goes on at {trainer.lr:.2g}, where the schedule of "
            f"{plan.steps:,} steps stands at step {plan.step:,}"
        )


def _grew(session: Session, state: StoredState) -> bool:
    return session.config.budget != stored_run(state).config.budget


def _is_over(session: Session, course: Course, state: StoredState) -> bool:
    plan = course.plan
    return (
        plan is not None
        and course.step >= plan.steps
        and course.evaluated >= course.step
        and not _grew(session, state)
    )


def _over_already(session: Session, planner: Planner, course: Course) -> Event:
    """That it is; or its last line, where a kill came between the last save and that."""
    assert course.plan is not None
    if MetricsLog(session.folder.metrics).last("finish"):
        return Noticed("this run is over; give a larger budget to go on with it")
    return Finished(course.step, session.clock.seconds(), course.best, planner.reason(course.plan))


def _planner(session: Session, trainer: Trainer) -> Planner:
    lanes = trainer.lanes
    return Planner(
        session.config.budget,
        windows_per_epoch=lanes.windows_per_epoch,
        chars_per_step=session.config.optim.batch_size * lanes.lane_length / lanes.windows_per_epoch,
        val_chars=len(session.corpus.val) if session.corpus.val is not None else 0,
        clock=session.clock,
        deadline=session.deadline,
        save_seconds=3 * _weight_bytes(trainer) / SAVE_RATE,
    )


def _room_needed(trainer: Trainer, keep: int) -> int:
    """Bytes on the disk: weights and two moments in each state, one more while it is written, and the model twice."""
    weights = _weight_bytes(trainer)
    return 3 * weights * (keep + 1) + 2 * weights + 4_000_000


def _weight_bytes(trainer: Trainer) -> int:
    return sum(p.numel() * p.element_size() for p in trainer.network.parameters())
