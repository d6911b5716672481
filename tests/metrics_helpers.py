"""metrics.jsonl as runs write it, without a run."""

from collections.abc import Iterable
from pathlib import Path

from charnn.storage.run_folder import MetricsLog, RunFolder
from charnn.training.events import Evaluated, Event, Finished, Planned, Started, Stepped


def started(kind: str = "none", parameters: int = 5000) -> Started:
    return Started("1", "a.txt", 1000, 30, parameters, {}, "cpu", 0, 0, kind)


def stepped(step: int, nats: float = 2.0) -> Stepped:
    return Stepped(step, 0.5, 100 * step, step / 2, nats, 0.01, 0.9, 200.0 + step)


def evaluated(step: int, nats: float) -> Evaluated:
    return Evaluated(step, 0.5, 100 * step, step / 2 + 0.25, nats)


def course(steps: int = 10, *, kind: str = "none", better: float = 0.0, ends: bool = True) -> list[Event]:
    """A run of so many steps, each of which is reported, every second evaluated; its losses fall."""
    events: list[Event] = [started(kind), Planned(0, steps, None)]
    for step in range(1, steps + 1):
        events.append(stepped(step, 1 + 3 / step - better))
        if step % 2 == 0:
            events.append(evaluated(step, 1.5 + 3 / step - better))
    return [*events, Finished(steps, steps / 2 + 1, 1.5, "steps")] if ends else events


def written_run(folder: Path, events: Iterable[Event]) -> Path:
    """A run's folder whose metrics these are."""
    folder.mkdir(parents=True, exist_ok=True)
    add_events(folder, events)
    return folder


def add_events(folder: Path, events: Iterable[Event]) -> None:
    log = MetricsLog(RunFolder(folder).metrics)
    for event in events:
        log.append(event.record())
