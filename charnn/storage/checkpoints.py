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

from charnn.config import TrainConfig
from charnn.errors import CharnnError, InputError, ModelFileError
from charnn.files import (
    explained,
    read_own_file,
    require_own_folder,
    sync_folder,
    temporary_beside,
    write_synced,
)
from charnn.model.kinds import kind_of, parameter_count, weight_shapes
from charnn.storage.checkpoint_folders import (
    MANIFEST,
    TENSORS,
    VALUES,
    checkpoint_paths,
    order,
    remove_checkpoint,
    remove_damaged,
    remove_half_saved,
    set_aside,
)
from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.strict_json import parse_json
from charnn.storage.tensor_file import StoredTensor, safetensors_chunks

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
MAX_MANIFEST = 1 << 16  # bytes
MAX_VALUES = 1 << 26  # all of Unicode as vocabulary takes a fifth
MAX_REST = 1 << 24  # generators, counts and the header of the tensors
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
        hashes = _manifest(path)
        content = _part(path, VALUES, MAX_VALUES, hashes)
        try:
            values = CheckpointValues.parse(content)
            if values.step != order(path)[0]:
                raise ValueError(f"train_state.step is {values.step}: it must be the folder's number")
            tensors = parse_tensors(_part(path, TENSORS, _most_bytes(values.config), hashes))
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
            VALUES: [_readable(values)],
        }
        require_own_folder(self.folder)
        path = self._free_path(values.step)
        temporary = temporary_beside(path)
        with explained(path):
            self.folder.mkdir(exist_ok=True)  # the run's own folder is there, or was moved away
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
        """The newest whole checkpoint, by step, and a complaint for each newer one that is damaged.

        Raises CharnnError where one can't be read for another reason: it may be whole.
        """
        complaints: list[str] = []
        for path in reversed(checkpoint_paths(self.folder)):
            try:
                return Checkpoint.load(path), complaints
            except DamagedCheckpointError as error:
                complaints.append(str(error))
        return None, complaints

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """As `latest`; but raises ModelFileError where there are checkpoints and none is whole."""
        checkpoint, complaints = self.latest()
        if checkpoint is None and complaints:
            raise ModelFileError(
                f"no checkpoint in {self.folder} can be resumed; the model stays as it is, and --overwrite begins "
                f"a new run in its place ({complaints[0]})"
            )
        return checkpoint, complaints

    def set_aside_newer(self, checkpoint: Checkpoint) -> list[Path]:
        """Rename those newer than the one gone on from, which are damaged. They are kept until the run ends."""
        remove_half_saved(self.folder)
        newer = [p for p in checkpoint_paths(self.folder) if order(p) > order(checkpoint.path)]
        return [set_aside(path) for path in newer]

    def remove_others(self, path: Path) -> None:
        """Remove all but this checkpoint: those of a run whose place it takes."""
        for other in checkpoint_paths(self.folder):
            if other.name != path.name:
                remove_checkpoint(other)
        remove_damaged(self.folder)

    def finished(self) -> None:
        """Remove what was kept in case the run wouldn't end well."""
        remove_damaged(self.folder)

    def _free_path(self, step: int) -> Path:
        """A name no checkpoint has: the same step may be saved again (before and after its evaluation, say)."""
        revisions = [order(p)[1] for p in checkpoint_paths(self.folder) if order(p)[0] == step]
        return self.folder / f"{step:010d}-{max(revisions, default=-1) + 1}"

    def _rotate(self, newest: Path) -> None:
        """Keep `newest` and the whole ones before it; all that is older goes, half removed ones too."""
        remove_half_saved(self.folder)
        until = [p for p in checkpoint_paths(self.folder) if order(p) <= order(newest)]
        oldest_kept = [p for p in until if (p / MANIFEST).is_file()][-self.keep :][0]
        for path in until[: until.index(oldest_kept)]:
            remove_checkpoint(path)


def _readable(values: CheckpointValues) -> bytes:
    """What `Checkpoint.load` will accept. Raises CharnnError where it would not."""
    try:
        content = values.to_bytes()
    except ValueError as error:
        raise CharnnError(f"the checkpoint of step {values.step} could not be read again: {error}") from None
    if len(content) > MAX_VALUES:
        raise CharnnError(f"{VALUES} would have {len(content):,} bytes, more than {MAX_VALUES:,} are read")
    return content


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


def _manifest(path: Path) -> Mapping[str, object]:
    """The hash of each part, which marks a checkpoint as whole."""
    try:
        hashes = parse_json(_part(path, MANIFEST, MAX_MANIFEST))
        if isinstance(hashes, dict):
            return hashes
        raise ValueError("it is no JSON object")
    except ValueError as error:
        raise _damaged(path, f"{MANIFEST}: {error}") from None


def _part(path: Path, name: str, most: int, hashes: Mapping[str, object] | None = None) -> bytes:
    """A file's content. Raises DamagedCheckpointError unless it has its hash and its size.

    An error of the machine's is no damage: it is a CharnnError.
    """
    try:
        with explained(path / name, "read"):
            content = read_own_file(path / name, most)
    except InputError as error:
        raise _damaged(path, str(error)) from None
    except CharnnError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise _damaged(path, f"{name} is missing") from None
        raise
    if hashes is not None and hashes.get(name) != sha256(content).hexdigest():
        raise _damaged(path, f"{name} differs from {MANIFEST}")
    return content


def _damaged(path: Path, reason: str) -> DamagedCheckpointError:
    return DamagedCheckpointError(f"the checkpoint {path} is not whole: {reason}")


def _most_bytes(config: TrainConfig) -> int:
    """What the tensors of such a run can take: weights, two moments, the states of all streams, and the rest."""
    model = config.model
    states = 2 * model.layers * config.optim.batch_size * model.hidden * kind_of(model).directions
    return 16 * parameter_count(model) + 8 * states + MAX_REST


def _check_weights(tensors: Mapping[str, Tensor], values: CheckpointValues) -> None:
    """Exactly the network's: what a trainer then allocates is no larger than what was read."""
    expected = {NETWORK + name: shape for name, shape in weight_shapes(values.config.model).items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items() if name.startswith(NETWORK)}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ValueError(f"{name!a} has the shape {found.get(name)}: it must be {expected.get(name)}")
