"""Files that are never half there: atomic writes, locks, room on the disk."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from charnn.errors import CharnnError, InputError

TEMPORARY_PREFIX = ".tmp-"


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (fsync of the directory; not every system can)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a new file and fsync it. The name itself is durable only after `sync_folder`."""
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def temporary_beside(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(4)}")


@contextmanager
def explained(path: Path, action: str = "write") -> Iterator[None]:
    """Turn an OSError into a CharnnError of one line that names the path and the cause."""
    try:
        yield
    except OSError as error:
        raise CharnnError(f"cannot {action} {path}: {error.strerror or error}") from error


def write_atomically(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace `path` as a whole: temporary file in the same folder, fsync, rename, fsync of the folder.

    Raises CharnnError naming the path and the cause; the old file then stands as it was.
    """
    if not path.name:
        raise InputError(f"cannot write to {str(path)!r}: give a file's name")
    temporary = temporary_beside(path)
    with explained(path):
        try:
            write_synced(temporary, chunks)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def open_regular(path: Path) -> BinaryIO:
    """Open for reading without ever waiting, for a FIFO's writer say. Raises ValueError unless it is a regular file."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is not a regular file")
    return os.fdopen(descriptor, "rb")


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that a killed process left in `folder`, as far as they can be removed."""
    if not folder.is_dir():
        return
    with explained(folder, "read"):
        leftovers = list(folder.glob(f"{TEMPORARY_PREFIX}*"))
    for leftover in leftovers:
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            with suppress(OSError):
                leftover.unlink()


def make_writable_folder(folder: Path) -> None:
    """Create `folder` if need be and prove that a file can be written there, or raise CharnnError."""
    with explained(folder, "write to"):
        folder.mkdir(parents=True, exist_ok=True)
        probe = temporary_beside(folder / "probe")
        probe.write_bytes(b"")
        probe.unlink()


def require_room(folder: Path, needed: int) -> None:
    """Raise CharnnError unless the disk under `folder` has `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CharnnError(
            f"not enough room under {folder}: {needed / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB free; "
            "free some space or choose another --out"
        )


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the system frees it when the process dies, however it dies.

    Raises InputError at once when another process holds it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    with explained(folder, "lock"):
        try:
            lock.acquire()
        except Timeout:  # an OSError too
            raise InputError(
                f"{folder} is in use by another run; wait for it or choose another --out"
            ) from None
    try:
        yield
    finally:
        lock.release()
