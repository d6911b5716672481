"""Every setting, once: its default, bounds, help and place on the command line. Frozen values, and as JSON.

What reads these declarations is in `charnn.settings`; docs/settings.md is the table of them.
"""

from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Any, Literal

from charnn.bundled import BUNDLED_MODELS
from charnn.frozen import frozen
from charnn.settings import AUTOMATIC, Form, Range, Setting, setting, settings_of

Kind = Literal["language_model", "bidirectional", "encoder_decoder"]
Cell = Literal["lstm", "gru", "rnn"]
Nonlinearity = Literal["tanh", "relu"]
SkipConnection = Literal["none", "input"]
Errors = Literal["strict", "replace"]
Newlines = Literal["lf", "keep"]
Unknown = Literal["error", "skip", "replace"]
Precision = Literal["auto", "fp32", "bf16"]
Layout = Literal["text", "pairs", "parallel"]
Attention = Literal["dot", "none"]
Copy = Literal["on", "off"]
TrainOptions = Mapping[str, Any]
"""What a user may say about a run, by the names in TRAIN_SETTINGS; whatever is left out is chosen by the recipe."""

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
DEFAULT_MINUTES = 10.0
MAX_VALIDATION = 1_000_000  # characters; only the default fraction is capped
VALIDATION_STREAMS = 8

# The headings of the help.
RUN = "The run"
TEXT = "Text"
PAIRS = "Pairs of texts"
NETWORK = "The network"
OPTIMISATION = "Optimisation"
PROCESSES = "Several processes"
DEVICE = "Device"
PROMPT = "Prompt and length"
SAMPLING = "Sampling"
GAPS = "Gaps"
SEARCH = "Search"
ANALYSIS = "Analysis"
OUTPUT = "Output"

CHOSEN = "chosen for the text and the budget"
INTERVAL = Form(
    r"\d{1,9}(\.\d{1,9})?[smh]|\d{1,18}", "a time (30s, 10m, 2h) or a number of steps (500), 0 for never"
)
SHARE = Range(0, below=1)
SEED = Range(0)
TEMPERATURE = Range(0)


@frozen()
class Budget:
    """The whole run's budget; the first bound reached ends it, or `patience`, in evaluations."""

    minutes: float | None = setting(
        None,
        "Budget in minutes, from the start of the process. The first budget reached ends the run.",
        RUN,
        within=Range(above=0, most=1_000_000_000),  # millennia
        shown=f"{DEFAULT_MINUTES:g} when no budget is given",
        on_resume="may grow",
    )
    steps: int | None = setting(
        None,
        "Budget in optimiser steps.",
        RUN,
        within=Range(1, below=2**62),
        on_resume="may grow",
    )
    epochs: float | None = setting(
        None,
        "Budget in epochs: passes over the training text.",
        RUN,
        within=Range(above=0, most=1_000_000_000),
        on_resume="may grow",
    )
    patience: int | None = setting(
        None,
        "End early: after N evaluations in a row without a better validation loss.",
        RUN,
        within=Range(1),
        shown="never early",
        on_resume="may grow",
    )

    @property
    def is_bounded(self) -> bool:
        """Whether it ends by itself, however the validation loss falls."""
        return not (self.minutes is None and self.steps is None and self.epochs is None)

    def ends_early(self, not_better: int) -> bool:
        """Whether so many evaluations in a row without a better loss are enough."""
        return self.patience is not None and not_better >= self.patience


@frozen()
class RunConfig:
    """Where a run is kept, and how often it is saved."""

    out: str | None = setting(
        None,
        "The run's folder.",
        RUN,
        flags="-o --out",
        metavar="DIR",
        shown="the first free of checkpoints/NAME, NAME-2, …",
        on_resume="free",
    )
    resume: bool = setting(
        False,
        "Continue a run (--out, or the newest under checkpoints/) exactly from its last checkpoint.",
        RUN,
        on_resume="free",
    )
    overwrite: bool = setting(False, "Remove the run that --out holds, then start.", RUN, on_resume="free")
    save_every: str = setting(
        "1m",
        "Time or number of steps between the checkpoints that --resume needs.",
        RUN,
        metavar="10m|30s|500",
        form=INTERVAL,
        shown="{}, longer where saving would take over 2 %",
        on_resume="free",
    )
    keep: int = setting(2, "How many checkpoints are kept.", RUN, within=Range(1), on_resume="free")


@frozen()
class DistributedConfig:
    """How processes that train one network find and wait for each other."""

    nproc: int = setting(
        1,
        "Train in N processes on this machine, which share every batch.",
        PROCESSES,
        within=Range(1, 4096),
        on_resume="free",
    )
    max_restarts: int = setting(
        0,
        "With --nproc: how often the run goes on by itself after a process died.",
        PROCESSES,
        within=Range(0, 1_000_000),
        on_resume="free",
    )
    exchange_timeout: float = setting(
        120.0,
        "Seconds that processes wait for each other before the run ends with an error.",
        PROCESSES,
        within=Range(1, 1_000_000),
        on_resume="free",
    )


@frozen()
class DisplayConfig:
    """What a run shows while it trains."""

    sample_every: str = setting(
        "1m",
        "Time or number of steps between live samples on stderr; 0 for none.",
        OUTPUT,
        metavar="1m|500",
        form=INTERVAL,
        on_resume="free",
    )
    tensorboard: str | None = setting(
        None,
        "Write losses, rates and live samples for TensorBoard into this folder too.",
        OUTPUT,
        metavar="DIR",
        on_resume="free",
    )


@frozen(kw_only=True)
class ReadConfig:
    """How the bytes of files and of standard input become text."""

    encoding: str = setting(
        "utf-8",
        "The encoding of files and standard input, as Python calls it: cp1252, gb18030, utf-16, …",
        TEXT,
        metavar="NAME",
    )
    errors: Errors = setting(
        "strict", "Bytes invalid in that encoding: an error with the offset, or U+FFFD in their place.", TEXT
    )
    newlines: Newlines = setting("lf", "CR LF and CR: made LF, or kept as they are.", TEXT)


@frozen(kw_only=True)
class ColumnConfig:
    """Which fields of records are the parts of a pair, and which part is read."""

    source_column: str | None = setting(
        None, "The field of .csv .jsonl .parquet records that is read.", PAIRS, metavar="NAME", shown="source"
    )
    target_column: str | None = setting(
        None, "The field that is written.", PAIRS, metavar="NAME", shown="target"
    )
    features_column: str | None = setting(
        None,
        "The field of features, which are read too.",
        PAIRS,
        metavar="NAME",
        shown="features, where there is one",
    )
    reverse: bool = setting(False, "From target to source.", PAIRS)


@frozen(kw_only=True)
class SeparatorConfig:
    """What stands between the symbols of the parts of a pair."""

    source_separator: str = setting(
        "",
        "Text between the symbols of a source.",
        PAIRS,
        metavar="TEXT",
        shown="nothing, each character is one",
    )
    target_separator: str = setting(
        "",
        "Text between the symbols of a target.",
        PAIRS,
        metavar="TEXT",
        shown="nothing, each character is one",
    )
    features_separator: str = setting(";", "Text between features.", PAIRS, metavar="TEXT")


@frozen()
class DataConfig(ReadConfig, ColumnConfig, SeparatorConfig):
    """Which text, how it is read and how it is split. `val_fraction` None: a tenth, at most MAX_VALIDATION.

    `layout`: the sources are a text, or files of pairs, or a file of sources and one of targets, line by line.
    `documents` is a kind, "auto" (decided on reading), or the text between documents.
    """

    sources: tuple[str, ...] = setting((), is_path=True)
    layout: Layout = setting("text")
    documents: str = setting(
        AUTOMATIC,
        "What a document is: one continuous text (none), each line, what empty lines separate (paragraphs), each "
        "file, or what this TEXT separates. auto: records of .csv .tsv .jsonl .parquet, lines of a list, else none.",
        TEXT,
        metavar="auto|none|lines|paragraphs|files|TEXT",
    )
    column: tuple[str, ...] = setting(
        (),
        "The field of .csv .tsv .jsonl .parquet records that holds the text; several are joined by a tab.",
        TEXT,
        metavar="NAME",
        shown="the only textual one",
    )
    unique: bool = setting(False, "Leave out a document that came before.", TEXT)
    separator: str = setting("", "Text between files.", TEXT, metavar="TEXT", shown="nothing")
    max_vocab: int | None = setting(
        None,
        "Keep the N−1 most frequent characters; the rest become one unknown character.",
        TEXT,
        within=Range(2),
        shown="no limit",
    )
    val_fraction: float | None = setting(
        None,
        "Share of the corpus, at its end, that is kept for validation; 0 for none. Of documents: by their content.",
        TEXT,
        within=SHARE,
        shown=f"0.1, at most {MAX_VALIDATION:,} characters",
    )
    val: str | None = setting(None, "Validate on this file instead.", TEXT, metavar="FILE", is_path=True)


@frozen()
class ModelConfig:
    """The model. `kind` says what it learns and can do (`model/kinds.py`).

    `embedding` 0 means one-hot input; `nonlinearity` is the vanilla RNN's.

    With `ngrams` n ≥ 2 the embeddings of the 2-gram … n-gram that end at a character are added to its own, each order
    from a hashed table of `ngram_rows` rows (a power of two); in training each is left out with `ngram_dropout`.
    With `skip_connection` "input" the output layer reads this sum too, beside the last layer's hidden state.
    A bidirectional network is two such networks, one for each direction, and an output layer over both.
    """

    vocab_size: int = field(metadata={"setting": Setting(within=Range(1, 0x110000))})
    cell: Cell = setting("lstm", "The recurrent cell.", NETWORK, is_architecture=True)
    nonlinearity: Nonlinearity = setting(
        "tanh", "The nonlinearity of --cell rnn.", NETWORK, is_architecture=True
    )
    layers: int = setting(1, "Recurrent layers.", NETWORK, within=Range(1, 64), is_architecture=True)
    hidden: int = setting(
        256,
        "Width of the hidden state.",
        NETWORK,
        within=Range(1, 1 << 16),
        shown=CHOSEN,
        is_architecture=True,
    )
    embedding: int = setting(
        0,
        "Width of the input embedding; 0 is one-hot.",
        NETWORK,
        within=Range(0, 1 << 16),
        shown=CHOSEN,
        is_architecture=True,
    )
    ngrams: int = setting(
        0,
        "Add the embeddings of the 2-gram … N-gram that end at a character to its own; 0 for none.",
        NETWORK,
        within=Range(0, 16),
        shown=f"{CHOSEN}; none with --cell or --embedding",
        is_architecture=True,
    )
    ngram_rows: int = setting(
        0,
        "Rows of each n-gram table, a power of two.",
        NETWORK,
        within=Range(0, 1 << 24),
        shown=CHOSEN,
        is_architecture=True,
    )
    ngram_dropout: float = setting(
        0.0,
        "Probability that an n-gram is left out in training.",
        NETWORK,
        within=SHARE,
        shown=CHOSEN,
    )
    skip_connection: SkipConnection = setting(
        "none",
        "What the output layer reads beside the hidden state: nothing, or the first layer's input, embedded.",
        NETWORK,
        shown="input with n-grams; none with --cell or --embedding",
        is_architecture=True,
    )
    dropout: float = setting(
        0.0,
        "Dropout between layers and before the output.",
        NETWORK,
        within=SHARE,
        shown=CHOSEN,
    )
    encoder_hidden: int = setting(
        0,
        "Of pairs: width of the encoder's hidden state in each direction; without attention it is --hidden.",
        NETWORK,
        within=Range(0, 1 << 16),
        shown=CHOSEN,
        is_architecture=True,
    )
    attention: Attention = setting(
        "dot",
        "Of pairs: at each symbol the decoder looks at the whole source, or only its last hidden state is passed on.",
        NETWORK,
        is_architecture=True,
    )
    copy_gate: Copy = setting(
        "off",
        "Of pairs: with attention, a symbol may be copied from the source.",
        NETWORK,
        shown="on where more than half of the targets' symbols are sources' too",
        is_architecture=True,
    )
    source_size: int = setting(0, within=Range(0, 0x110000))
    kind: Kind = setting("language_model")

    @property
    def input_size(self) -> int:
        """Width of the first layer's input."""
        return self.embedding or self.vocab_size

    @property
    def output_size(self) -> int:
        """Width of what the output layer reads: hidden state, and with a skip connection the input beside it."""
        return self.hidden + (self.embedding if self.skip_connection == "input" else 0)


@frozen()
class KindConfig:
    """How a kind of model is asked for; `model/kinds.py` turns it into the model's `kind`.

    Pairs become the sources of DataConfig, `charnn.training.pair_options` does it.
    """

    pairs: tuple[str, ...] = setting(
        (),
        "Train an encoder-decoder on pairs instead of a text: source, tab, target, and perhaps a tab and features.",
        PAIRS,
        metavar="FILE",
        is_path=True,
        on_resume="free",
    )
    source: str | None = setting(
        None,
        "Instead of --pairs: a file of sources, one a line, and",
        PAIRS,
        metavar="FILE",
        is_path=True,
        on_resume="free",
    )
    target: str | None = setting(
        None, "one of their targets.", PAIRS, metavar="FILE", is_path=True, on_resume="free"
    )
    bidirectional: bool = setting(
        False,
        "Two networks that read from either end and meet in the output layer: for charnn fill, not sample and score.",
        NETWORK,
    )


@frozen()
class OptimConfig:
    """Truncated BPTT and AdamW. `seq_length` is the truncation, in characters; `warmup` in steps."""

    batch_size: int = setting(
        16,
        "Streams of text that are trained on together.",
        OPTIMISATION,
        within=Range(1, below=2**20),
        shown="{}; 64 on a GPU",
    )
    seq_length: int = setting(
        64,
        "Truncation of BPTT, in characters.",
        OPTIMISATION,
        within=Range(1, below=2**20),
        shown="{}; 128 on a GPU",
    )
    lr: float = setting(
        8e-3,
        "Peak learning rate.",
        OPTIMISATION,
        within=Range(above=0, below=1_000_000),
        shown=CHOSEN,
    )
    clip: float = setting(1.0, "Largest norm of the gradient; 0 is off.", OPTIMISATION, within=Range(0))
    weight_decay: float = setting(
        0.05,
        "AdamW's weight decay, of matrices only.",
        OPTIMISATION,
        within=Range(0, below=1_000_000),
        shown="{}; 0.01 of pairs",
    )
    label_smoothing: float = setting(
        0.0,
        "Of pairs: share of the probability that is taught for all symbols alike.",
        OPTIMISATION,
        within=SHARE,
        shown=CHOSEN,
    )
    recombination: float = setting(
        0.0,
        "Of pairs: share of a batch that begins as another pair does, where source and target begin alike.",
        OPTIMISATION,
        within=SHARE,
        shown=CHOSEN,
    )
    sync_every: int = setting(
        1,
        "Steps that each process takes by itself between exchanges, for slow networks.",
        PROCESSES,
        within=Range(1, 1_000_000),
    )
    warmup: int = setting(40, within=Range(0))
    final_lr: float = setting(0.01, within=Range(0, 1))  # of the peak
    beta1: float = setting(0.9, within=SHARE)
    beta2: float = setting(0.99, within=SHARE)


@frozen()
class TrainConfig:
    """Everything that shapes a run's numbers."""

    model: ModelConfig
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    budget: Budget = field(default_factory=Budget)
    seed: int = setting(0, "Random seed.", RUN, within=SEED)
    device: str = setting(
        "auto", "Where to train.", DEVICE, metavar="auto|cpu|cuda|cuda:N|mps", on_resume="free"
    )
    precision: Precision = setting(
        "auto", "Number format of the training; bf16 needs a processor that computes in it.", DEVICE
    )
    threads: int | None = setting(
        None,
        "CPU threads.",
        DEVICE,
        within=Range(1, 4096),
        shown="PyTorch's own; with --minutes on a CPU, the faster of that and 1",
        on_resume="free",
    )
    init_from: str | None = setting(
        None,
        "Start from this model's weights; characters are matched by character, new ones are added. The names are those "
        "of models that ship with charnn.",
        RUN,
        metavar="MODEL|english|shakespeare|none",
        shown="english where a measurement says that it is better, else none",
        is_path=True,
        names_of_own=("none", *BUNDLED_MODELS),
    )


TRAIN_CONFIGS = (
    Budget,
    RunConfig,
    DataConfig,
    ModelConfig,
    KindConfig,
    OptimConfig,
    TrainConfig,
    DistributedConfig,
    DisplayConfig,
)
TRAIN_SETTINGS = settings_of(*TRAIN_CONFIGS)


@frozen()
class SampleConfig:
    """How characters are drawn. `length` −1 never ends; `top_k` 0, `top_p` 1 and `min_p` 0 are off."""

    length: int = setting(
        1000,
        "Characters to generate, the prompt not counted; -1 never ends.",
        PROMPT,
        flags="-l --length",
        within=Range(-1),
    )
    lines: int | None = setting(None, "End after N lines.", PROMPT, within=Range(1))
    temperature: float = setting(
        1.0,
        "Below 1 safer, above 1 wilder, 0 always the likeliest.",
        SAMPLING,
        flags="-t --temp --temperature",
        within=TEMPERATURE,
    )
    top_k: int = setting(
        0,
        "Draw only from the N likeliest characters; 0 is off.",
        SAMPLING,
        within=Range(0),
    )
    top_p: float = setting(
        1.0,
        "Then only from the fewest that together have this probability; 1 is off.",
        SAMPLING,
        within=Range(above=0, most=1),
    )
    min_p: float = setting(
        0.0,
        "Then only from those at least F times as likely as the likeliest; 0 is off.",
        SAMPLING,
        within=SHARE,
    )
    repetition_penalty: float = setting(
        1.0,
        "Divide the logits of characters that stand in the text already by F (multiply those below 0); 1 is off.",
        SAMPLING,
        within=Range(0.001, 1000),
    )
    no_repeat: int = setting(
        0,
        "No N characters in a row twice in a text; it ends where nothing else is left. 0 is off.",
        SAMPLING,
        within=Range(0, 1_000_000),
    )
    ban: tuple[str, ...] = setting(
        (), "Never draw the characters of this text; repeat it for more.", SAMPLING, metavar="TEXT"
    )
    stop: tuple[str, ...] = setting(
        (), "End before this text; repeat it for more texts.", PROMPT, metavar="TEXT"
    )


@frozen()
class EncodingConfig:
    """How a model reads a text. Where it learnt an unknown character, "error" means that one."""

    unknown: Unknown = setting(
        "error",
        "What becomes of a character that the model never saw: an error, left out, or another in its place.",
        PROMPT,
    )


@frozen()
class DrawConfig:
    """How many samples are drawn, from which seed, and which are kept."""

    seed: int | None = setting(
        None,
        "The same seed, the same text.",
        SAMPLING,
        within=SEED,
        shown="random, printed on stderr",
    )
    num_samples: int = setting(1, "How many samples.", OUTPUT, flags="-n --num-samples", within=Range(1))
    new: bool = setting(
        False,
        "Only documents that the model wasn't trained on; how many were passed over is said on stderr.",
        OUTPUT,
    )
    best_of: int = setting(1, "Keep the likeliest per character of every N drawn.", OUTPUT, within=Range(1))


@frozen()
class FillConfig:
    """How gaps are filled. Lengths in characters; `temperature` 0 lists the likeliest fills, above it they are drawn.

    `beam` is how many candidates are kept at each character; `lookahead` how much of the text after a gap weighs them.
    """

    max_length: int = setting(
        12,
        "Characters that a {} has at most.",
        GAPS,
        within=Range(1, 64),  # candidates of all lengths are held at once
    )
    temperature: float = setting(
        0.0,
        "Draw the ways to fill at random, no two alike: below 1 safer, above 1 wilder; 0 lists the likeliest.",
        SEARCH,
        flags="-t --temp --temperature",
        within=TEMPERATURE,
    )
    beam: int = setting(400, "Keep the N likeliest candidates at each character.", SEARCH, within=Range(1))
    lookahead: int = setting(
        32,
        "Weigh candidates by N characters of what follows a gap; 0 goes by what precedes it alone.",
        SEARCH,
        within=Range(0),
    )
    count: int = setting(5, "How many ways to fill.", OUTPUT, flags="-n --num-fills", within=Range(1))


@frozen()
class TranslateConfig:
    """How targets are found. `temperature` 0 is a beam search, above it they are drawn."""

    beam: int = setting(
        5, "Keep the N likeliest targets at each symbol; 1 is greedy.", SEARCH, within=Range(1, 1000)
    )
    temperature: float = setting(
        0.0,
        "Draw the targets at random: below 1 safer, above 1 wilder; 0 searches the likeliest.",
        SEARCH,
        flags="-t --temp --temperature",
        within=TEMPERATURE,
    )
    count: int = setting(
        1, "How many targets of each source.", OUTPUT, flags="-n --num-targets", within=Range(1, 1000)
    )


@frozen()
class GradientsConfig:
    """How far back `inspect gradients` looks, and at how many places of a text."""

    lags: int = setting(200, "The furthest lag, in characters.", ANALYSIS, within=Range(1, 1_000_000))
    windows: int = setting(
        64,
        "Places of the text that the norms are averaged over.",
        ANALYSIS,
        within=Range(1, 1_000_000),
    )


@frozen()
class MemoryConfig:
    """How far back `inspect memory` looks, and at how many places of a text."""

    longest: int = setting(
        1024,
        "The longest history: 1, 2, 4, … up to N characters.",
        ANALYSIS,
        within=Range(1, 1_000_000_000),
    )
    places: int = setting(
        500,
        "Places of the text that the loss is averaged over.",
        ANALYSIS,
        within=Range(1, 10_000_000),
    )


@frozen()
class CellsConfig:
    """How much of a text `inspect cells` reads, and how many cells it lists."""

    chars: int = setting(
        60_000,
        "Characters of the text that are read, in pieces from all of it.",
        ANALYSIS,
        within=Range(1, MAX_VALIDATION),
    )
    top: int = setting(1, "Cells listed for each feature.", ANALYSIS, within=Range(1, 1000))


@frozen()
class CurvesConfig:
    """What `curves` shows of runs, and against what."""

    x: Literal["steps", "characters", "seconds"] = setting(
        "steps", "What the curves are drawn against; seconds are those of the run, resumed or not.", ANALYSIS
    )
    what: Literal["loss", "lr", "speed"] | None = setting(
        None,
        "The training and the validation loss, the learning rate, or the speed in characters a second.",
        ANALYSIS,
        shown="loss, in a picture all three",
    )


def to_json(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON values."""
    return asdict(config)
