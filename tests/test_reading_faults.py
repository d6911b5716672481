"""Each file operation of reading a corpus fails once: the error names the thing, and nothing that was good is lost.

(`make torture` does so at the system's calls, for whole commands.)
"""

import errno
import os
import sys
from pathlib import Path

import pytest

from charnn.data.cache import cached_texts
from charnn.data.encode import encode_text
from charnn.errors import CharnnError

TEXT = "to be or not to be\n" * 50
OLD = 1_000_000_000  # seconds; a file this old is settled


class Faults:
    """An audit hook that makes the `number`-th operation on a file below `folder` fail; they can't be removed."""

    EVENTS = ("open", "os.scandir", "os.mkdir", "os.rename", "os.chmod", "os.remove", "mmap.__new__")

    def __init__(self) -> None:
        self.folder: str | None = None
        self.error = 0
        self.number = self.count = 0
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple) -> None:
        if self.folder is None or event not in self.EVENTS:
            return
        path = str(arguments[0])
        if event != "mmap.__new__" and not path.startswith(self.folder):
            return
        self.count += 1
        if self.count == self.number:
            raise OSError(self.error, os.strerror(self.error), path)


FAULTS = Faults()


def read(corpus: Path) -> str:
    encoded = encode_text([str(corpus)])
    return "".join(encoded.characters[i] for i in encoded.ids)


def disturbed(corpus: Path, folder: Path, number: int, error: int) -> str | CharnnError:
    """What reading comes to when an operation fails."""
    FAULTS.count, FAULTS.number, FAULTS.error, FAULTS.folder = 0, number, error, str(folder)
    try:
        return read(corpus)
    except CharnnError as complaint:
        return complaint
    finally:
        FAULTS.folder = None


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.ENFILE], ids=["EIO", "EACCES", "ENFILE"])
@pytest.mark.parametrize("is_cached", [False, True])
def test_every_operation_may_fail_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, is_cached: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    corpus = tmp_path / "texts"
    corpus.mkdir()
    for name in ("a.txt", "b.txt"):
        (corpus / name).write_text(TEXT)
        os.utime(corpus / name, (OLD, OLD))
    number = told = 0
    while True:
        number += 1
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-{number}"))
        if is_cached:
            read(corpus)
        before = [text.sha256 for text in cached_texts()]
        came = disturbed(corpus, tmp_path, number, error)
        if FAULTS.count < number:  # there were no more
            break
        if isinstance(came, CharnnError):
            told += 1
            assert os.strerror(error) in str(came) and str(tmp_path) in str(came), came
            assert "\n" not in str(came)
        else:
            assert came == TEXT * 2
        assert [text.sha256 for text in cached_texts()][: len(before)] == before
        assert read(corpus) == TEXT * 2
    assert number > (5 if is_cached else 15) and told > 2
