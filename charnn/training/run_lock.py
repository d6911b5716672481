"""Which folder a run gets, and that it gets it alone. Needs no torch, so that a refusal comes at once."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from charnn.bundled import bundled_corpus
from charnn.config import TRAIN_SETTINGS, TrainOptions
from charnn.errors import InputError
from charnn.files import folder_lock, make_writable_folder
from charnn.storage.run_folder import RunFolder, free_folder, newest_folder

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")


def absolute_sources(sources: Sequence[str]) -> tuple[str, ...]:
    """The sources as a run remembers them: paths absolute, `-` and URLs as they are; none means the bundled corpus."""
    return tuple(_absolute(source) for source in sources or (str(bundled_corpus()),))


def absolute_options(options: TrainOptions) -> TrainOptions:
    """The options with the paths a run remembers made absolute: it may be resumed from another folder."""
    return {
        name: _absolute(value) if TRAIN_SETTINGS[name].is_path else value for name, value in options.items()
    }


def _absolute(source: str) -> str:
    return source if source == "-" or "://" in source else os.path.abspath(source)  # noqa: PTH100  a glob is no path


def run_name(sources: Sequence[str]) -> str:
    """The default name of a run: the first corpus's stem, `stdin`, or `bundled`."""
    if not sources:
        return "bundled"
    if sources[0] == "-":
        return "stdin"
    path = PurePosixPath(sources[0].split("?")[0].rstrip("/").replace(os.sep, "/"))
    stem = path.with_suffix("").stem if path.suffix in _COMPRESSED else path.stem
    return re.sub(r"[^\w.-]+", "_", stem).strip("._") or "corpus"


def choose_folder(sources: Sequence[str], options: TrainOptions) -> RunFolder:
    """The run's folder, as the options say. Raises InputError when it is occupied or missing."""
    out = options.get("out")
    if options.get("resume"):
        folder = RunFolder(Path(out)) if out else newest_folder()
        if not (folder.metrics.is_file() or folder.resume.is_dir()):
            raise InputError(f"{folder.path} holds no run to resume; leave --resume out to start one")
        return folder
    if out is None:
        return free_folder(run_name(sources))
    folder = RunFolder(Path(out))
    if folder.path.exists() and not folder.path.is_dir():
        raise InputError(f"{folder.path} is not a folder; choose another --out")
    _refuse_occupied(folder, options)
    return folder


class RunLock:
    """A folder and, once taken, its lock."""

    def __init__(self, folder: RunFolder, options: TrainOptions, stack: ExitStack) -> None:
        self.folder = folder
        self._options = options
        self._stack = stack
        self._is_locked = False

    def take(self) -> None:
        """Make the folder, prove it writable, lock it, clean it up. Raises CharnnError or InputError."""
        if not self._is_locked:
            make_writable_folder(self.folder.path)
            self.lock()
            _refuse_occupied(self.folder, self._options)
        else:
            make_writable_folder(self.folder.path)
        self.folder.remove_leftovers()

    def lock(self) -> None:
        self._stack.enter_context(folder_lock(self.folder.path))
        self._is_locked = True


@contextmanager
def lock_run(sources: Sequence[str], options: TrainOptions) -> Iterator[RunLock]:
    """The run's folder, locked at once when something is there already, else when it is taken."""
    with ExitStack() as stack:
        run_lock = RunLock(choose_folder(sources, options), options, stack)
        if run_lock.folder.holds_a_run or (run_lock.folder.path / ".lock").exists():
            run_lock.lock()
        yield run_lock


def _refuse_occupied(folder: RunFolder, options: TrainOptions) -> None:
    if folder.holds_a_run and not (options.get("resume") or options.get("overwrite")):
        raise InputError(
            f"{folder.path} already holds a run; add --resume or --overwrite, or choose another --out"
        )
