"""metrics.jsonl read as it grows, from where the last reading ended; the run may be a stranger's."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from charnn.errors import InputError
from charnn.files import explained, open_own_file
from charnn.storage.run_folder import MAX_LINE, parse_record

MAX_METRICS = 1 << 28  # bytes; a run writes some hundreds of lines


class MetricsTail:
    """A place in a run's metrics.jsonl. What comes later is read from there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None  # device and inode of the file that was read
        self._offset = 0

    def records(self, forget: Callable[[], None]) -> Iterator[dict[str, Any]]:
        """The records of the lines that are whole and weren't read before; none where there is no file.

        `forget` is called first where it isn't the file that was read any more, as after a resume: all of it is read
        then. What a kill or a fault left half-written is passed over. Raises InputError for what no run of charnn's
        writes: a link, a pipe, a line of more than MAX_LINE or a file of more than MAX_METRICS bytes.
        """
        with explained(self._path, "read"):
            try:
                file = open_own_file(self._path)
            except FileNotFoundError:
                self._begin(None, forget)
                return
            with file:
                found = os.fstat(file.fileno())
                if found.st_size > MAX_METRICS:
                    raise InputError(
                        f"{self._path} has {found.st_size:,} bytes: no run writes so many; remove it"
                    )
                identity = found.st_dev, found.st_ino
                if identity != self._identity or found.st_size < self._offset:
                    self._begin(identity, forget)
                yield from self._lines(file)

    def _begin(self, identity: tuple[int, int] | None, forget: Callable[[], None]) -> None:
        if self._offset:
            forget()
        self._identity, self._offset = identity, 0

    def _lines(self, file: BinaryIO) -> Iterator[dict[str, Any]]:
        file.seek(self._offset)
        while line := file.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise InputError(f"{self._path} has a line of more than {MAX_LINE:,} bytes; remove it")
            if not line.endswith(b"\n"):
                return
            self._offset += len(line)
            if (record := parse_record(line)) is not None:
                yield record
