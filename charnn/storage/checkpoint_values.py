"""What a checkpoint says besides its tensors, as typed values: read from JSON and checked once, here."""

import json
from dataclasses import asdict, dataclass
from re import fullmatch
from typing import Annotated, Any

from charnn.config import TrainConfig
from charnn.data.symbols import PairVocabulary
from charnn.data.vocab import Vocabulary
from charnn.model.kinds import with_kind
from charnn.settings import require_valid
from charnn.storage.model_file import parse_model_config
from charnn.storage.strict_json import Range, decode, parse_json
from charnn.storage.train_state import TrainState

FIELD_OF_0_1 = {"course": "train_state"}  # its name in checkpoints that charnn 0.1 wrote, and now


@dataclass(frozen=True)
class CheckpointValues:
    """`seconds` and `deadline` are on the run's own clock; `corpus_sha256` of the text, perhaps + that of `--val`'s."""

    config: TrainConfig
    corpus_sha256: str
    vocabulary: Vocabulary
    versions: dict[str, str]
    seconds: Annotated[float, Range(0)]
    deadline: float | None
    train_state: TrainState
    pairs: PairVocabulary | None = None

    @property
    def step(self) -> int:
        return self.train_state.step

    def to_bytes(self) -> bytes:
        """As JSON. Raises ValueError where it could not be read back."""
        content = json.dumps(asdict(self), ensure_ascii=True, allow_nan=False).encode()
        CheckpointValues.parse(content)
        return content

    @classmethod
    def parse(cls, content: bytes) -> "CheckpointValues":
        """Raises ValueError, naming the field and its bound, for what no run of charnn's says."""
        value = parse_json(content)
        if isinstance(value, dict):
            value = {FIELD_OF_0_1.get(name, name): part for name, part in value.items()}
            value = value | {"config": _upgraded(value.get("config"))}
        values = decode(cls, value)
        _check_together(values)
        return values


def _check_together(values: CheckpointValues) -> None:
    """What no field says alone."""
    check_config(values.config)
    size, expected = len(values.vocabulary), values.config.model.vocab_size
    if size != expected:
        raise ValueError(f"vocabulary has {size} characters: config.model.vocab_size is {expected}")
    sources, expected = values.pairs.source_size if values.pairs else 0, values.config.model.source_size
    if sources != expected:
        raise ValueError(f"pairs has {sources} source symbols: config.model.source_size is {expected}")
    if not fullmatch(r"[0-9a-f]{64}(\+[0-9a-f]{64})?", values.corpus_sha256):
        raise ValueError(f"corpus_sha256 is {values.corpus_sha256[:40]!a}: it must be 64 hexadecimal digits")
    minutes, deadline = values.config.budget.minutes, values.deadline
    if (deadline is None) is not (minutes is None):
        raise ValueError(f"deadline is {deadline}: it must be there exactly where config.budget.minutes is")
    for number, plan in enumerate(values.train_state.plans):
        if deadline is not None and not plan.chars_per_second:
            raise ValueError(
                f"train_state.plans.{number}.chars_per_second is {plan.chars_per_second}: "
                "it must be above 0 where the budget has minutes"
            )


def decode_config(value: Any) -> TrainConfig:
    """A configuration that stands by itself, in metrics.jsonl. Raises ValueError that names field and bound."""
    config = decode(TrainConfig, _upgraded(value), "config")
    check_config(config)
    return config


def check_config(config: TrainConfig) -> None:
    """Raise ValueError where no options give such a configuration."""
    parse_model_config(asdict(config.model))
    require_valid(config, "config")
    if not config.budget.is_bounded:
        raise ValueError("config.budget has no bound: minutes, steps or epochs must be there")


def _upgraded(config: Any) -> Any:
    """A configuration that charnn 0.1 wrote: its model's kind was a boolean, its text one continuous text as it is."""
    if isinstance(config, dict) and isinstance(config.get("model"), dict):
        config = config | {"model": with_kind(config["model"])}
    if isinstance(config, dict) and isinstance(config.get("data"), dict):
        config = config | {"data": {"documents": "none", "newlines": "keep", **config["data"]}}
    return config
