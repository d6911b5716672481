"""What a user names as a corpus → the list of things to read, in order."""

import glob
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Literal, NamedTuple, NoReturn

from charnn.data.addresses import scheme_of, without_secrets
from charnn.data.decompression import compression_of
from charnn.data.encodings import wide_encoding
from charnn.errors import CharnnError, CorpusError

BINARY_PROBE = 8192  # bytes; a file in a folder or an archive is text when its first 8 KB hold no NUL

_GLOB_MARKS = frozenset("*?[")
_NAME_COMPRESSED = "compressed ones have to be named, or matched by a glob"
RUN = "a run of charnn"  # the reason why a folder is left out
_METRICS = "metrics.jsonl"  # of a run: see charnn.storage.run_folder
_METRICS_START = 4096  # bytes, which its first event begins in

LeftOut = Counter[str]
"""How many files and folders inside a named folder weren't taken for corpus, by the reason."""


class FileStamp(NamedTuple):
    """What changes when a file does. Times in nanoseconds."""

    path: str  # real
    size: int
    modified: int
    changed: int  # also where a program set `modified` back
    inode: int
    device: int


@dataclass(frozen=True)
class Source:
    """One thing to read: a regular local file, standard input, or an address."""

    name: str
    kind: Literal["file", "stdin", "http", "remote"] = "file"
    is_found: bool = False  # in a folder, where its beginning showed that it is text

    @property
    def shown(self) -> str:
        """The name without what would let others in."""
        return "standard input" if self.kind == "stdin" else without_secrets(self.name)


def listed_paths(corpus: str | Path | Sequence[str | Path]) -> list[str]:
    """The names of a corpus; a string or a path is one."""
    return [str(corpus)] if isinstance(corpus, (str, Path)) else [str(source) for source in corpus]


def list_sources(names: Sequence[str], left_out: LeftOut | None = None) -> list[Source]:
    """Files, folders, globs, URLs and "-" → sources, in the order given. Only files in folders are opened.

    `left_out` counts what folders hold besides. Raises CorpusError for a missing file, a glob without a match, a FIFO
    or device, or "-" given twice.
    """
    if list(names).count("-") > 1:
        raise CorpusError("standard input can be read only once; give '-' once")
    passed_over = LeftOut() if left_out is None else left_out
    found = [source for name in names for source in _sources_of(name, passed_over)]
    if names and not found:
        raise no_text_in(names[0], passed_over)
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
            at = Path(source.name).stat()
        except OSError:  # gone or unreadable: the reading will say so
            return None
        path = os.path.realpath(source.name)
        stamps.append(FileStamp(path, at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino, at.st_dev))
    return stamps


def _sources_of(name: str, left_out: LeftOut) -> list[Source]:
    if name == "-":
        return [Source(name, "stdin")]
    if scheme := scheme_of(name):
        return [Source(name, "http" if scheme in ("http", "https") else "remote")]
    if _mode(name) is None and _GLOB_MARKS.intersection(name):
        return _matching(name, left_out)
    return _local(name, left_out)


def _matching(pattern: str, left_out: LeftOut) -> list[Source]:
    """What a pattern matches, each file once: ** matches folders, and the files in them too."""
    base, rest = _literal_folder(pattern)
    matches = sorted(glob.glob(os.path.join(glob.escape(base), rest), recursive=True))  # noqa: PTH118, PTH207 - pathlib matches hidden files too
    if not matches:
        raise CorpusError(f"no file matches {pattern}; check the pattern")
    folders = {match for match in matches if S_ISDIR(_mode(match) or 0)}
    files = [match for match in matches if match not in folders]
    begun = {folder for file in files for folder in Path(file).parents}  # their files are matched one by one
    outside = set(_outside_runs(files, base, left_out))
    found: dict[str, Source] = {}
    for match in matches:
        if match in outside:
            sources = _local(match, left_out)
        else:
            sources = _texts_in(match, left_out) if match in folders and Path(match) not in begun else []
        found.update((os.path.normpath(source.name), source) for source in sources)
    return list(found.values())


def _literal_folder(pattern: str) -> tuple[str, str]:
    """The folder at a pattern's beginning that is called so, and the rest: `[2020]/*.txt` is in `[2020]`."""
    head, rest = os.path.split(pattern)
    while head and not os.path.isdir(head):  # noqa: PTH112 - a pattern is no path
        parent, tail = os.path.split(head)
        if parent == head:
            return "", pattern
        head, rest = parent, os.path.join(tail, rest)  # noqa: PTH118
    return head, rest


def _outside_runs(files: Sequence[str], base: str, left_out: LeftOut) -> Iterator[str]:
    """The files that lie in no run below `base`."""
    runs: dict[Path, bool] = {}
    for file in files:
        above = [
            folder for folder in Path(file).parents if folder.is_relative_to(base) and folder != Path(base)
        ]
        for folder in above:
            if folder not in runs:
                runs[folder] = _is_run(folder)
        if not any(runs[folder] for folder in above):
            yield file
    left_out.update(RUN for is_run in runs.values() if is_run)


def _local(name: str, left_out: LeftOut) -> list[Source]:
    mode = _mode(name)
    if mode is None:
        raise CorpusError(f"no such file: {name}; check the path")
    if S_ISDIR(mode):
        return _in_folder(name, left_out)
    if not S_ISREG(mode):
        raise CorpusError(f"{name} is not a regular file; pipe its text in: charnn train - < {name}")
    return [Source(name)]


def _in_folder(folder: str, left_out: LeftOut) -> list[Source]:
    """The texts in a folder; one that holds runs alone, as `*` may name it, holds none."""
    here = LeftOut()
    sources = _texts_in(folder, here)
    if not sources and not here[RUN]:
        raise no_text_in(folder, here)
    left_out.update(here)
    return sources


def _texts_in(folder: str, left_out: LeftOut) -> list[Source]:
    root = os.path.realpath(folder)
    paths = sorted(_visible_files(folder, left_out))
    return [Source(str(path), is_found=True) for path in paths if _is_corpus(path, root, left_out)]


def no_text_in(name: str, left_out: LeftOut, remedy: str = _NAME_COMPRESSED) -> CorpusError:
    """The error for a folder or an archive without a text, with what it holds besides."""
    besides = f" (left out: {describe(left_out)})" if left_out else ""
    return CorpusError(f"no text files in {name}{besides}; {remedy}")


def describe(left_out: LeftOut) -> str:
    """`3 hidden, 1 binary`, the most frequent reason first."""
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())


def _visible_files(folder: str, left_out: LeftOut) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, onerror=_refuse):
        if _METRICS in files and _is_run(Path(root)):
            left_out[RUN] += 1
            folders.clear()
            continue
        left_out["hidden"] += sum(name.startswith(".") for name in (*folders, *files))
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked = sum(os.path.islink(os.path.join(root, name)) for name in folders)  # noqa: PTH114, PTH118
        left_out["linked folder"] += linked  # os.walk doesn't go into one
        yield from (Path(root, name) for name in files if not name.startswith("."))
    for reason in [reason for reason, count in left_out.items() if not count]:
        del left_out[reason]


def _is_run(folder: Path) -> bool:
    """Whether a folder's metrics begin as those of a run do: what training writes is no text to train on."""
    if not S_ISREG(_mode(str(folder / _METRICS)) or 0):
        return False
    try:
        with (folder / _METRICS).open("rb") as file:
            line = file.readline(_METRICS_START)
        return line.startswith(b'{"event": "start"') or json.loads(line).get("event") == "start"
    except (ValueError, AttributeError, RecursionError):
        return False
    except OSError as error:
        _refuse(error)


def _is_corpus(path: Path, root: str, left_out: LeftOut) -> bool:
    """Whether a visible file in a folder is text; counts why not."""
    reason = _reason_against(path, root)
    if reason:
        left_out[reason] += 1
    return not reason


def _reason_against(path: Path, root: str) -> str:
    if not S_ISREG(_mode(str(path)) or 0):
        return "not a regular file"
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
        return "a link out of the folder"
    if compression_of(path.name) != ("", ""):
        return "compressed"
    try:
        with path.open("rb") as file:
            return reason_against_content(file.read(BINARY_PROBE))
    except OSError as error:
        _refuse(error)


def reason_against_content(beginning: bytes) -> str:
    """Why a file that isn't named, with this beginning, is left out; "" where it is text."""
    if b"\0" not in beginning:
        return ""
    wide = wide_encoding(beginning)
    return f"in {wide}, to be named, with --encoding {wide}" if wide else "binary"


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
