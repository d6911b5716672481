"""Small checkpoints, real and forged."""

import json
import shutil
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from charnn.config import Budget, ModelConfig, TrainConfig
from charnn.data.vocab import Vocabulary
from charnn.model.kinds import weight_shapes
from charnn.storage.checkpoint_folders import MANIFEST, TENSORS, VALUES
from charnn.storage.checkpoint_values import CheckpointValues
from charnn.storage.checkpoints import NETWORK
from charnn.storage.train_state import Plan, TrainState

CONFIG = TrainConfig(ModelConfig(vocab_size=3, hidden=2), budget=Budget(steps=9))


def values_of(step: int, **changes: Any) -> CheckpointValues:
    """What a run says that stands at `step`."""
    plan = Plan(0, 9, 0.0, eval_every=3, log_every=1)
    values: dict[str, Any] = {
        "config": CONFIG,
        "corpus_sha256": "0" * 64,
        "vocabulary": Vocabulary("abc"),
        "versions": {"charnn": "0"},
        "seconds": 1.5,
        "deadline": None,
        "train_state": TrainState(step=step, plans=[plan], best=0.1 + 0.2),
    }
    return CheckpointValues(**(values | changes))


def tensors_of(step: int) -> dict[str, Tensor]:
    """Tensors that are full of `step`."""
    shapes = weight_shapes(CONFIG.model).items()
    weights = {NETWORK + name: torch.full(shape, float(step)) for name, shape in shapes}
    return weights | {"rng": torch.arange(9, dtype=torch.uint8)}


def newest(resume: Path) -> Path:
    """The last checkpoint's folder."""
    return max(resume.iterdir(), key=lambda path: path.name)


def forge(
    checkpoint: Path, change: Callable[[Any], Any] | None = None, tensors: Mapping[str, Tensor] | None = None
) -> None:
    """Let it say something else, with hashes that are true of that: `change` of the JSON, `tensors` on top."""
    parts = {name: (checkpoint / name).read_bytes() for name in (TENSORS, VALUES)}
    values = json.loads(parts[VALUES])
    parts[VALUES] = json.dumps(values | change(values) if change else values).encode()
    parts[TENSORS] = save(load(parts[TENSORS]) | dict(tensors or {}))
    for name, content in parts.items():
        (checkpoint / name).write_bytes(content)
    manifest = {name: sha256(content).hexdigest() for name, content in parts.items()}
    (checkpoint / MANIFEST).write_text(json.dumps(manifest))


def forged(run: Path, folder: Path, *changes: Any, **tensors: Any) -> Path:
    """A copy of `run` in `folder` whose last checkpoint is forged."""
    shutil.copytree(run, folder / "run")
    forge(newest(folder / "run/resume"), *changes, **tensors)
    return folder / "run"
