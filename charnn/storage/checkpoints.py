"""Checkpoints on disk: what `--resume` needs. A manifest with SHA-256 of each part marks one as whole.

    resume/0000001200-0/tensors.safetensors   weights, optimizer, hidden state of every stream, random generators
    resume/0000001200-0/state.json            everything else: see `CheckpointValues`
    resume/0000001200-0/manifest.json         the SHA-256 of both; written last

A checkpoint is written into a temporary folder and renamed into place, so that a kill at any instant leaves the ones
before it as they were.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
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
from charnn.model.kinds import weight_shapes
from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.strict_json import parse_json
from charnn.storage.tensor_file import StoredTensor, safetensors_chunks

TENSORS, VALUES, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
_NAMES = r"\d{10,}-\d+"  # of the checkpoints' folders
_DTYPES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
NETWORK = "network."  # before the names of the network's weights


class DamagedCheckpointError(ModelFileError):
    """A part is missing, cut short or altered: the checkpoint before it may be whole."""


@dataclass(frozen=True)
class Checkpoint:
    """A whole one: `tensors` by name on the CPU, the network's of the shapes that the configuration asks for."""

    path: Path
    tensors: dict[str, Tensor]
    values: CheckpointValues

    @property
    def step(self) -> int:
        return self.values.step

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read and check one. Nothing of it needs another check, but for whether a trainer has such tensors.

        Raises DamagedCheckpointError naming it when it isn't whole; ModelFileError when it is, but says what
        no run of charnn's says: it may come from a stranger.
        """
        contents = _whole_parts(path)
        try:
            values = CheckpointValues.parse(contents[VALUES])
            if values.step != _order(path)[0]:
                raise ValueError(f"train_state.step is {values.step}: it must be the folder's number")
            tensors = parse_tensors(contents[TENSORS])
            _check_weights(tensors, values)
        except (ValueError, SafetensorError) as error:
            raise unusable(path, error) from None
        return cls(path, tensors, values)


def unusable(path: Path, reason: Exception) -> ModelFileError:
    """That a whole checkpoint can't be resumed, and what to do."""
    return ModelFileError(
        f"the checkpoint {path} can't be resumed: {reason}; remove it to go on from the one before"
    )


class CheckpointStore:
    """The checkpoints of one run, in `folder`; at most `keep` whole ones stay."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def save(self, tensors: Mapping[str, Tensor], values: CheckpointValues) -> Path:
        """Store a checkpoint durably, then drop the oldest. Raises CharnnError; the ones before it then stand."""
        parts = {
            TENSORS: safetensors_chunks({name: _stored(tensor) for name, tensor in tensors.items()}),
            VALUES: [values.to_bytes()],
        }
        path = self._free_path(values.step)
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
        """The newest whole checkpoint, by step, and a complaint for each newer one that is damaged."""
        complaints: list[str] = []
        for path in reversed(self.paths()):
            try:
                return Checkpoint.load(path), complaints
            except DamagedCheckpointError as error:
                complaints.append(str(error))
        return None, complaints

    def paths(self) -> list[Path]:
        """Every checkpoint's folder, whole or not, oldest first. Raises CharnnError when they can't be listed."""
        if not self.folder.is_dir():
            return []
        with explained(self.folder, "read"):
            return sorted(filter(_is_checkpoint, self.folder.iterdir()), key=_order)

    def remove_newer(self, checkpoint: Checkpoint | None) -> None:
        """Remove what is newer than the one gone on from: damaged ones, or steps that will be taken again."""
        remove_leftovers(self.folder, _NAMES)
        for path in self.paths():
            if checkpoint is None or _order(path) > _order(checkpoint.path):
                _remove(path)

    def _free_path(self, step: int) -> Path:
        """A name no checkpoint has: the same step may be saved again (before and after its evaluation, say)."""
        revisions = [_order(p)[1] for p in self.paths() if _order(p)[0] == step]
        return self.folder / f"{step:010d}-{max(revisions, default=-1) + 1}"

    def _rotate(self, newest: Path) -> None:
        """Keep `newest` and the whole ones before it; all that is older goes, half removed ones too."""
        remove_leftovers(self.folder, _NAMES)
        until = [p for p in self.paths() if _order(p) <= _order(newest)]
        oldest_kept = [p for p in until if (p / MANIFEST).is_file()][-self.keep :][0]
        for path in until[: until.index(oldest_kept)]:
            _remove(path)


def _is_checkpoint(path: Path) -> bool:
    step, _, revision = path.name.partition("-")
    return step.isdecimal() and revision.isdecimal()


def _order(path: Path) -> tuple[int, int]:
    """(step, revision) of a checkpoint's folder: they are ordered by step, never by time."""
    step, _, revision = path.name.partition("-")
    return int(step), int(revision)


def _stored(tensor: Tensor) -> StoredTensor:
    """The tensor as it lies in memory, copied nowhere but, from a GPU, piece by piece."""
    flat = tensor.detach().reshape(-1)
    return StoredTensor(
        _DTYPES[tensor.dtype],
        tuple(tensor.shape),
        tensor.element_size(),
        lambda start, end: flat[start:end].cpu().view(torch.uint8).numpy(),
    )


def _write_parts(folder: Path, parts: Mapping[str, Iterable[bytes | memoryview]]) -> None:
    manifest = {}
    for name, chunks in parts.items():
        digest = sha256()
        write_synced(folder / name, _hashed(chunks, digest.update))
        manifest[name] = digest.hexdigest()
    write_synced(folder / MANIFEST, [json.dumps(manifest).encode()])
    sync_folder(folder)


def _hashed(
    chunks: Iterable[bytes | memoryview], update: Callable[[bytes | memoryview], None]
) -> Iterator[bytes | memoryview]:
    for chunk in chunks:
        update(chunk)
        yield chunk


def _remove(path: Path) -> None:
    """Take the mark away first, so that a checkpoint half removed is not taken for whole."""
    with explained(path, "remove"):
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)


def _content(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read()


def _whole_parts(path: Path) -> dict[str, bytes]:
    """Both parts, as the manifest says."""
    try:
        manifest = parse_json(_content(path / MANIFEST))
        contents = {name: _content(path / name) for name in (TENSORS, VALUES)}
    except (OSError, ValueError) as error:
        raise DamagedCheckpointError(f"the checkpoint {path} is not whole: {error}") from None
    for name, content in contents.items():
        if not isinstance(manifest, dict) or manifest.get(name) != sha256(content).hexdigest():
            raise DamagedCheckpointError(
                f"the checkpoint {path} is not whole: {name} differs from the manifest"
            )
    return contents


def _check_weights(tensors: Mapping[str, Tensor], values: CheckpointValues) -> None:
    """Exactly the network's: what a trainer then allocates is no larger than what was read."""
    expected = {NETWORK + name: shape for name, shape in weight_shapes(values.config.model).items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items() if name.startswith(NETWORK)}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ValueError(f"{name!a} has the shape {found.get(name)}: it must be {expected.get(name)}")
