"""`charnn train`: options in, a run's events on stderr."""

import sys
from contextlib import closing
from typing import Annotated, Any

import typer

from charnn.cli.options import option, with_settings
from charnn.clock import process_started
from charnn.config import OUTPUT, RUN, TRAIN_CONFIGS, DistributedConfig
from charnn.settings import configured

Corpus = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CORPUS]...",
        help="Files, folders, globs, URLs, compressed files and archives (.gz .bz2 .xz .zst .zip .tar), - for stdin; "
        "several are one corpus.",
        show_default="the bundled play; with --resume the run's own",
    ),
]
DryRun = Annotated[bool, option("--dry-run", RUN, None, "Print the plan and stop; nothing is written.")]
Quiet = Annotated[bool, option("-q --quiet", OUTPUT, None, "Print only errors.")]


@with_settings(*TRAIN_CONFIGS)
def train(corpus: Corpus = None, dry_run: DryRun = False, quiet: Quiet = False, **options: Any) -> None:
    """Train a character-level recurrent network on a text.

    Whatever isn't given is chosen from the corpus, the budget and the machine's speed.
    """
    started = process_started()
    from charnn.training.place import find_place

    place = find_place()
    is_shared = place is not None and place.size > 1
    if options.get("nproc", 1) > 1 and not is_shared:
        from charnn.training.elastic import launch

        launch(sys.argv[1:], configured(DistributedConfig, options), options)
        return

    from charnn.cli.interrupts import current as interrupts
    from charnn.cli.train_view import make_display
    from charnn.library import train_events
    from charnn.training.events import RunSummary

    display = make_display(quiet or (place is not None and place.rank > 0))
    with display:
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
                    interrupts.hold(echoes=is_shared)
                display.show(event)
