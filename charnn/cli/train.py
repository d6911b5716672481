"""`charnn train`: options in, a run's events on stderr."""

from contextlib import closing
from typing import Annotated, Any, cast

import typer

from charnn.clock import process_started
from charnn.config import DEFAULT_MINUTES, MAX_VALIDATION, TrainOptions

TEXT = "Text"
RUN = "The run"
NETWORK = "The network"
OPTIMISATION = "Optimisation"
MACHINE = "Where and how"
SHOWN = "What is shown"
CHOSEN = "[default: chosen]"


def _option(name: str, panel: str, help_text: str) -> Any:
    return typer.Option(name, rich_help_panel=panel, help=help_text, show_default=False)


def train(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, globs, URLs, compressed files, - for standard input; several are one corpus. "
            "None: the bundled play.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        _option(
            "--minutes",
            RUN,
            "Budget in minutes, from the start of the process. "
            f"[default when no budget is given: {DEFAULT_MINUTES:g}]",
        ),
    ] = None,
    steps: Annotated[int | None, _option("--steps", RUN, "Budget in optimiser steps.")] = None,
    epochs: Annotated[
        float | None, _option("--epochs", RUN, "Budget in passes over the training text.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            rich_help_panel=RUN,
            show_default=False,
            help="The run's folder. [default: the first free of checkpoints/NAME, NAME-2, …]",
        ),
    ] = None,
    resume: Annotated[
        bool, _option("--resume", RUN, "Go on with a run (--out, or the newest) exactly where it stood.")
    ] = False,
    overwrite: Annotated[
        bool, _option("--overwrite", RUN, "Remove the run that --out holds, then start.")
    ] = False,
    init_from: Annotated[
        str | None,
        _option("--init-from", RUN, "Start from this model's weights; characters are matched by character."),
    ] = None,
    save_every: Annotated[
        str | None,
        _option(
            "--save-every",
            RUN,
            "Time (30s, 10m) or steps (500) between states for "
            "--resume. [default: 1m, rarer where saving would take over 2 %]",
        ),
    ] = None,
    keep: Annotated[int | None, _option("--keep", RUN, "How many states are kept. [default: 2]")] = None,
    dry_run: Annotated[
        bool, _option("--dry-run", RUN, "Print the plan and stop; nothing is written.")
    ] = False,
    separator: Annotated[
        str | None, _option("--separator", TEXT, "Text between files. [default: nothing]")
    ] = None,
    errors: Annotated[
        str | None,
        _option(
            "--errors",
            TEXT,
            "Bytes that aren't UTF-8: strict (an error with the offset) or replace. [default: strict]",
        ),
    ] = None,
    max_vocab: Annotated[
        int | None,
        _option(
            "--max-vocab",
            TEXT,
            "Keep the N−1 most frequent characters; the rest become "
            "one unknown character. [default: no limit]",
        ),
    ] = None,
    val_fraction: Annotated[
        float | None,
        _option(
            "--val-fraction",
            TEXT,
            "The end of the corpus kept for validation. "
            f"[default: 0.1, at most {MAX_VALIDATION:,} characters]",
        ),
    ] = None,
    val: Annotated[str | None, _option("--val", TEXT, "Validate on this file instead.")] = None,
    cell: Annotated[str | None, _option("--cell", NETWORK, "lstm, gru or rnn. [default: lstm]")] = None,
    nonlinearity: Annotated[
        str | None, _option("--nonlinearity", NETWORK, "tanh or relu, for --cell rnn. [default: tanh]")
    ] = None,
    layers: Annotated[int | None, _option("--layers", NETWORK, f"Recurrent layers. {CHOSEN}")] = None,
    hidden: Annotated[
        int | None, _option("--hidden", NETWORK, f"Width of the hidden state. {CHOSEN}")
    ] = None,
    embedding: Annotated[
        int | None, _option("--embedding", NETWORK, f"Width of the input embedding; 0 is one-hot. {CHOSEN}")
    ] = None,
    dropout: Annotated[
        float | None, _option("--dropout", NETWORK, f"Dropout between layers and before the output. {CHOSEN}")
    ] = None,
    batch_size: Annotated[
        int | None, _option("--batch-size", OPTIMISATION, f"Lanes read side by side. {CHOSEN}")
    ] = None,
    seq_length: Annotated[
        int | None, _option("--seq-length", OPTIMISATION, f"Truncation of BPTT, in characters. {CHOSEN}")
    ] = None,
    lr: Annotated[float | None, _option("--lr", OPTIMISATION, f"Peak learning rate. {CHOSEN}")] = None,
    clip: Annotated[
        float | None, _option("--clip", OPTIMISATION, f"Largest gradient norm; 0 is off. {CHOSEN}")
    ] = None,
    weight_decay: Annotated[
        float | None, _option("--weight-decay", OPTIMISATION, f"AdamW's decay of the matrices. {CHOSEN}")
    ] = None,
    device: Annotated[
        str | None, _option("--device", MACHINE, "auto, cpu, cuda, cuda:N or mps. [default: auto]")
    ] = None,
    precision: Annotated[
        str | None, _option("--precision", MACHINE, "auto, fp32 or bf16. [default: auto]")
    ] = None,
    threads: Annotated[
        int | None, _option("--threads", MACHINE, "CPU threads. [default: torch's choice]")
    ] = None,
    seed: Annotated[int | None, _option("--seed", MACHINE, "Seed of the run. [default: 0]")] = None,
    sample_every: Annotated[
        str | None,
        _option(
            "--sample-every",
            SHOWN,
            "Time (1m) or steps (500) between live samples; 0 for none. [default: 1m]",
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", rich_help_panel=SHOWN, show_default=False, help="Say only errors."),
    ] = False,
) -> None:
    """Train a character-level recurrent network on a text.

    Whatever isn't given is chosen from the corpus, the budget and the machine's speed.

    Example: charnn train corpus.txt --minutes 10
    """
    started = process_started()
    given = {name: value for name, value in locals().items() if value is not None and value is not False}
    options = cast(
        TrainOptions, {name: given[name] for name in TrainOptions.__annotations__ if name in given}
    )

    from charnn.cli.display import make_display
    from charnn.cli.interrupts import Interrupts
    from charnn.library import train_events

    interrupts = Interrupts()
    display = make_display(quiet)
    with interrupts.caught(), display:
        events = train_events(
            corpus or [],
            options,
            started=started,
            pending_signal=interrupts.pending,
            on_read=display.reading,
            dry_run=dry_run,
        )
        with closing(events):  # type: ignore[type-var]
            for event in events:
                display.show(event)
