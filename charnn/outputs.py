"""Files that a user names: regular ones are replaced as a whole, anything else is written to, as any program would."""

import os
import re
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from charnn.errors import InputError
from charnn.files import explained, replace_file

STDOUT = "-"
_STANDARD = {STDOUT: 1, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/(?:dev/fd|proc/self/fd)/(\d+)")


def write_output(name: str | Path, chunks: Iterable[bytes]) -> None:
    """Write a file that a user named: `-` is standard output, devices and pipes are written to, links are followed.

    A regular file is replaced as a whole and keeps its permissions. Raises CharnnError naming it and the cause.
    """
    name = str(name)
    if not name:
        raise InputError("cannot write to '': give a file's name")
    descriptor = _descriptor(name)
    with explained(name):
        if descriptor == 1:
            _write_stdout(chunks)
        elif descriptor is not None:
            _write_through(os.dup(descriptor), chunks)
        elif _is_replaceable(name):
            replace_file(Path(os.path.realpath(name)), chunks)
        else:
            _write_through(name, chunks)


def _descriptor(name: str) -> int | None:
    """The number of the open file that a name like `-` or /dev/fd/3 means; None for every other name."""
    if match := _DESCRIPTOR.fullmatch(name):
        return int(match[1])
    return _STANDARD.get(name)


def is_stdout(name: str | None) -> bool:
    """Whether `write_output` to this name writes to standard output."""
    return name is not None and _descriptor(name) == 1


def _write_stdout(chunks: Iterable[bytes]) -> None:
    """Through Python's own stream, which knows what becomes of a reader that leaves."""
    for chunk in chunks:
        sys.stdout.flush()
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _is_replaceable(name: str) -> bool:
    """Whether it is a regular file, or not there. Raises InputError for a folder."""
    try:
        mode = Path(name).stat().st_mode
    except FileNotFoundError:
        return True
    if stat.S_ISDIR(mode):
        raise InputError(f"cannot write {name}: it is a folder; give a file's name")
    return stat.S_ISREG(mode)


def _write_through(target: str | int, chunks: Iterable[bytes]) -> None:
    with open(target, "wb", opener=lambda name, _: os.open(name, os.O_WRONLY)) as file:
        for chunk in chunks:
            file.write(chunk)
