"""Files that are never half there: atomic and durable writes, locks, room on the disk.

Runs and the cache may come from strangers: their names are followed through no link and must be regular files. What a
user names as an output is written by `charnn.outputs`.
"""

import errno
import logging
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal

from charnn.errors import CharnnError, InputError

TEMPORARY_PREFIX = ".tmp-"
LOCK = ".lock"
_LONGEST_NAME = 200  # bytes that leave room for more: systems allow 255
_REFUSED = (
    errno.EINVAL,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.ENOLCK,
)  # by the kind of file system
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


@contextmanager
def explained(path: Path | str, action: str = "write") -> Iterator[None]:
    """Turn an OSError into a CharnnError of one line that names the path and the cause."""
    try:
        yield
    except OSError as error:
        raise CharnnError(f"cannot {action} {path}: {error.strerror or error}") from error


# Durability.


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (fsync of the directory); said once where the file system can't."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        _warn_once(
            f"this file system syncs no folders ({error.strerror}): a power failure may lose the newest save"
        )
    finally:
        os.close(descriptor)


@cache
def _warn_once(message: str) -> None:
    logging.getLogger("charnn").warning("%s", message)


def make_folder(folder: Path) -> None:
    """Create `folder` and the parents that are missing, durably. Raises OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)


def write_synced(path: Path, chunks: Iterable[bytes | memoryview], mode: int = 0o666) -> None:
    """Write a new file and fsync it. The name itself is durable only after `sync_folder`. Raises OSError."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


# Files of our own.


def open_own_file(path: Path, mode: Literal["rb", "ab"] = "rb") -> BinaryIO:
    """Open a file of a run or of the cache, which may be a stranger's: through no link, waiting for no pipe.

    Raises InputError where something that isn't a regular file has the name, OSError where the system can't open it.
    """
    require_own_file(path)
    safely = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    file = open(path, mode, opener=lambda name, flags: os.open(name, flags | safely, 0o666))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # replaced since it was looked at
        file.close()
        raise InputError(f"{path} is no regular file; charnn doesn't touch it")
    return file


def read_own_file(path: Path, most: int) -> bytes:
    """The content of a file of our own. Raises InputError for more than `most` bytes, else as `open_own_file`."""
    with open_own_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise InputError(f"{path} has {size:,} bytes, more than the {most:,} that charnn reads there")
        return file.read(most)


def open_regular(path: Path) -> BinaryIO:
    """Open a file that a user named, links followed, without ever waiting, for a FIFO's writer say.

    Raises ValueError unless it is a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is not a regular file")
    return os.fdopen(descriptor, "rb")


def require_own_file(path: Path) -> None:
    """Raise InputError where the name is taken by something that is no regular file, a link say."""
    _require(path, stat.S_IFREG, "a regular file")


def require_own_folder(path: Path) -> None:
    """Raise InputError where the name is taken by something that is no folder, or by a link to one."""
    _require(path, stat.S_IFDIR, "a folder")


def _require(path: Path, kind: int, called: str) -> None:
    with explained(path, "look at"):
        try:
            found = stat.S_IFMT(path.lstat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return
    if found != kind:
        raise InputError(
            f"{path} is {_KINDS.get(found, 'something else')}, not {called}: charnn follows and replaces nothing "
            "that isn't its own; remove it or choose another folder"
        )


def write_atomically(path: Path, chunks: Iterable[bytes | memoryview], mode: int = 0o666) -> None:
    """Replace a file of our own as a whole: temporary file in the same folder, fsync, rename, fsync of the folder.

    A file that is replaced hands on its permissions; a new one has `mode`, less the umask. Raises CharnnError naming
    the path and the cause, the old file then stands as it was; InputError where the name is no regular file's.
    """
    if not path.name:
        raise InputError(f"cannot write to {str(path)!r}: give a file's name")
    with explained(path):
        require_own_file(path)
        replace_file(path, chunks, mode)


def replace_file(path: Path, chunks: Iterable[bytes | memoryview], mode: int = 0o666) -> None:
    """As `write_atomically`, whatever has the name. Raises OSError."""
    temporary = temporary_beside(path)
    try:
        write_synced(temporary, chunks, mode)
        _keep_permissions(path, temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _keep_permissions(path: Path, temporary: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return
    if mode != stat.S_IMODE(temporary.stat().st_mode):
        with suppress(PermissionError):  # FAT knows no others
            temporary.chmod(mode)


def temporary_beside(path: Path) -> Path:
    """A fresh name for what will be renamed to `path`; `remove_leftovers` knows it by its form."""
    name = path.name if len(os.fsencode(path.name)) <= _LONGEST_NAME else path.name[:50]
    return path.with_name(f"{TEMPORARY_PREFIX}{name}-{secrets.token_hex(4)}")


def remove_leftovers(folder: Path, names: str) -> None:
    """Remove what a killed process left in `folder`, a folder of our own, on the way to names that match `names`.

    `names` is a regular expression of the whole final name. Regular files and folders only; nothing is followed, and
    what can't be removed stays.
    """
    ours = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}(?:{names})-[0-9a-f]{{8}}")
    if folder.is_symlink() or not folder.is_dir():
        return
    with explained(folder, "read"):
        leftovers = [path for path in folder.iterdir() if ours.fullmatch(path.name)]
    for leftover in leftovers:
        with suppress(OSError):
            kind = stat.S_IFMT(leftover.lstat().st_mode)
            if kind == stat.S_IFDIR:
                shutil.rmtree(leftover, ignore_errors=True)
            elif kind == stat.S_IFREG:
                leftover.unlink()


# The room that a run needs.


def make_writable_folder(folder: Path) -> None:
    """Create `folder` if need be and prove that a file can be written there, or raise CharnnError."""
    with explained(folder, "write to"):
        make_folder(folder)
        probe = temporary_beside(folder / "probe")
        probe.write_bytes(b"")
        probe.unlink()


def require_room(folder: Path, needed: int) -> None:
    """Raise CharnnError unless the disk under `folder` has `needed` bytes free."""
    with explained(folder, "read"):
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise CharnnError(
            f"not enough room under {folder}: {needed / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB free; "
            "free some space or choose another --out"
        )


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the system frees it when the process dies, however it dies.

    Raises InputError at once when another process holds it. Said once where the file system has no locks.
    """
    from filelock import FileLock, Timeout

    path = folder / LOCK
    lock = FileLock(path, timeout=0)
    with explained(folder, "lock"):
        require_own_file(path)
        try:
            lock.acquire()
        except Timeout:  # an OSError too
            raise InputError(
                f"{folder} is in use by another run; wait for it or choose another --out"
            ) from None
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            _warn_once(
                f"this file system has no locks ({error.strerror}): start no second run in {str(folder)!r}"
            )
    try:
        yield
    finally:
        with suppress(OSError):  # the lock goes with the file that is closed
            lock.release()
