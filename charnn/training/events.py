"""What a training run says about itself. Whoever wants shows or stores these; the trainer knows no screen."""

from dataclasses import asdict, dataclass
from math import log
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """One line of metrics.jsonl, unless `kind` is empty."""

    kind: ClassVar[str] = ""

    def record(self) -> dict[str, Any]:
        """The event as plain JSON values, as the contract names them."""
        return {"event": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Started(Event):
    kind: ClassVar[str] = "start"
    version: str
    corpus: str
    chars: int
    vocab_size: int
    parameters: int
    config: dict[str, Any]
    device: str
    documents: int
    duplicates: int
    documents_kind: str


@dataclass(frozen=True)
class Planned(Event):
    kind: ClassVar[str] = "plan"
    step: int
    steps: int
    chars_per_second: float | None


@dataclass(frozen=True)
class Stepped(Event):
    """`nats_per_char` is the mean since the last such event; `grad_norm` too, before clipping."""

    kind: ClassVar[str] = "train"
    step: int
    epoch: float
    chars: int
    seconds: float
    nats_per_char: float
    lr: float
    grad_norm: float
    chars_per_second: float


@dataclass(frozen=True)
class Evaluated(Event):
    kind: ClassVar[str] = "eval"
    step: int
    epoch: float
    chars: int
    seconds: float
    val_nats_per_char: float

    def record(self) -> dict[str, Any]:
        return {**super().record(), "val_bits_per_char": self.val_nats_per_char / log(2)}


@dataclass(frozen=True)
class Saved(Event):
    kind: ClassVar[str] = "save"
    step: int
    path: str
    took: float

    def record(self) -> dict[str, Any]:
        return {"event": self.kind, "step": self.step, "path": self.path}


@dataclass(frozen=True)
class Resumed(Event):
    """A run goes on from a state; `reason` says why when it isn't the user's request (divergence)."""

    kind: ClassVar[str] = "resume"
    step: int
    path: str
    reason: str = ""


@dataclass(frozen=True)
class Sampled(Event):
    step: int
    text: str


@dataclass(frozen=True)
class Notice(Event):
    """Something the user should know, in one line."""

    text: str


@dataclass(frozen=True)
class Finished(Event):
    kind: ClassVar[str] = "finish"
    step: int
    seconds: float
    best_val_nats_per_char: float | None
    reason: str


@dataclass(frozen=True)
class RunSummary(Event):
    """The plan in words, before the first step: pairs of what and how; `command` puts the model to use."""

    folder: str
    rows: list[tuple[str, str]]
    command: str
