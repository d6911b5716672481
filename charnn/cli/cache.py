"""`charnn cache`: the encoded corpora, shown and cleared."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from charnn.data.cache import CacheEntry


LONGEST_NAMES = 300  # characters of a line


def cache(
    clear: Annotated[
        bool,
        typer.Option(
            "--clear",
            help="Remove every encoded corpus. Those that were piped in, or given to the library as texts, are named: "
            "nothing else can read them again.",
        ),
    ] = False,
) -> None:
    """Show or clear the corpora that are kept encoded.

    A corpus is encoded when it is first read; until it changes it needn't be read again.
    """
    from charnn.cli.terminal import note
    from charnn.data.cache import cache_folder, cached_texts, clear_cache

    entries = cached_texts()
    size = f"{sum(entry.size for entry in entries) / 1e6:,.1f} MB"
    if clear:
        clear_cache()
        note(f"cleared {len(entries)} encoded corpora, {size}, from {cache_folder()}")
        for entry in entries:
            if entry.was_piped:
                note(
                    f"{entry.sha256[:12]}, {entry.chars:,} characters, was piped in: "
                    "to go on with a run trained on it, pipe it in again"
                )
            if entry.was_collected:
                note(
                    f"{entry.sha256[:12]}, {entry.chars:,} characters, was given to charnn.train as texts: "
                    "to go on with a run trained on it, give them again"
                )
    elif not entries:
        note(f"the cache in {cache_folder()} is empty")
    else:
        _show(entries)
        note(
            f"{len(entries)} encoded corpora, {size}, in {cache_folder()}; charnn cache --clear removes them"
        )


def _show(entries: Sequence["CacheEntry"]) -> None:
    from charnn.cli.terminal import short_line

    print(f"{'MB':>9}  {'characters':>14}  {'distinct':>8}  {'encoded':<16}  {'SHA-256':<12}  corpus")
    for entry in entries:
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.made))
        numbers = f"{entry.size / 1e6:>9,.1f}  {entry.chars:>14,}  {entry.distinct:>8,}"
        shown = ("standard input" if name == "-" else name for name in entry.names)
        print(f"{numbers}  {made}  {entry.sha256[:12]}  {short_line(' '.join(shown), LONGEST_NAMES)}")
