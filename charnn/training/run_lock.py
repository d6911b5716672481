"""Which folder a run gets, and that it gets it alone. Needs no torch, so that a refusal comes at once."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath

from charnn.bundled import bundled_corpus
from charnn.config import TRAIN_SETTINGS, TrainOptions
from charnn.data.addresses import without_secrets
from charnn.errors import InputError
from charnn.files import (
    LOCK,
    explained,
    folder_lock,
    make_folder,
    make_writable_folder,
    require_own_file,
    require_own_folder,
)
from charnn.storage.run_folder import CHECKPOINTS, RunFolder, default_folders, newest_first

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_LONGEST_NAME = 200  # bytes; systems allow 255, and a number may follow


def absolute_sources(sources: Sequence[str]) -> tuple[str, ...]:
    """The sources as a run remembers them: paths absolute, `-` and URLs as they are; none means the bundled corpus."""
    return tuple(_absolute(source) for source in sources or (str(bundled_corpus()),))


def absolute_options(options: TrainOptions) -> TrainOptions:
    """The options with the paths a run remembers made absolute: it may be resumed from another folder."""
    return {name: _absolute(value) if _is_path(name, value) else value for name, value in options.items()}


def _is_path(name: str, value: object) -> bool:
    one = TRAIN_SETTINGS[name]
    return one.is_path and value not in one.names_of_own


def _absolute(source: str) -> str:
    if not source:
        raise InputError("an empty name was given as corpus; is a variable of the shell unset?")
    return source if source == "-" or "://" in source else os.path.abspath(source)  # noqa: PTH100  a glob is no path


def run_name(sources: Sequence[str]) -> str:
    """The default name of a run: the first corpus's stem, `stdin`, or `bundled`."""
    if not sources:
        return "bundled"
    if sources[0] == "-":
        return "stdin"
    path = PurePosixPath(without_secrets(sources[0]).rstrip("/").replace(os.sep, "/"))
    stem = path.with_suffix("").stem if path.suffix in _COMPRESSED else path.stem
    name = re.sub(r"[^\w.-]+", "_", stem).strip("._") or "corpus"
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore")


def choose_folder(sources: Sequence[str], options: TrainOptions) -> RunFolder:
    """The run's folder, as the options say. Raises InputError when it is occupied or missing."""
    out = options.get("out")
    if options.get("resume"):
        return _resumable_folder(out)
    if out is None:
        return next(default_folders(run_name(sources)))
    folder = RunFolder(Path(out))
    if folder.path.exists() and not folder.path.is_dir():
        raise InputError(f"{folder.path} is not a folder; choose another --out")
    _refuse_occupied(folder, options)
    return folder


def _resumable_folder(out: str | None) -> RunFolder:
    if out is None:
        runs = newest_first()
        if not runs:
            raise InputError(f"no run to resume under {CHECKPOINTS}/; name one with --out")
        return runs[0]
    folder = RunFolder(Path(out))
    require_own_file(folder.metrics)
    require_own_folder(folder.resume)
    if not (folder.metrics.exists() or folder.resume.exists()):
        raise InputError(f"{folder.path} holds no run to resume; leave --resume out to start one")
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
        make_writable_folder(self.folder.path)
        if not self._is_locked:
            self.lock()
            _refuse_occupied(self.folder, self._options)
        self.folder.remove_leftovers()

    def lock(self) -> None:
        self._stack.enter_context(folder_lock(self.folder.path))
        self._is_locked = True

    def try_lock(self) -> bool:
        """Make the folder and lock it, unless another run holds it or has begun in it."""
        with explained(self.folder.path, "create"):
            make_folder(self.folder.path)
        try:
            self.lock()
        except InputError:
            return False
        return not self.folder.holds_a_run


@contextmanager
def lock_run(sources: Sequence[str], options: TrainOptions, *, dry_run: bool = False) -> Iterator[RunLock]:
    """The run's folder, locked: at once when it has its default name or something is there, else when it is taken.

    A folder that was made for its name goes again when nothing came into it. A dry run makes and locks nothing new.
    """
    with ExitStack() as stack:
        if not (dry_run or options.get("resume") or options.get("out")):
            yield _default_folder(run_name(sources), options, stack)
            return
        run_lock = RunLock(choose_folder(sources, options), options, stack)
        if run_lock.folder.holds_a_run or (run_lock.folder.path / LOCK).exists():
            run_lock.lock()
        yield run_lock


def _default_folder(name: str, options: TrainOptions, stack: ExitStack) -> RunLock:
    """The first free one, taken: of runs that start at once, each gets its own."""
    for folder in default_folders(name):
        own = ExitStack()
        run_lock = RunLock(folder, options, own)
        if run_lock.try_lock():
            stack.enter_context(own)
            stack.callback(_remove_empty, folder)  # while it is locked
            return run_lock
        own.close()
    raise AssertionError("unreachable")


def _remove_empty(folder: RunFolder) -> None:
    """Remove a folder in which nothing but a lock's file is left."""
    with suppress(OSError):
        if [path.name for path in folder.path.iterdir()] == [LOCK]:
            (folder.path / LOCK).unlink()
        folder.path.rmdir()
        folder.path.parent.rmdir()


def _refuse_occupied(folder: RunFolder, options: TrainOptions) -> None:
    if not folder.holds_a_run or options.get("resume"):
        return
    if not options.get("overwrite"):
        raise InputError(
            f"{folder.path} already holds a run; add --resume or --overwrite, or choose another --out"
        )
    folder.require_own()
