"""What a user names as a corpus → the list of things to read, in order."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Literal, NoReturn

from charnn.data.addresses import scheme_of, without_secrets
from charnn.errors import CharnnError, CorpusError

BINARY_PROBE = 8192  # bytes; a file in a folder or an archive is text when its first 8 KB hold no NUL

_GLOB_MARKS = frozenset("*?[")

FileStamp = tuple[str, int, int, int]  # real path, size, inode, modification time in nanoseconds


@dataclass(frozen=True)
class Source:
    """One thing to read: a regular local file, standard input, or an address."""

    name: str
    kind: Literal["file", "stdin", "http", "remote"] = "file"

    @property
    def shown(self) -> str:
        """The name without what would let others in."""
        return without_secrets(self.name)


def listed_paths(corpus: str | Path | Sequence[str | Path]) -> list[str]:
    """The names of a corpus; a string or a path is one."""
    return [str(corpus)] if isinstance(corpus, (str, Path)) else [str(source) for source in corpus]


def list_sources(names: Sequence[str]) -> list[Source]:
    """Files, folders, globs, URLs and "-" → sources, in the order given. Only files in folders are opened.

    Raises CorpusError for a missing file, a glob without a match, a FIFO or device, or "-" given twice.
    """
    if list(names).count("-") > 1:
        raise CorpusError("standard input can be read only once; give '-' once")
    found = [source for name in names for source in _sources_of(name)]
    if not found:
        raise CorpusError("no corpus given; name a file, a folder, a URL or '-'")
    return found


def file_stamps(sources: Sequence[Source]) -> list[FileStamp] | None:
    """What tells an unchanged corpus without reading it; None when not every source is a local file."""
    if any(source.kind != "file" for source in sources):
        return None
    stamps = []
    for source in sources:
        try:
            status = Path(source.name).stat()
        except OSError:  # gone or unreadable: the reading will say so
            return None
        stamps.append((os.path.realpath(source.name), status.st_size, status.st_ino, status.st_mtime_ns))
    return stamps


def _sources_of(name: str) -> list[Source]:
    if name == "-":
        return [Source(name, "stdin")]
    if scheme := scheme_of(name):
        return [Source(name, "http" if scheme in ("http", "https") else "remote")]
    if _mode(name) is None and _GLOB_MARKS.intersection(name):
        return _matching(name)
    return _local(name)


def _matching(pattern: str) -> list[Source]:
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - pathlib matches hidden files too
    if not matches:
        raise CorpusError(f"no file matches {pattern}; check the pattern")
    return [source for match in matches for source in _local(match)]


def _local(name: str) -> list[Source]:
    mode = _mode(name)
    if mode is None:
        raise CorpusError(f"no such file: {name}; check the path")
    if S_ISDIR(mode):
        return _in_folder(name)
    if not S_ISREG(mode):
        raise CorpusError(f"{name} is not a regular file; pipe its text in: charnn train - < {name}")
    return [Source(name)]


def _in_folder(folder: str) -> list[Source]:
    sources = [Source(str(path)) for path in sorted(_visible_files(folder)) if _is_text(path)]
    if not sources:
        raise CorpusError(
            f"no text files in {folder}; compressed ones have to be named, or matched by a glob"
        )
    return sources


def _visible_files(folder: str) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in files if not name.startswith("."))


def _is_text(path: Path) -> bool:
    if not S_ISREG(_mode(str(path)) or 0):
        return False
    try:
        with path.open("rb") as file:
            return b"\0" not in file.read(BINARY_PROBE)
    except OSError as error:
        _refuse(error)


def _mode(name: str) -> int | None:
    """A local name's type bits, symbolic links followed; None when there is no such file."""
    if not name:  # to pathlib, the current folder
        return None
    try:
        return Path(name).stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    raise CharnnError(f"cannot read {error.filename}: {error.strerror}; check its permissions") from error
