"""A run's folder: its name, its files, its metrics.

checkpoints/NAME/model.safetensors   the best model so far
checkpoints/NAME/metrics.jsonl       one JSON object a line, appended
checkpoints/NAME/resume/             the last few complete states
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from charnn.config import TrainConfig
from charnn.errors import InputError
from charnn.files import explained, remove_leftovers, write_atomically
from charnn.storage.checkpoint_values import decode_config
from charnn.storage.model_file import MODEL_FILE
from charnn.storage.strict_json import parse_json

CHECKPOINTS = Path("checkpoints")
METRICS, RESUME = "metrics.jsonl", "resume"
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
        return any(p.exists() for p in (self.model, self.metrics, self.resume))

    def clear(self) -> None:
        """Remove the run in this folder, its states first."""
        with explained(self.path, "clear"):
            if self.resume.is_dir():
                shutil.rmtree(self.resume)
            self.metrics.unlink(missing_ok=True)
            self.model.unlink(missing_ok=True)
        self.remove_leftovers()

    def remove_leftovers(self) -> None:
        """Remove what a killed process left half written, the states' folder aside."""
        remove_leftovers(self.path, _WRITTEN)


def free_folder(name: str, root: Path = CHECKPOINTS) -> RunFolder:
    """The first of `root`/NAME, NAME-2, NAME-3, … that holds no run."""
    for number in count(1):
        folder = RunFolder(root / (name if number == 1 else f"{name}-{number}"))
        if not folder.holds_a_run:
            return folder
    raise AssertionError("unreachable")


def newest_folder(root: Path = CHECKPOINTS) -> RunFolder:
    """The run under `root` whose metrics were written last. Raises InputError when there is none."""
    runs = [RunFolder(p.parent) for p in root.glob(f"*/{METRICS}") if p.is_file()]
    if not runs:
        raise InputError(f"no run to resume under {root}/; name one with --out")
    return max(runs, key=lambda run: run.metrics.stat().st_mtime_ns)


def started_config(folder: RunFolder) -> TrainConfig:
    """The configuration that a run began with, from its metrics. Raises ValueError where none stands there."""
    start = MetricsLog(folder.metrics).first("start")
    if start is None:
        raise ValueError(f"no start is in {METRICS}")
    return decode_config(start.get("config"))


class MetricsLog:
    """metrics.jsonl, appended to line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, allow_nan=False) + "\n"
        with explained(self.path), self.path.open("ab") as file:
            file.write(line.encode())
            if record["event"] in ("save", "finish"):
                file.flush()
                os.fsync(file.fileno())

    def all(self, event: str) -> list[dict[str, Any]]:
        """The records of a kind, in order; none where there is no file."""
        return [record for _, record in self._lines() if record.get("event") == event]

    def first(self, event: str) -> dict[str, Any] | None:
        """The first record of a kind, or None."""
        return next(iter(self.all(event)), None)

    def last(self, event: str) -> dict[str, Any] | None:
        """The last record of a kind, or None."""
        return next(reversed(self.all(event)), None)

    def cut_back(self, step: int, state: str) -> None:
        """Keep what was so when the state named `state`, of `step`, was saved.

        That is everything up to its own `save` line, or, where a kill came before that line, everything up to `step`.
        """
        lines = self._lines()
        end = next((i + 1 for i, (_, record) in enumerate(lines) if _is_save_of(record, state)), None)
        kept = lines[:end] if end else [x for x in lines if _is_within(x[1], step)]
        write_atomically(self.path, [line for line, _ in kept])

    def _lines(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Every whole line and its record; what a kill or a fault left half-written is passed over."""
        if not self.path.is_file():
            return []
        with explained(self.path, "read"):
            lines = self.path.read_bytes().splitlines(keepends=True)
        records = [(line, _record(line)) for line in lines if line.endswith(b"\n")]
        return [(line, record) for line, record in records if record is not None]


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        value = parse_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and type(value.get("step", 0)) is int else None


def _is_save_of(record: Mapping[str, Any], state: str) -> bool:
    return record.get("event") == "save" and Path(str(record.get("path"))).name == state


def _is_within(record: Mapping[str, Any], step: int) -> bool:
    return record.get("event") != "finish" and record.get("step", 0) <= step
