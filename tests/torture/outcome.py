"""What a run came to, as one hash."""

import json
from hashlib import sha256

from charnn.storage.checkpoints import CheckpointStore
from charnn.storage.model_file import read_model
from charnn.storage.run_folder import RunFolder

_CLOCKS = ("seconds", "chars_per_second")


def outcome_of(run: RunFolder) -> str:
    """The last state, the best model, and every line of the metrics that an interruption must not change."""
    state, _ = CheckpointStore(run.resume, keep=1).latest()
    assert state is not None
    content = sha256()
    for name, tensor in sorted(state.tensors.items()):
        content.update(name.encode() + tensor.numpy().tobytes())
    for name, weight in sorted(read_model(run.model).weights.items()):
        content.update(name.encode() + weight.tobytes())
    for line in run.metrics.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["event"] not in ("start", "save", "resume"):
            content.update(repr([(k, v) for k, v in record.items() if k not in _CLOCKS]).encode())
    return content.hexdigest()
