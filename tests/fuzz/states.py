"""The resume loader: a run's folder from a stranger is refused in one line, or goes on.

A case is a zip of that folder. The manifest says what the parts' hashes are, mostly truly: an altered part alone is
always noticed. `@CORPUS@` stands for the path of the corpus.
"""

import io
import json
import os
import shutil
import signal
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from charnn.errors import InterruptedRunError
from charnn.library import train_events
from charnn.storage.checkpoint_folders import MANIFEST, TENSORS, VALUES

from .campaign import ACCEPTED, Target
from .mutate import json_bytes, mutated_bytes, mutated_json

TEXT = "the cat sat on the mat and the dog sat on the log\n" * 8
CORPUS = b"@CORPUS@"
RUNS: tuple[dict[str, Any], ...] = (
    {"cell": "lstm", "dropout": 0.1, "layers": 2},
    {"cell": "gru", "embedding": 2, "ngrams": 3, "ngram_rows": 4},
    {"cell": "rnn", "nonlinearity": "relu", "val_fraction": 0.0},
)
TINY = {
    "hidden": 4,
    "batch_size": 3,
    "seq_length": 8,
    "threads": 1,
    "device": "cpu",
    "steps": 6,
    "sample_every": "0",
}
Parts = dict[str, bytes]


@cache
def whole_runs() -> list[Parts]:
    """The files of runs that were interrupted in the middle."""
    with tempfile.TemporaryDirectory() as name:
        return [_whole(Path(name) / str(i), options) for i, options in enumerate(RUNS)]


def _whole(folder: Path, options: dict[str, Any]) -> Parts:
    folder.mkdir()
    corpus = _corpus(folder)
    polls = iter([None] * 3)
    run = folder / "run"
    _go_on([str(corpus)], {"out": str(run), **TINY, **options}, folder, lambda: next(polls, signal.SIGINT))
    (state,) = (run / "resume").iterdir()
    values, lines = (state / VALUES).read_text(), (run / "metrics.jsonl").read_text().splitlines()
    name = str(corpus).encode()
    parts = {
        f"resume/{state.name}/{TENSORS}": (state / TENSORS).read_bytes(),
        f"resume/{state.name}/{VALUES}": json_bytes(_timeless(json.loads(values))),
        "metrics.jsonl": b"".join(json_bytes(_timeless(json.loads(line))) + b"\n" for line in lines),
    }
    return {place: content.replace(name, CORPUS) for place, content in parts.items()}


def _timeless(record: dict[str, Any]) -> dict[str, Any]:
    """Without times and places: a case is the same whenever and wherever it is made."""
    fixed = {"seconds": 1.5, "chars_per_second": 1.5, "path": Path(record.get("path", "")).name}
    return record | {name: value for name, value in fixed.items() if name in record}


def _corpus(folder: Path) -> Path:
    path = folder / "corpus.txt"
    if not path.exists():
        path.write_text(TEXT)
    return path


def _go_on(corpus: list[str], options: dict[str, Any], folder: Path, pending: Any) -> None:
    with (
        patch.dict(os.environ, XDG_CACHE_HOME=str(folder / "cache")),
        fixed_machine(),
        suppress(InterruptedRunError),
    ):
        for _ in train_events(corpus, options, pending_signal=pending):  # type: ignore[arg-type]
            pass


@contextmanager
def fixed_machine() -> Iterator[None]:
    """Without the tenth of a second in which the machine's speed is measured."""
    with (
        patch("charnn.training.summary.machine_gflops", return_value=50.0),
        patch("charnn.training.device.machine_gflops", return_value=50.0),
    ):
        yield


def make(numbers: Random) -> bytes:
    parts = dict(numbers.choice(whole_runs()))
    metrics, values, tensors = sorted(parts)
    kind = numbers.randrange(12)
    if kind == 0:
        part = numbers.choice(sorted(parts))
        parts[part] = mutated_bytes(numbers, parts[part])
    elif kind <= 6:
        parts[values] = json_bytes(mutated_json(numbers, json.loads(parts[values])))
    elif kind == 7:
        parts[values] = mutated_bytes(numbers, parts[values])
    elif kind <= 9:
        parts[tensors] = _other_tensors(numbers, parts[tensors])
    elif kind == 10:
        parts[metrics] = _other_metrics(numbers, parts[metrics])
        if numbers.random() < 0.7:
            del parts[tensors]
    manifest = json_bytes(
        {Path(name).name: sha256(parts[name]).hexdigest() for name in parts if name != metrics}
    )
    if numbers.random() < 0.05:
        manifest = mutated_bytes(numbers, manifest)
    return _zipped(parts | {str(Path(values).with_name(MANIFEST)): manifest})


def _other_tensors(numbers: Random, content: bytes) -> bytes:
    """The header or the numbers changed."""
    (length,) = struct.unpack("<Q", content[:8])
    header, data = content[8 : 8 + length], content[8 + length :]
    if numbers.random() < 0.3:
        return content[: 8 + length] + mutated_bytes(numbers, data)
    value = json.loads(header)
    header = json_bytes(
        _exchanged(numbers, value) if numbers.random() < 0.5 else mutated_json(numbers, value)
    )
    return struct.pack("<Q", len(header)) + header + data


def _exchanged(numbers: Random, header: dict[str, Any]) -> dict[str, Any]:
    """A tensor of the same size in another shape, of another kind of number, or under another's name."""
    one, other = numbers.sample(sorted(header), 2)
    match numbers.randrange(3):
        case 0:
            header[one]["shape"] = header[one]["shape"][::-1]
        case 1:
            header[one]["dtype"] = numbers.choice(("I32", "U32", "F32", "I64", "F64", "U8", "BOOL", "BF16"))
        case _:
            header[one], header[other] = header[other], header[one]
    return header


def _other_metrics(numbers: Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    place = numbers.randrange(len(lines))
    lines[place] = json_bytes(mutated_json(numbers, json.loads(lines[place]))) + b"\n"
    return b"".join(lines) if numbers.random() < 0.8 else mutated_bytes(numbers, content)


def _zipped(parts: Parts) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # ZipInfo: without the time
    return packed.getvalue()


def run(case: bytes, folder: Path) -> str:
    corpus, run_folder = _corpus(folder), folder / "run"
    shutil.rmtree(run_folder, ignore_errors=True)
    for name, content in _placed(case, str(corpus).encode()).items():
        path = run_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    polls = iter([None])
    options = {"out": str(run_folder), "resume": True, "threads": 1, "device": "cpu"}
    _go_on([], options, folder, lambda: next(polls, signal.SIGINT))
    return ACCEPTED


def _placed(case: bytes, corpus: bytes) -> Parts:
    """The files of a case with the corpus's real path; a manifest that was true is true again."""
    with zipfile.ZipFile(io.BytesIO(case)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    placed = {name: content.replace(CORPUS, corpus) for name, content in parts.items()}
    for name, content in parts.items():
        old, new = (sha256(one).hexdigest().encode() for one in (content, placed[name]))
        placed = {
            one: text.replace(old, new) if one.endswith(MANIFEST) else text for one, text in placed.items()
        }
    return placed


TARGET = Target("states", make, run)
