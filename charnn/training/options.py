"""What a user said about a run, checked before anything is read; what can hardly have been meant is said."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from charnn.config import TRAIN_SETTINGS, TrainOptions
from charnn.data.sources import list_sources
from charnn.errors import CharnnError, InputError
from charnn.settings import checked


def checked_options(options: TrainOptions) -> dict[str, Any]:
    """The options, parsed. Raises InputError naming the first whose value makes no sense."""
    parsed = checked(TRAIN_SETTINGS, options, "train")
    if "nonlinearity" in parsed and parsed.get("cell") != "rnn":
        raise InputError("--nonlinearity is for the vanilla network; add --cell rnn")
    if parsed.get("resume") and parsed.get("overwrite"):
        raise InputError("--resume keeps a run and --overwrite removes it; give one of them")
    return parsed


def option_notices(sources: Sequence[str], options: TrainOptions) -> Iterator[str]:
    """A line for each."""
    if options.get("overwrite") and "out" not in options:
        yield "--overwrite removes nothing without --out: a run that names no folder gets a new one"
    if "val" in options:
        if "val_fraction" in options:
            yield "--val-fraction has no effect beside --val: all of the corpus is trained on"
        if _is_among(sources, options["val"]):
            yield f"--val {options['val']} is trained on too: its loss says nothing of new text"
    if "patience" in options and options.get("val_fraction") == 0 and "val" not in options:
        yield "--patience has no effect with --val-fraction 0: without validation no loss is the better one"
    if found := re.search(r"\\[ntr0]", options.get("separator", "")):
        yield (
            f"--separator {options['separator']!r} holds a backslash and a letter as they stand; "
            f"in bash $'{found[0]}' is an escape"
        )


def _is_among(sources: Sequence[str], file: str) -> bool:
    """Whether a local file is one of the corpus; what can't be read is refused elsewhere."""
    with suppress(CharnnError, OSError):
        return any(
            Path(source.name).samefile(file) for source in list_sources(sources) if source.kind == "file"
        )
    return False
