"""Which runs this user began on this machine: a mark outside of the run, so that a stranger's folder can't carry it.

STATE/runs/KEY, where STATE is $XDG_STATE_HOME/charnn, by default ~/.local/state/charnn; KEY is of the run's folder and
of an address that its corpus came from. Only such a run's addresses are fetched again without being named.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from charnn.errors import CharnnError
from charnn.files import write_atomically

_PRIVATE = 0o700


def remember_begun(folder: Path, addresses: Sequence[str]) -> None:
    """Note that this user began the run in `folder` with the text at `addresses`; where that fails it isn't known."""
    with suppress(CharnnError, OSError, RuntimeError):  # no home, or one that can't be written
        for address in addresses:
            mark = _mark(folder, address)
            mark.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            write_atomically(mark, [b""], mode=0o600)


def is_begun_here(folder: Path, addresses: Sequence[str]) -> bool:
    """Whether this user began the run in `folder`, with these addresses."""
    try:
        return all(_mark(folder, address).is_file() for address in addresses)
    except (OSError, RuntimeError):
        return False


def _mark(folder: Path, address: str) -> Path:
    key = json.dumps([os.path.realpath(folder), address])
    return _state_folder() / "runs" / hashlib.sha256(key.encode()).hexdigest()


def _state_folder() -> Path:
    """Raises RuntimeError where there is no home."""
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "charnn"
