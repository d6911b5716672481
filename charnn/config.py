"""Every setting and every default, once. Frozen values, and as JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypedDict

Kind = Literal["language_model", "bidirectional"]
Cell = Literal["lstm", "gru", "rnn"]
Nonlinearity = Literal["tanh", "relu"]
Errors = Literal["strict", "replace"]
Precision = Literal["auto", "fp32", "bf16"]

KINDS = ("language_model", "bidirectional")
CELLS = ("lstm", "gru", "rnn")
NONLINEARITIES = ("tanh", "relu")
GATES = {"lstm": 4, "gru": 3, "rnn": 1}

DEFAULT_MINUTES = 10.0
MAX_VALIDATION = 1_000_000  # characters; only the default fraction is capped
VALIDATION_STREAMS = 8
GRADIENT_LAGS = 200  # steps back, of `inspect gradients`
GRADIENT_WINDOWS = 64  # averaged over
MEMORY_LONGEST = 1024  # characters of history, of `inspect memory`
MEMORY_PLACES = 500  # averaged over


@dataclass(frozen=True)
class ModelConfig:
    """The model. `kind` says what it learns and can do (`model/kinds.py`).

    `embedding` 0 means one-hot input; `nonlinearity` is the vanilla RNN's.
    With `ngrams` n ≥ 2 the embeddings of the 2-gram … n-gram that end at a character are added to its own, each order
    from a hashed table of `ngram_rows` rows (a power of two); in training each is left out with `ngram_dropout`.
    A bidirectional network is two such networks, one for each direction, and an output layer over both.
    """

    vocab_size: int
    cell: Cell = "lstm"
    nonlinearity: Nonlinearity = "tanh"
    layers: int = 1
    hidden: int = 256
    embedding: int = 0
    ngrams: int = 0
    ngram_rows: int = 0
    ngram_dropout: float = 0.0
    dropout: float = 0.0
    kind: Kind = "language_model"

    @property
    def input_size(self) -> int:
        """Width of the first layer's input."""
        return self.embedding or self.vocab_size


@dataclass(frozen=True)
class DataConfig:
    """Which text, how it is read and how it is split. `val_fraction` None: a tenth, at most MAX_VALIDATION."""

    sources: tuple[str, ...] = ()
    separator: str = ""
    errors: Errors = "strict"
    max_vocab: int | None = None
    val_fraction: float | None = None
    val: str | None = None


@dataclass(frozen=True)
class OptimConfig:
    """Truncated BPTT and AdamW. `seq_length` is the truncation, in characters; `warmup` in steps."""

    batch_size: int = 16
    seq_length: int = 64
    lr: float = 8e-3
    clip: float = 1.0
    weight_decay: float = 0.05
    warmup: int = 40
    final_lr: float = 0.01  # of the peak
    beta1: float = 0.9
    beta2: float = 0.99


@dataclass(frozen=True)
class Budget:
    """The whole run's budget; the first bound reached ends it."""

    minutes: float | None = None
    steps: int | None = None
    epochs: float | None = None

    @property
    def is_timed(self) -> bool:
        return self.minutes is not None


@dataclass(frozen=True)
class TrainConfig:
    """Everything that shapes a run's numbers."""

    model: ModelConfig
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    device: str = "auto"
    precision: Precision = "auto"
    threads: int | None = None
    init_from: str | None = None


class TrainOptions(TypedDict, total=False):
    """What a user may say about a run; whatever is left out is chosen by the recipe."""

    separator: str
    errors: Errors
    max_vocab: int
    out: str
    minutes: float
    steps: int
    epochs: float
    resume: bool
    overwrite: bool
    init_from: str
    cell: Cell
    nonlinearity: Nonlinearity
    layers: int
    hidden: int
    embedding: int
    ngrams: int
    ngram_rows: int
    ngram_dropout: float
    dropout: float
    bidirectional: bool
    batch_size: int
    seq_length: int
    lr: float
    clip: float
    weight_decay: float
    val_fraction: float
    val: str
    device: str
    precision: Precision
    threads: int
    seed: int
    save_every: str
    keep: int
    sample_every: str


@dataclass(frozen=True)
class SampleConfig:
    """How characters are drawn. `length` −1 never ends; `top_k` 0, `top_p` 1 and `min_p` 0 are off."""

    length: int = 1000
    lines: int | None = None
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class FillConfig:
    """How gaps are filled. Lengths in characters; `temperature` 0 lists the likeliest fills, above it they are drawn.

    `beam` is how many candidates are kept at each character; `lookahead` how much of the text after a gap weighs them.
    """

    count: int = 5
    max_length: int = 12
    temperature: float = 0.0
    beam: int = 400
    lookahead: int = 32


def to_json(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON values."""
    return asdict(config)
