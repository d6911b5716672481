"""The options of `charnn train`: names, panels, help. What they mean when left out is the recipe's business."""

from typing import Annotated, get_args

import typer

from charnn import config
from charnn.cli.options import option
from charnn.config import CELLS, DEFAULT_MINUTES, MAX_VALIDATION, NONLINEARITIES

RUN = "The run"
TEXT = "Text"
NETWORK = "The network"
OPTIMISATION = "Optimisation"
MACHINE = "Where and how"
SHOWN = "What is shown"

CHOSEN = "chosen for the text and the budget"

Corpus = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CORPUS]...",
        help="Files, folders, globs, URLs, compressed files (.gz .bz2 .xz .zst .zip), - for stdin; several are "
        "one corpus.",
        show_default="the bundled play; with --resume the run's own",
    ),
]

Minutes = Annotated[
    float | None,
    option(
        "--minutes",
        RUN,
        "F",
        "Budget in minutes, from the start of the process. The first budget reached ends the run.",
        default=f"{DEFAULT_MINUTES:g} when no budget is given",
    ),
]
Steps = Annotated[int | None, option("--steps", RUN, "N", "Budget in optimiser steps.", default=False)]
Epochs = Annotated[
    float | None, option("--epochs", RUN, "F", "Budget in passes over the text.", default=False)
]
Out = Annotated[
    str | None,
    option(
        "-o --out", RUN, "DIR", "The run's folder.", default="the first free of checkpoints/NAME, NAME-2, …"
    ),
]
Resume = Annotated[
    bool, option("--resume", RUN, None, "Go on with a run (--out, or the newest) exactly where it stood.")
]
Overwrite = Annotated[bool, option("--overwrite", RUN, None, "Remove the run that --out holds, then start.")]
InitFrom = Annotated[
    str | None,
    option(
        "--init-from",
        RUN,
        "MODEL",
        "Start from this model's weights; characters are matched by character, new ones are added.",
    ),
]
SaveEvery = Annotated[
    str | None,
    option(
        "--save-every",
        RUN,
        "10m|30s|500",
        "Time or steps between the states that --resume needs.",
        default="1m, rarer where saving would take over 2 %",
    ),
]
Keep = Annotated[int | None, option("--keep", RUN, "N", "How many states are kept.", default="2")]
DryRun = Annotated[bool, option("--dry-run", RUN, None, "Print the plan and stop; nothing is written.")]

Separator = Annotated[
    str | None, option("--separator", TEXT, "TEXT", "What stands between files.", default="nothing")
]
Errors = Annotated[
    str | None,
    option(
        "--errors",
        TEXT,
        None,
        "Bytes that aren't UTF-8: an error with the offset, or U+FFFD in their place.",
        default="strict",
        choices=get_args(config.Errors),
    ),
]
MaxVocab = Annotated[
    int | None,
    option(
        "--max-vocab",
        TEXT,
        "N",
        "Keep the N−1 most frequent characters; the rest become one unknown character.",
        default="no limit",
    ),
]
ValFraction = Annotated[
    float | None,
    option(
        "--val-fraction",
        TEXT,
        "F",
        "The end of the corpus that is kept for validation; 0 for none.",
        default=f"0.1, at most {MAX_VALIDATION:,} characters",
    ),
]
Val = Annotated[str | None, option("--val", TEXT, "FILE", "Validate on this file instead.")]

Cell = Annotated[
    str | None, option("--cell", NETWORK, None, "The recurrent cell.", default="lstm", choices=CELLS)
]
Nonlinearity = Annotated[
    str | None,
    option("--nonlinearity", NETWORK, None, "The one of --cell rnn.", default="tanh", choices=NONLINEARITIES),
]
Layers = Annotated[int | None, option("--layers", NETWORK, "N", "Recurrent layers.", default=CHOSEN)]
Hidden = Annotated[int | None, option("--hidden", NETWORK, "N", "Width of the hidden state.", default=CHOSEN)]
Embedding = Annotated[
    int | None,
    option("--embedding", NETWORK, "N", "Width of the input embedding; 0 is one-hot.", default=CHOSEN),
]
Ngrams = Annotated[
    int | None,
    option(
        "--ngrams",
        NETWORK,
        "N",
        "Add the embeddings of the 2-gram … N-gram that end at a character to its own; 0 for none.",
        default=f"{CHOSEN}; none with --cell or --embedding",
    ),
]
NgramRows = Annotated[
    int | None,
    option("--ngram-rows", NETWORK, "N", "Rows of each n-gram table, a power of two.", default=CHOSEN),
]
NgramDropout = Annotated[
    float | None,
    option("--ngram-dropout", NETWORK, "F", "How often an n-gram is left out in training.", default=CHOSEN),
]
Dropout = Annotated[
    float | None,
    option("--dropout", NETWORK, "F", "Dropout between layers and before the output.", default=CHOSEN),
]

Bidirectional = Annotated[
    bool,
    option(
        "--bidirectional",
        NETWORK,
        None,
        "Two stacks that read from either end and meet in the output layer: for charnn fill, not sample and score.",
    ),
]

BatchSize = Annotated[
    int | None,
    option("--batch-size", OPTIMISATION, "N", "BatchStream of text read side by side.", default=CHOSEN),
]
SeqLength = Annotated[
    int | None,
    option("--seq-length", OPTIMISATION, "N", "The truncation of BPTT, in characters.", default=CHOSEN),
]
Lr = Annotated[float | None, option("--lr", OPTIMISATION, "F", "Peak learning rate.", default=CHOSEN)]
Clip = Annotated[
    float | None,
    option("--clip", OPTIMISATION, "F", "Largest norm of the gradient; 0 is off.", default=CHOSEN),
]
WeightDecay = Annotated[
    float | None,
    option("--weight-decay", OPTIMISATION, "F", "AdamW's decay of the matrices.", default=CHOSEN),
]

Device = Annotated[
    str | None, option("--device", MACHINE, "auto|cpu|cuda|cuda:N|mps", "Where to train.", default="auto")
]
Precision = Annotated[
    str | None,
    option(
        "--precision",
        MACHINE,
        None,
        "bf16 needs a GPU that computes in it.",
        default="auto",
        choices=get_args(config.Precision),
    ),
]
Threads = Annotated[int | None, option("--threads", MACHINE, "N", "CPU threads.", default="torch's choice")]
Seed = Annotated[int | None, option("--seed", MACHINE, "N", "Seed of the run.", default="0")]

SampleEvery = Annotated[
    str | None,
    option(
        "--sample-every",
        SHOWN,
        "1m|500",
        "Time or steps between live samples on stderr; 0 for none.",
        default="1m",
    ),
]
Quiet = Annotated[bool, option("-q --quiet", SHOWN, None, "Say only errors.")]
