"""The folders in which checkpoints lie: their names, their order, and their removal. Nothing else is ever removed.

resume/0000001200-0/          step 1200, its first revision
resume/damaged-0000001200-0/  one that was found damaged, kept until the run ends
"""

import stat
from contextlib import suppress
from pathlib import Path
from re import fullmatch

from charnn.files import explained, remove_leftovers, require_own_folder, sync_folder

TENSORS, VALUES, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
_NAME = r"\d{10,}-\d+"
_DAMAGED = "damaged-"


def checkpoint_paths(folder: Path) -> list[Path]:
    """Every checkpoint's folder, whole or not, oldest first.

    Raises InputError where `folder` is a link or no folder, CharnnError where it can't be listed.
    """
    return sorted(_named(folder, _NAME), key=order)


def order(path: Path) -> tuple[int, int]:
    """(step, revision) of a checkpoint's folder: they are ordered by step, never by time."""
    step, _, revision = path.name.partition("-")
    return int(step), int(revision)


def set_aside(path: Path) -> Path:
    """Rename a damaged checkpoint, so that it stands in nobody's way and can be looked at. Raises CharnnError."""
    aside = path.with_name(f"{_DAMAGED}{path.name}")
    while aside.exists() or aside.is_symlink():
        step, revision = order(Path(aside.name.removeprefix(_DAMAGED)))
        aside = path.with_name(f"{_DAMAGED}{step:010d}-{revision + 1}")
    with explained(path, "rename"):
        path.rename(aside)
        sync_folder(path.parent)
    return aside


def remove_damaged(folder: Path) -> None:
    """Remove what was set aside: the run ended well without it."""
    for path in _named(folder, _DAMAGED + _NAME):
        remove_checkpoint(path)


def remove_checkpoint(path: Path) -> None:
    """Remove its parts, the mark of a whole one first; somebody else's file in its folder stays. Raises CharnnError."""
    with explained(path, "remove"):
        for name in (MANIFEST, TENSORS, VALUES):
            if not (path / name).is_dir() or (path / name).is_symlink():
                (path / name).unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            path.rmdir()


def remove_half_saved(folder: Path) -> None:
    """Remove what killed saves left half written."""
    remove_leftovers(folder, _NAME)


def remove_all(folder: Path) -> None:
    """Remove every checkpoint, and the folder if nothing else is in it."""
    for path in checkpoint_paths(folder):
        remove_checkpoint(path)
    remove_damaged(folder)
    remove_half_saved(folder)
    with suppress(OSError):  # not empty, or not there
        folder.rmdir()


def _named(folder: Path, pattern: str) -> list[Path]:
    """The folders in `folder` whose whole name matches; links are none."""
    with explained(folder, "read"):
        require_own_folder(folder)
        try:
            paths = list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [p for p in paths if fullmatch(pattern, p.name) and stat.S_ISDIR(p.lstat().st_mode)]
