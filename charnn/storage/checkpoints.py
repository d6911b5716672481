"""Complete training states on disk: what `--resume` needs. A manifest with SHA-256 of each part marks one as whole.

    resume/0000001200-0/tensors.safetensors   weights, optimizer, hidden state of every stream, random generators
    resume/0000001200-0/state.json            everything else
    resume/0000001200-0/manifest.json         the SHA-256 of both; written last

A state is written into a temporary folder and renamed into place, so that a kill at any instant leaves the states
before it as they were.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as format_tensors
from torch import Tensor

from charnn.errors import ModelFileError
from charnn.files import (
    explained,
    open_regular,
    remove_leftovers,
    sync_folder,
    temporary_beside,
    write_synced,
)
from charnn.storage.json_values import parse_json

TENSORS, VALUES, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """A whole state: `tensors` by name on the CPU, `values` as JSON."""

    path: Path
    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]


class CheckpointStore:
    """The states of one run, in `folder`; at most `keep` whole ones stay."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def save(self, step: int, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> Path:
        """Store a whole state durably, then drop the oldest. Raises CharnnError; the states before it then stand."""
        parts = {
            TENSORS: format_tensors({name: _copy(tensor) for name, tensor in tensors.items()}),
            VALUES: json.dumps(values, ensure_ascii=True, allow_nan=False).encode(),
        }
        path = self._free_path(step)
        temporary = temporary_beside(path)
        with explained(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self.folder.parent)
            try:
                temporary.mkdir()
                _write_parts(temporary, parts)
                temporary.rename(path)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            sync_folder(self.folder)
        self._rotate(path)
        return path

    def latest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest whole state, by step, and a complaint for each newer one that isn't whole."""
        complaints: list[str] = []
        for path in reversed(self.paths()):
            try:
                return _read(path), complaints
            except ModelFileError as error:
                complaints.append(str(error))
        return None, complaints

    def paths(self) -> list[Path]:
        """Every state's folder, whole or not, oldest first. Raises CharnnError when they can't be listed."""
        if not self.folder.is_dir():
            return []
        with explained(self.folder, "read"):
            return sorted(filter(_is_state, self.folder.iterdir()), key=_order)

    def forget_after(self, state: Checkpoint | None) -> None:
        """Remove what is newer than `state`: torn states, or ones of a course that wasn't taken."""
        remove_leftovers(self.folder)
        for path in self.paths():
            if state is None or _order(path) > _order(state.path):
                _remove(path)

    def _free_path(self, step: int) -> Path:
        """A name no state has: the same step may be saved again (before and after its evaluation, say)."""
        revisions = [_order(p)[1] for p in self.paths() if _order(p)[0] == step]
        return self.folder / f"{step:010d}-{max(revisions, default=-1) + 1}"

    def _rotate(self, newest: Path) -> None:
        """Keep `newest` and the whole states before it; all that is older goes, half removed ones too."""
        remove_leftovers(self.folder)
        until = [p for p in self.paths() if _order(p) <= _order(newest)]
        oldest_kept = [p for p in until if (p / MANIFEST).is_file()][-self.keep :][0]
        for path in until[: until.index(oldest_kept)]:
            _remove(path)


def _is_state(path: Path) -> bool:
    step, _, revision = path.name.partition("-")
    return step.isdecimal() and revision.isdecimal()


def _order(path: Path) -> tuple[int, int]:
    """(step, revision) of a state's folder: states are ordered by step, never by time."""
    step, _, revision = path.name.partition("-")
    return int(step), int(revision)


def _copy(tensor: Tensor) -> Tensor:
    """On the CPU and on its own: safetensors refuses tensors that share memory, as zero states may."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _write_parts(folder: Path, parts: Mapping[str, bytes]) -> None:
    for name, content in parts.items():
        write_synced(folder / name, [content])
    manifest = {name: sha256(content).hexdigest() for name, content in parts.items()}
    write_synced(folder / MANIFEST, [json.dumps(manifest).encode()])
    sync_folder(folder)


def _remove(path: Path) -> None:
    """Take the mark away first, so that a state half removed is not taken for whole."""
    with explained(path, "remove"):
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)


def _content(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read()


def _read(path: Path) -> Checkpoint:
    """Read and check one state. Raises ModelFileError naming it when a part is missing, cut or altered."""
    try:
        manifest = parse_json(_content(path / MANIFEST))
        contents = {name: _content(path / name) for name in (TENSORS, VALUES)}
    except (OSError, ValueError) as error:
        raise ModelFileError(f"the state {path} is not whole: {error}") from None
    for name, content in contents.items():
        if not isinstance(manifest, dict) or manifest.get(name) != sha256(content).hexdigest():
            raise ModelFileError(f"the state {path} is not whole: {name} differs from the manifest")
    try:
        tensors, values = parse_tensors(contents[TENSORS]), parse_json(contents[VALUES])
    except (SafetensorError, ValueError) as error:
        raise ModelFileError(f"the state {path} can't be read: {error}") from None
    if not isinstance(values, dict):
        raise ModelFileError(f"the state {path} can't be read: {VALUES} is no JSON object")
    return Checkpoint(path, int(path.name.partition("-")[0]), tensors, values)
