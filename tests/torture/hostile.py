"""Run folders from strangers: each name in turn is something else than what charnn put there.

Whatever a command makes of it, it ends, in one line if it refuses, and nothing outside of the run is touched.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from . import processes

_OPTIONS = ("--save-every", "2", "--sample-every", "0", "--seed", "1", *processes.TINY)
_TRAIN = ("train", "corpus.txt", "--out", "run", "--steps", "4", *_OPTIONS)
COMMANDS = (
    ("train", "--resume", "--out", "run", "--steps", "8"),
    (*_TRAIN, "--overwrite"),
    _TRAIN,
    ("sample", "-m", "run", "-l", "5", "--seed", "1"),
    ("score", "-m", "run", "abc"),
    ("info", "run"),
)
STATE = "resume/0000000004-0"
NAMES = (
    *("model.safetensors", "metrics.jsonl", "resume", ".lock", STATE, "resume/0000000009-0"),
    *(f"{STATE}/{part}" for part in ("tensors.safetensors", "state.json", "manifest.json")),
)
_GIANT = 1 << 40  # bytes, of which none is on the disk
_MEMORY = 6 << 30  # bytes of address space, so that a giant that is read ends the command, not the machine


def _link(target: str) -> Callable[[Path, Path], None]:
    return lambda path, outside: path.symlink_to(outside / target)


def _giant(path: Path, _outside: Path) -> None:
    path.touch()
    os.truncate(path, _GIANT)


def _folder(path: Path, _outside: Path) -> None:
    path.mkdir()
    (path / "theirs.tex").write_text("theirs", encoding="utf-8")


KINDS: dict[str, Callable[[Path, Path], None]] = {
    "a link to a file": _link("letter.txt"),
    "a link to a folder": _link("photos"),
    "a link to nothing": _link("nothing"),
    "a link to itself": lambda path, _: path.symlink_to(path.name),
    "a link to a device": lambda path, _: path.symlink_to("/dev/zero"),
    "a FIFO": lambda path, _: os.mkfifo(path),
    "a folder": _folder,
    "a device": lambda path, _: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5)),  # /dev/zero
    "a sparse giant": _giant,
    "somebody's file": lambda path, _: path.write_text("theirs", encoding="utf-8") and None,
    "a hard link": lambda path, outside: os.link(outside / "letter.txt", path),
}


def hostile_folders(folder: Path, every: int = 1) -> tuple[int, int, list[str]]:
    """Try every so-many-th combination: how many were tried, how many refused, and what wasn't as promised."""
    template = folder / "template"
    template.mkdir(parents=True)
    processes.write_corpus(template)
    if (ended := processes.run(template, *_TRAIN)).code:
        raise RuntimeError(ended.stderr)
    tried, refused, odd = 0, 0, []
    cases = [(name, kind, command) for command in COMMANDS for name in NAMES for kind in KINDS]
    for name, kind, command in cases[::every]:
        work, outside = folder / "work", folder / "outside"
        try:
            _prepare(template, work, outside, name, kind)
        except PermissionError:  # devices are root's to make
            continue
        before = _content(outside)
        tried += 1
        try:
            ended = processes.fork(work, _limited, command).wait()
        except TimeoutError as error:
            odd.append(f"{name} is {kind}, {' '.join(command)}: {error}")
            continue
        refused += bool(ended.code)
        complaints = [
            *_complaints(ended),
            *(["it touched what is outside"] if _content(outside) != before else []),
        ]
        if kind == "a folder" and not any((work / "run").rglob("theirs.tex")):
            complaints.append("it removed somebody's file")
        odd += [f"{name} is {kind}, {' '.join(command)}: {complaint}" for complaint in complaints]
    return tried, refused, odd


def _prepare(template: Path, work: Path, outside: Path, name: str, kind: str) -> None:
    for folder in (work, outside):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, work, ignore=shutil.ignore_patterns(".output-*"))
    (outside / "photos" / "2024-01").mkdir(parents=True)
    (outside / "photos" / "2024-01" / "1.jpg").write_bytes(b"theirs")
    (outside / "letter.txt").write_text("theirs", encoding="utf-8")
    path = work / "run" / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    KINDS[kind](path, outside)


def _limited(arguments: tuple[str, ...]) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    processes._charnn(arguments, "")


def _content(folder: Path) -> str:
    """Every name below, what it is, and what it holds, as one hash."""
    content = sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content.update(f"{path} {status.st_mode} {status.st_size}".encode())
        if path.is_file():
            content.update(path.read_bytes())
    return content.hexdigest()


def _complaints(ended: processes.Ended) -> Iterator[str]:
    told = [line for line in ended.stderr.splitlines() if line.startswith("charnn: ")]
    if ended.code not in (0, 1, 2) or "Traceback" in ended.stderr:
        yield f"it ended with {ended.code}: {ended.stderr[-500:]}"
    elif ended.code and len(told) != 1:
        yield f"it said {ended.stderr[-300:]!r}"
