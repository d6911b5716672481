import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import small_disk
from torture import processes

from charnn import files
from charnn.errors import CharnnError, InputError
from charnn.files import (
    TEMPORARY_PREFIX,
    folder_lock,
    make_writable_folder,
    remove_leftovers,
    require_room,
    write_atomically,
)

BIG = 1 << 20


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


def _failing(number: int) -> object:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_writing_replaces_the_file_and_leaves_nothing_beside_it(old: Path) -> None:
    write_atomically(old, [b"new ", b"content"])
    assert old.read_bytes() == b"new content"
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_failed_write_leaves_the_old_file_and_says_which_and_why(
    old: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.os, "fsync", _failing(number))
    with pytest.raises(CharnnError) as caught:
        write_atomically(old, [b"new"])
    assert str(caught.value) == f"cannot write {old}: {os.strerror(number)}"
    assert caught.value.exit_code == 1
    assert old.read_bytes() == b"old"
    assert list(old.parent.iterdir()) == [old]


def test_an_interrupt_in_the_middle_of_a_write_leaves_the_old_file(old: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(old, chunks())
    assert old.read_bytes() == b"old"
    assert list(old.parent.iterdir()) == [old]


def test_a_file_is_synced_before_its_name_and_its_name_before_we_go_on(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(descriptor: int) -> None:
        calls.append(f"fsync {'folder' if Path(f'/proc/self/fd/{descriptor}').is_dir() else 'file'}")
        real_sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        calls.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(files.os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    write_atomically(old, [b"new"])
    assert calls == ["fsync file", "rename", "fsync folder"]


def test_a_limit_on_file_sizes_is_an_error_that_names_the_file(old: Path) -> None:
    """`ulimit -f`: the system sends SIGXFSZ, which Python ignores, and EFBIG."""
    script = (
        "import resource, sys; from pathlib import Path; from charnn.files import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_atomically(Path(sys.argv[1]), [bytes(5000)])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(old)],
        env=processes.environment(old.parent),
        capture_output=True,
        text=True,
    )
    assert f"CharnnError: cannot write {old}: File too large" in run.stderr
    assert old.read_bytes() == b"old"
    assert list(old.parent.iterdir()) == [old]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    with small_disk(tmp_path / "disk", "1m") as folder:
        yield folder


def test_a_full_disk_keeps_the_old_file(disk: Path) -> None:
    path = disk / "file"
    write_atomically(path, [bytes(BIG // 2)])
    with pytest.raises(CharnnError, match=f"cannot write {path}: No space left on device"):
        write_atomically(path, [b"x" * BIG])
    assert path.read_bytes() == bytes(BIG // 2)
    assert list(disk.iterdir()) == [path]


def test_leftovers_go_and_everything_else_stays(tmp_path: Path) -> None:
    kept, target = tmp_path / "model", tmp_path / "target"
    kept.write_bytes(b"")
    target.mkdir()
    (target / "inside").write_bytes(b"")
    (tmp_path / f"{TEMPORARY_PREFIX}file").write_bytes(b"")
    (tmp_path / f"{TEMPORARY_PREFIX}folder").mkdir()
    (tmp_path / f"{TEMPORARY_PREFIX}folder" / "part").write_bytes(b"")
    (tmp_path / f"{TEMPORARY_PREFIX}link").symlink_to(target)
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == [kept, target]
    assert (target / "inside").exists()


def test_there_are_no_leftovers_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    make_writable_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_below_a_file_is_refused(old: Path) -> None:
    with pytest.raises(CharnnError) as caught:
        make_writable_folder(old / "run")
    assert str(caught.value) == f"cannot write to {old / 'run'}: Not a directory"


def test_a_read_only_folder_is_refused(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(CharnnError, match=f"cannot write to {disk}: Read-only file system"):
        make_writable_folder(disk)


def test_room_is_required_before_it_is_needed(tmp_path: Path) -> None:
    require_room(tmp_path, 1)
    with pytest.raises(
        CharnnError, match=f"not enough room under {tmp_path}: .* MB needed, .* MB free; free"
    ):
        require_room(tmp_path, 10**18)


def _holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds `folder` until it is killed."""
    script = (
        "import sys, time; from pathlib import Path; from charnn.files import folder_lock\n"
        "with folder_lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        env=processes.environment(folder),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_held_folder_is_refused_at_once_and_freed_when_its_owner_is_killed(tmp_path: Path) -> None:
    with _holder(tmp_path) as owner:
        try:
            with (
                pytest.raises(InputError, match=f"{tmp_path} is in use by another run"),
                folder_lock(tmp_path),
            ):
                pass
        finally:
            owner.kill()
    with folder_lock(tmp_path):
        pass


def test_a_lock_is_freed_at_the_end_of_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with folder_lock(tmp_path):
            pass


def test_a_folder_that_cannot_hold_a_lock_is_an_error_of_one_line(old: Path) -> None:
    with pytest.raises(CharnnError, match=f"cannot lock {old}: "), folder_lock(old):
        pass
