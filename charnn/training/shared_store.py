"""The checkpoints of several processes that train one network: the leader has them, and sends on what they hold."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.checkpoints import Checkpoint, CheckpointStore
from charnn.training.distributed import Alone


class SharedStore(CheckpointStore):
    """All processes call `save`, `newest` and `shared` together; what else a store does is the leader's alone."""

    def __init__(self, folder: Path, keep: int, group: Alone) -> None:
        super().__init__(folder, keep)
        self._group = group

    def save(self, tensors: Mapping[str, Tensor], values: CheckpointValues) -> Path:
        path = super().save(tensors, values) if self._group.leads else None
        return Path(self._group.told(str(path)))

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        checkpoint, complaints = super().newest() if self._group.leads else (None, [])
        return self.shared(checkpoint), complaints

    def shared(self, checkpoint: Checkpoint | None) -> Checkpoint | None:
        """The leader's, in all processes."""
        path = self._group.told(checkpoint and str(checkpoint.path))
        if path is None:
            return None
        content = checkpoint.values.to_bytes() if checkpoint else b""
        values = CheckpointValues.parse(self._group.told_bytes(content))
        tensors = self._group.tensors(checkpoint.tensors if checkpoint else None)
        return checkpoint or Checkpoint(Path(path), dict(tensors), values)
