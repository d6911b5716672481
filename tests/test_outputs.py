"""What a user names as an output is written as any program would write it."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cli import environment

from charnn.errors import CharnnError, InputError
from charnn.outputs import is_stdout, write_output


def test_a_regular_file_is_replaced_as_a_whole_and_keeps_its_permissions(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_bytes(b"a longer old one")
    page.chmod(0o604)
    write_output(page, [b"new ", b"page"])
    assert page.read_bytes() == b"new page"
    assert stat.S_IMODE(page.stat().st_mode) == 0o604
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_is_followed(tmp_path: Path, is_there: bool) -> None:
    target, link = tmp_path / "elsewhere" / "page", tmp_path / "link"
    target.parent.mkdir()
    if is_there:
        target.write_bytes(b"old")
    link.symlink_to("elsewhere/page")
    write_output(link, [b"new"])
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_output(pipe, [b"new ", b"page"])
    reader.join()
    assert read == [b"new page"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_to(tmp_path: Path) -> None:
    before = Path("/dev/null").stat()
    write_output("/dev/null", [b"page"])
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    write_output(link, [b"page"])
    after = Path("/dev/null").stat()
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    with pytest.raises(CharnnError, match="cannot write /dev/full: No space left on device"):
        write_output("/dev/full", [b"page"])


SCRIPT = "import sys; from charnn.outputs import write_output\nprint('before')\nwrite_output(sys.argv[1], [b'page\\n'])"


def _run(name: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", SCRIPT, name], env=environment(), check=True, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_any_name_follows_what_was_written_before(tmp_path: Path, name: str) -> None:
    assert is_stdout(name)
    assert _run(name, stdout=subprocess.PIPE).stdout == b"before\npage\n"
    with (tmp_path / "out").open("wb") as out:
        _run(name, stdout=out)
    assert (tmp_path / "out").read_bytes() == b"before\npage\n"


def test_an_open_file_by_its_number(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        _run(f"/dev/fd/{out.fileno()}", pass_fds=[out.fileno()], stdout=subprocess.DEVNULL)
    assert (tmp_path / "out").read_bytes() == b"page\n"


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("ö" * 127)
    write_output(path, [b"page"])
    assert path.read_bytes() == b"page"


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xfe.html")
    write_output(path, [b"page"])
    assert path.read_bytes() == b"page"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (lambda folder: "", InputError, "cannot write to '': give a file's name"),
        (lambda folder: str(folder), InputError, "it is a folder; give a file's name"),
        (lambda folder: str(folder / "none" / "page"), CharnnError, "page: No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    tmp_path: Path, name: Callable[[Path], str], error: type[CharnnError], message: str
) -> None:
    with pytest.raises(error, match=message):
        write_output(name(tmp_path), [b"page"])
    assert list(tmp_path.iterdir()) == []
