"""File systems too small for what is written to them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of `size` at `folder`, as `mount` writes sizes; skips the test where none may be mounted."""
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
    )
    if mount.returncode:
        pytest.skip("mounting a tmpfs isn't allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
