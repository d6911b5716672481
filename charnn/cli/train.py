"""`charnn train`: options in, a run's events on stderr."""

from contextlib import closing
from typing import cast

from charnn.cli import train_options as given
from charnn.clock import process_started
from charnn.config import TrainOptions


def train(
    corpus: given.Corpus = None,
    minutes: given.Minutes = None,
    steps: given.Steps = None,
    epochs: given.Epochs = None,
    out: given.Out = None,
    resume: given.Resume = False,
    overwrite: given.Overwrite = False,
    init_from: given.InitFrom = None,
    save_every: given.SaveEvery = None,
    keep: given.Keep = None,
    dry_run: given.DryRun = False,
    separator: given.Separator = None,
    errors: given.Errors = None,
    max_vocab: given.MaxVocab = None,
    val_fraction: given.ValFraction = None,
    val: given.Val = None,
    cell: given.Cell = None,
    nonlinearity: given.Nonlinearity = None,
    layers: given.Layers = None,
    hidden: given.Hidden = None,
    embedding: given.Embedding = None,
    ngrams: given.Ngrams = None,
    ngram_rows: given.NgramRows = None,
    ngram_dropout: given.NgramDropout = None,
    dropout: given.Dropout = None,
    bidirectional: given.Bidirectional = False,
    batch_size: given.BatchSize = None,
    seq_length: given.SeqLength = None,
    lr: given.Lr = None,
    clip: given.Clip = None,
    weight_decay: given.WeightDecay = None,
    device: given.Device = None,
    precision: given.Precision = None,
    threads: given.Threads = None,
    seed: given.Seed = None,
    sample_every: given.SampleEvery = None,
    quiet: given.Quiet = False,
) -> None:
    """Train a character-level recurrent network on a text.

    Whatever isn't given is chosen from the corpus, the budget and the machine's speed.

    Example: charnn train corpus.txt --minutes 10
    """
    started = process_started()
    said = {name: value for name, value in locals().items() if value is not None and value is not False}
    options = cast(TrainOptions, {name: said[name] for name in TrainOptions.__annotations__ if name in said})

    from charnn.cli.interrupts import Interrupts
    from charnn.cli.train_view import make_display
    from charnn.library import train_events
    from charnn.training.events import RunSummary

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
        with closing(events):
            for event in events:
                if isinstance(event, RunSummary):
                    interrupts.hold()
                display.show(event)
