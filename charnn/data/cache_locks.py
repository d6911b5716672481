"""Locks in the cache: one for each of its texts and for each that is being encoded, freed when their owner dies.

They are the system's own (flock), so that they hold between users, containers and process numberings alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP
from pathlib import Path

from charnn.errors import CharnnError

PATIENCE = 60.0  # seconds; a text is put in its place in one at most
_SHARDS = 2  # hexadecimal digits: texts share 256 locks, so that no more files stay behind
_WITHOUT = (ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP)  # of file systems that have no locks


@contextmanager
def locked(folder: Path, name: str, patience: float = PATIENCE) -> Iterator[bool]:
    """Hold a lock in `folder`; False when another process held it for `patience` seconds. Raises OSError.

    Where the file system has no locks, everybody is given them.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / f"{name}.lock", timeout=patience, mode=0o600, is_singleton=False)
    try:
        lock.acquire()
    except Timeout:  # an OSError too
        yield False
        return
    except OSError as error:
        if error.errno not in _WITHOUT:
            raise
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def text_locked(folder: Path, sha256: str) -> Iterator[None]:
    """Hold the place of one text. Raises CharnnError when another process doesn't let go of it."""
    with locked(folder, sha256[:_SHARDS]) as is_held:
        if not is_held:
            raise CharnnError(
                f"another process has held the cached text {sha256[:12]} for {PATIENCE:.0f} seconds; "
                "end it, or set XDG_CACHE_HOME to another folder"
            )
        yield


@contextmanager
def held_while_encoding(folder: Path, name: str) -> Iterator[None]:
    """Hold a name that no other process has; the lock's file goes with it."""
    with locked(folder, name, patience=0):
        try:
            yield
        finally:
            _remove(folder, name)


@contextmanager
def abandoned(folder: Path, name: str) -> Iterator[bool]:
    """Whether the process that encoded under this name is dead; what it left is the caller's meanwhile."""
    if not (folder / f"{name}.lock").exists():  # of an older version
        yield False
        return
    with locked(folder, name, patience=0) as is_held:
        yield is_held
        if is_held:
            _remove(folder, name)


def _remove(folder: Path, name: str) -> None:
    """Remove the file of a lock that is held, and that nobody will ask for again."""
    with suppress(OSError):
        (folder / f"{name}.lock").unlink()
