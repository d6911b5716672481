"""A run's folder: its name, its files, its metrics.

checkpoints/NAME/model.safetensors   the best model so far
checkpoints/NAME/metrics.jsonl       one JSON object a line, appended
checkpoints/NAME/resume/             the last few complete states
"""

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from charnn.config import TrainConfig
from charnn.errors import InputError
from charnn.files import (
    explained,
    open_own_file,
    remove_leftovers,
    require_own_file,
    require_own_folder,
    write_atomically,
)
from charnn.storage.checkpoint_folders import checkpoint_paths, remove_all
from charnn.storage.model_file import MODEL_FILE, is_model_file
from charnn.storage.strict_json import parse_json

CHECKPOINTS = Path("checkpoints")
METRICS, RESUME = "metrics.jsonl", "resume"
MAX_LINE = 1 << 25  # bytes; that of a start names every file of a corpus
_WRITTEN = "|".join(map(re.escape, (MODEL_FILE, METRICS, "probe")))


@dataclass(frozen=True)
class RunFolder:
    path: Path

    @property
    def model(self) -> Path:
        return self.path / MODEL_FILE

    @property
    def metrics(self) -> Path:
        return self.path / METRICS

    @property
    def resume(self) -> Path:
        return self.path / RESUME

    @property
    def holds_a_run(self) -> bool:
        """Whether one of a run's names is taken there, by whatever it is."""
        return any(os.path.lexists(p) for p in (self.model, self.metrics, self.resume))

    def place(self) -> tuple[int, int] | None:
        """What tells this folder from another that has its name later; None where there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def require_own(self) -> None:
        """Raise InputError unless what has the names of a run's files is a run of charnn's."""
        for file in (self.model, self.metrics):
            require_own_file(file)
        require_own_folder(self.resume)
        if self.holds_a_run and not self._is_marked():
            raise InputError(
                f"{self.path} holds {self._names()} that charnn didn't write; choose another --out"
            )

    def _is_marked(self) -> bool:
        """By any of the three: a kill may have come when only one was there; before that, nothing is in them."""
        return bool(
            checkpoint_paths(self.resume)
            or MetricsLog(self.metrics).first("start")
            or (self.model.exists() and is_model_file(self.model))
            or not (_is_filled(self.model) or _is_filled(self.metrics) or _is_filled(self.resume))
        )

    def _names(self) -> str:
        return ", ".join(p.name for p in (self.model, self.metrics, self.resume) if os.path.lexists(p))

    def clear(self) -> None:
        """Remove the run in this folder, its checkpoints first, and nothing else that lies there."""
        with explained(self.path, "clear"):
            remove_all(self.resume)
            self.remove_results()
        self.remove_leftovers()

    def remove_results(self) -> None:
        """Remove metrics and model. Raises OSError."""
        for file in (self.metrics, self.model):
            require_own_file(file)
            file.unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove what a killed process left half written, the checkpoints' folder aside."""
        remove_leftovers(self.path, _WRITTEN)


def _is_filled(path: Path) -> bool:
    """Whether there is anything in a file or a folder. Raises OSError."""
    if path.is_dir():
        return any(path.iterdir())
    return path.exists() and path.stat().st_size > 0


def default_folders(name: str, root: Path = CHECKPOINTS) -> Iterator[RunFolder]:
    """Those of `root`/NAME, NAME-2, NAME-3, … that hold no run."""
    folders = (RunFolder(root / (name if number == 1 else f"{name}-{number}")) for number in count(1))
    return (folder for folder in folders if not folder.holds_a_run)


def newest_first(root: Path = CHECKPOINTS) -> list[RunFolder]:
    """The runs under `root`, the one whose metrics or model were written last first; what vanishes is passed over."""
    found = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in root.iterdir():
            if (written := _last_written(RunFolder(path))) is not None:
                found.append((written, path))
    return [RunFolder(path) for _, path in sorted(found, reverse=True)]


def _last_written(run: RunFolder) -> int | None:
    """When, in nanoseconds; None where there is no run."""
    times = []
    for file in (run.metrics, run.model):
        with suppress(OSError):
            found = file.lstat()
            times += [found.st_mtime_ns] if stat.S_ISREG(found.st_mode) else []
    return max(times, default=None)


def started_config(folder: RunFolder) -> TrainConfig:
    """The configuration that a run began with, from its metrics. Raises ValueError where none stands there."""
    start = MetricsLog(folder.metrics).first("start")
    if start is None:
        raise ValueError(f"no start is in {METRICS}")
    from charnn.storage.checkpoint_values import decode_config  # nothing else of a run's names needs it

    return decode_config(start.get("config"))


class MetricsLog:
    """metrics.jsonl, appended to line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, allow_nan=False) + "\n"
        content = line.encode()
        if len(content) > MAX_LINE:
            raise InputError(
                f"{self.path} can't hold a line of {len(content):,} bytes: give fewer, larger files"
            )
        with explained(self.path), open_own_file(self.path, "ab") as file:
            file.write(content)
            if record["event"] in ("save", "finish"):
                file.flush()
                os.fsync(file.fileno())

    def all(self, event: str) -> list[dict[str, Any]]:
        """The records of a kind, in order; none where there is no file."""
        return [record for _, record in self._lines() if record.get("event") == event]

    def first(self, event: str) -> dict[str, Any] | None:
        """The first record of a kind, or None."""
        return next((record for _, record in self._lines() if record.get("event") == event), None)

    def last(self, event: str) -> dict[str, Any] | None:
        """The last record of a kind, or None."""
        return next(reversed(self.all(event)), None)

    def cut_back(self, step: int, state: str) -> None:
        """Keep what was so when the state named `state`, of `step`, was saved.

        That is everything up to its own `save` line, or, where a kill came before that line, everything up to `step`.
        """
        end = next((i + 1 for i, (_, record) in enumerate(self._lines()) if _is_save_of(record, state)), None)
        kept = islice(self._lines(), end) if end else (x for x in self._lines() if _is_within(x[1], step))
        write_atomically(self.path, (line for line, _ in kept))

    def _lines(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Every whole line and its record; what a kill or a fault left half-written is passed over.

        Raises InputError for a line that is longer than any of ours, a sparse file say.
        """
        with explained(self.path, "read"):
            try:
                file = open_own_file(self.path)
            except FileNotFoundError:
                return
            with file:
                while line := file.readline(MAX_LINE + 1):
                    if len(line) > MAX_LINE:
                        raise InputError(f"{self.path} has a line of more than {MAX_LINE:,} bytes; remove it")
                    if line.endswith(b"\n") and (record := parse_record(line)) is not None:
                        yield line, record


def parse_record(line: bytes) -> dict[str, Any] | None:
    """A line of metrics.jsonl; None for what isn't a record, whose `step` is a whole number if it has one."""
    try:
        value = parse_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and type(value.get("step", 0)) is int else None


def _is_save_of(record: Mapping[str, Any], state: str) -> bool:
    return record.get("event") == "save" and Path(str(record.get("path"))).name == state


def _is_within(record: Mapping[str, Any], step: int) -> bool:
    return record.get("event") != "finish" and record.get("step", 0) <= step
