"""A run's events as TensorBoard shows them: losses, rates and samples, over the step."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from charnn.errors import InputError
from charnn.files import explained
from charnn.training.events import Evaluated, Event, Notice, Resumed, Sampled, Started, Stepped

Scalars = dict[str, float]


def check_tensorboard() -> None:
    """Raise InputError, with the remedy, unless TensorBoard is there and can be imported."""
    try:
        import_module("tensorboard.compat.proto.event_pb2")
        import_module("tensorboard.summary.writer.record_writer")
    except (ImportError, TypeError) as error:  # TypeError: protobuf's, of another version
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"--tensorboard needs TensorBoard ({reason}): pip install 'charnn[tensorboard]'"
        ) from error


def logged(events: Iterator[Event], folder: str | None) -> Iterator[Event]:
    """The events, written to an event file in `folder` as they pass. Where that fails, the run goes on without."""
    if folder is None:
        yield from events
        return
    with closing(TensorboardLog(Path(folder))) as log:
        for event in events:
            try:
                log.add(event)
            except OSError as error:
                yield Notice(
                    f"cannot write {log.path}: {error.strerror}; TensorBoard gets no more of this run"
                )
                yield event
                break
            yield event
    yield from events


class TensorboardLog:
    """An event file of TensorBoard's in `folder`, which is made.

    torch's SummaryWriter would write it in a thread, whose failure is a traceback and loses what is queued; so its
    messages are written here, each at once. Raises CharnnError where the file can't be made.
    """

    def __init__(self, folder: Path) -> None:
        check_tensorboard()
        from tensorboard.compat.proto.event_pb2 import Event as Message
        from tensorboard.summary.writer.record_writer import RecordWriter
        from torch.utils.tensorboard import summary

        self._new_message: Any = Message
        self._summaries: Any = (summary.scalar, summary.text)
        self.path = folder / f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb")
            self._records = RecordWriter(self._file)
            self._write(file_version="brain.Event:2")

    def close(self) -> None:
        with suppress(OSError):  # of what could not be written
            self._file.close()

    def add(self, event: Event) -> None:
        """Raises OSError."""
        scalar, text = self._summaries
        match event:
            case Started():
                self._write(0, summary=text("configuration", _verbatim(json.dumps(event.config, indent=2))))
            case Resumed(step):
                self._write(step + 1, session_log={"status": "START"})  # what came after it is hidden
            case Sampled(step, sample):
                self._write(step, summary=text("sample", _verbatim(sample)))
            case Stepped() | Evaluated():
                for tag, value in _scalars(event).items():
                    self._write(event.step, summary=scalar(tag, value))

    def _write(self, step: int = 0, **content: Any) -> None:
        message = self._new_message(wall_time=time.time(), step=step, **content)
        self._records.write(message.SerializeToString())
        self._records.flush()


def _scalars(event: Stepped | Evaluated) -> Scalars:
    """What is drawn over the step, by the names of the charts; those before a slash share a heading."""
    if isinstance(event, Evaluated):
        record = event.record()
        return {
            "loss/validation": event.val_nats_per_char,
            "bits_per_char/validation": record["val_bits_per_char"],
        }
    return {
        "loss/train": event.nats_per_char,
        "learning_rate": event.lr,
        "grad_norm": event.grad_norm,
        "epoch": event.epoch,
        "chars_per_second": event.chars_per_second,
    }


def _verbatim(text: str) -> str:
    """Markdown, which TensorBoard reads, for a text as it stands."""
    return "\n".join(f"    {line}" for line in text.splitlines())
