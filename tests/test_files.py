import errno
import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli import unmeasured
from disks import small_disk
from torture import processes

from charnn import files
from charnn.errors import CharnnError, InputError
from charnn.files import (
    folder_lock,
    make_writable_folder,
    open_own_file,
    read_own_file,
    remove_leftovers,
    require_own_folder,
    require_room,
    temporary_beside,
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


def test_a_file_that_is_replaced_hands_on_its_permissions(old: Path) -> None:
    old.chmod(0o640)
    write_atomically(old, [b"new"])
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_asked_for(tmp_path: Path) -> None:
    write_atomically(tmp_path / "private", [b"new"], 0o600)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


KINDS = {
    "a symbolic link": lambda path: path.symlink_to("target"),
    "a named pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
}


@pytest.fixture(params=KINDS)
def strange(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, str]:
    """A name that isn't a regular file's, and what it is."""
    (tmp_path / "target").write_bytes(b"theirs")
    monkeypatch.chdir(tmp_path)
    path = Path("file")
    KINDS[request.param](path)
    return path, request.param


@pytest.mark.parametrize(
    "use",
    [
        lambda path: open_own_file(path),
        lambda path: open_own_file(path, "ab"),
        lambda path: read_own_file(path, BIG),
        lambda path: write_atomically(path, [b"ours"]),
    ],
    ids=["reading", "appending", "reading all", "replacing"],
)
def test_a_file_of_our_own_is_never_a_link_or_anything_but_a_file(
    strange: tuple[Path, str], use: Callable[[Path], object]
) -> None:
    path, kind = strange
    with pytest.raises(InputError, match=f"file is {kind}, not a regular file"):
        use(path)
    assert Path("target").read_bytes() == b"theirs"
    assert stat.S_IFMT(path.lstat().st_mode) != stat.S_IFREG


def test_a_link_that_comes_between_looking_and_opening_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to("target")
    monkeypatch.setattr(files, "require_own_file", lambda path: None)
    with pytest.raises(OSError, match="symbolic links"):
        open_own_file(tmp_path / "link", "ab")


def test_a_folder_of_our_own_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    require_own_folder(tmp_path / "folder")
    require_own_folder(tmp_path / "none")
    with pytest.raises(InputError, match="link is a symbolic link, not a folder"):
        require_own_folder(tmp_path / "link")


def test_a_giant_of_our_own_is_not_read(tmp_path: Path) -> None:
    giant = tmp_path / "giant"
    giant.touch()
    os.truncate(giant, 1 << 40)
    with pytest.raises(InputError, match="has 1,099,511,627,776 bytes, more than the 1,048,576"):
        read_own_file(giant, BIG)


@pytest.fixture
def refusing_sync(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """fsync of folders fails as told."""
    files._warn_once.cache_clear()
    real = os.fsync

    def refuse(number: int) -> None:
        def sync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            real(descriptor)

        monkeypatch.setattr(files.os, "fsync", sync)

    return refuse


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_syncs_no_folders_is_said_once(
    old: Path, number: int, refusing_sync: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    refusing_sync(number)
    for _ in range(3):
        write_atomically(old, [b"new"])
    assert old.read_bytes() == b"new"
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("this file system syncs no folders")


def test_a_folder_that_fails_to_sync_is_an_error(old: Path, refusing_sync: Callable[[int], None]) -> None:
    refusing_sync(errno.EIO)
    with pytest.raises(CharnnError, match=f"cannot write {old}: Input/output error"):
        write_atomically(old, [b"new"])


def test_every_new_parent_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    make_writable_folder(tmp_path / "a" / "b" / "c")
    assert sorted(synced) == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]


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
        env=unmeasured(processes.environment(old.parent)),
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


def test_leftovers_of_our_own_names_go_and_everything_else_stays(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "inside").write_bytes(b"")
    theirs = [
        ".tmp-mine",
        ".tmp-model",
        ".tmp-model-0123456",
        ".tmp-model-0123456x",
        ".tmp-other-01234567",
        "model",
    ]
    for name in (*theirs, ".tmp-model-01234567", ".tmp-7-01234567/part", ".tmp-7-9876543x/cv.tex"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".tmp-model-89abcdef").symlink_to(target)
    remove_leftovers(tmp_path, r"model|\d")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([*theirs, "target", ".tmp-7-9876543x", ".tmp-model-89abcdef"])
    assert (target / "inside").exists()


def test_leftovers_behind_a_link_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / ".tmp-model-01234567").write_bytes(b"")
    (tmp_path / "link").symlink_to("theirs")
    remove_leftovers(tmp_path / "link", "model")
    assert list((tmp_path / "theirs").iterdir()) != []


def test_what_is_on_its_way_to_a_name_is_a_leftover_of_it(tmp_path: Path) -> None:
    temporary_beside(tmp_path / "model").write_bytes(b"")
    remove_leftovers(tmp_path, "model")
    assert list(tmp_path.iterdir()) == []


def test_there_are_no_leftovers_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "none", "model")
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_is_a_file_of_our_own(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("target").write_bytes(b"theirs")
    KINDS[kind](Path(".lock"))
    with pytest.raises(InputError, match=f"lock is {kind}, not a regular file"), folder_lock(Path()):
        pass
    assert Path("target").read_bytes() == b"theirs"


def test_somebody_elses_lock_file_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_bytes(b"theirs")
    with folder_lock(tmp_path):
        pass
    assert (tmp_path / ".lock").read_bytes() == b"theirs"


def test_a_lock_that_fails_to_be_given_back_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def fail(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_UN:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor, operation)

    with monkeypatch.context() as patch, folder_lock(tmp_path):
        patch.setattr(fcntl, "flock", fail)


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_is_said_once(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files._warn_once.cache_clear()
    monkeypatch.setattr(fcntl, "flock", _failing(number))
    for _ in range(2):
        with folder_lock(tmp_path):
            pass
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("this file system has no locks")
