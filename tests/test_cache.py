import errno
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from typing import BinaryIO, cast

import numpy as np
import pytest
from cli import unmeasured
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charnn.cli.cache import cache
from charnn.config import Errors
from charnn.data import encode
from charnn.data.cache import EncodedText, cache_folder, cached_texts, clear_cache, open_encoded, write_all
from charnn.data.collected_texts import store_texts
from charnn.data.encode import encode_text
from charnn.errors import CharnnError, CorpusError, InputError

OLD = 1_000_000_000  # seconds; a file this old is settled
WIDE = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write(tmp_path / "corpus.txt", "abracadabra\n")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (OLD, OLD))
    return path


def decoded(encoded: EncodedText) -> str:
    return "".join(encoded.characters[i] for i in encoded.ids)


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the corpus was read again")

    monkeypatch.setattr(encode, "read_corpus", fail)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300),
    st.integers(1, 7),
)
def test_any_chunk_size_gives_the_encoding_of_the_whole(tmp_path: Path, text: str, size: int) -> None:
    text = text.lstrip("\ufeff")
    (tmp_path / "x").write_bytes(text.encode())
    whole = encode_text([str(tmp_path / "x")])
    shutil.rmtree(cache_folder())
    cut = encode_text([str(tmp_path / "x")], chunk_size=size)
    assert decoded(whole) == decoded(cut) == text
    assert np.array_equal(whole.ids, cut.ids)
    assert (whole.characters, whole.sha256) == (cut.characters, cut.sha256)
    assert cut.counts.tolist() == [text.count(character) for character in cut.characters]


@pytest.mark.parametrize(("distinct", "kind"), [(256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")])
def test_ids_take_the_smallest_type_that_holds_the_alphabet(tmp_path: Path, distinct: int, kind: str) -> None:
    text = "aab" + "".join(map(chr, range(0x10000, 0x10000 + distinct - 2)))
    encoded = encode_text([str(write(tmp_path / "x", text))], chunk_size=1000)
    assert encoded.ids.dtype == kind
    assert decoded(encoded) == text


def test_an_unchanged_corpus_is_not_read_again(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encode_text([str(corpus)])
    forbid_reading(monkeypatch)
    assert decoded(encode_text([str(corpus)])) == decoded(first)


def test_a_changed_or_fresh_corpus_is_read_again(corpus: Path) -> None:
    encode_text([str(corpus)])
    for text in ("ABRACADABRA\n", "xbracadabra\n"):  # of the same size; too new for its time to be trusted
        corpus.write_text(text)
        assert decoded(encode_text([str(corpus)])) == text


def test_another_text_of_the_same_size_and_time_is_read_again(corpus: Path, tmp_path: Path) -> None:
    encode_text([str(corpus)])
    corpus.write_text("ABRACADABRA\n")
    os.utime(corpus, (OLD, OLD))
    assert decoded(encode_text([str(corpus)])) == "ABRACADABRA\n"
    write(tmp_path / "other", "xyzzyxyzzyx\n").replace(corpus)
    assert decoded(encode_text([str(corpus)])) == "xyzzyxyzzyx\n"


def test_options_of_reading_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a\xffb")
    os.utime(tmp_path / "x", (OLD, OLD))
    names = [str(tmp_path / "x")] * 2
    for _ in range(2):
        replaced = encode_text(names, errors="replace", separator="--")
        assert (decoded(replaced), replaced.replaced) == ("a\ufffdb--a\ufffdb", 2)
    literal = encode_text([str(write(tmp_path / "y", "a\ufffdb--a\ufffdb"))])
    assert (literal.sha256, literal.replaced) == (replaced.sha256, 0)
    with pytest.raises(CorpusError):
        encode_text(names, separator="--")
    with pytest.raises(InputError, match="separator"):
        encode_text(names, separator="\udcff")
    with pytest.raises(InputError, match="--errors 'ignore'"):
        encode_text(names, errors=cast(Errors, "ignore"))


def test_progress_is_told_at_every_chunk(tmp_path: Path) -> None:
    names = [str(write(tmp_path / name, "x" * 30_000)) for name in "ab"]
    seen: list[tuple[int, int | None]] = []
    encode_text(names, progress=lambda done, total: seen.append((done, total)), chunk_size=10_000)
    assert seen[-1] == (60_000, 60_000)
    assert seen == sorted(seen) and len(seen) > 6


def damage_cut(folder: Path) -> None:
    os.truncate(folder / "ids.bin", 5)


def damage_flip(folder: Path) -> None:
    data = (folder / "ids.bin").read_bytes()
    (folder / "ids.bin").write_bytes(bytes([data[0] ^ 1]) + data[1:])


def damage_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("[" * 100_000)


def damage_version(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"version": 0}))


def damage_ids(folder: Path) -> None:
    (folder / "ids.bin").unlink()


@pytest.mark.parametrize("damage", [damage_cut, damage_flip, damage_meta, damage_version, damage_ids])
def test_a_damaged_entry_is_noticed_and_encoded_anew(corpus: Path, damage: Callable[[Path], None]) -> None:
    sha256 = encode_text([str(corpus)]).sha256
    assert open_encoded(sha256) is not None
    damage(cache_folder() / "texts" / sha256)
    assert open_encoded(sha256) is None
    assert decoded(encode_text([str(corpus)])) == "abracadabra\n"


def test_what_fails_or_is_interrupted_leaves_nothing(corpus: Path, cache_home: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_text([str(corpus)], progress=interrupt)
    corpus.write_bytes(b"ab" * 1000 + b"\xff")
    with pytest.raises(CorpusError):
        encode_text([str(corpus)])
    assert [path for path in cache_home.rglob("*") if path.is_file()] == []


ENCODING = """
import sys
from charnn.data.cache import temporary_entry
with temporary_entry() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


def encoding() -> tuple[subprocess.Popen[str], Path]:
    """A process that is encoding a text, and the folder that it does it in."""
    child = subprocess.Popen(
        [sys.executable, "-c", ENCODING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    return child, Path(child.stdout.readline().strip())


def test_what_a_killed_process_left_is_removed_and_a_living_ones_never_is(corpus: Path) -> None:
    dead, left = encoding()
    living, held = encoding()
    try:
        dead.kill()
        dead.communicate()
        os.utime(held, (OLD, OLD))  # however long it takes
        encode_text([str(corpus)])
        assert [folder.exists() for folder in (left, held)] == [False, True]
        clear_cache()
        assert held.exists() and cached_texts() == []
    finally:
        living.communicate("")
    assert living.returncode == 0 and not held.exists()


@pytest.mark.skipif(not Path("/usr/bin/unshare").exists(), reason="no unshare here")
def test_a_living_process_of_another_numbering_is_left_alone(corpus: Path) -> None:
    living, held = encoding()
    script = f"from charnn.data.encode import encode_text; encode_text([{str(corpus)!r}])"
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", sys.executable, "-c", script]
    ended = subprocess.run(command, capture_output=True, check=False)
    still_there = held.exists()
    living.communicate("")
    if b"unshare" in ended.stderr:
        pytest.skip("unshare isn't allowed here")
    assert ended.returncode == 0 and still_there


def encode_in_child(name: str, barrier: Barrier) -> str:
    barrier.wait()
    return encode_text([name], chunk_size=100).sha256


def clear_in_child(barrier: Barrier) -> str:
    barrier.wait()
    clear_cache()
    return ""


def test_processes_may_encode_the_same_text_and_clear_the_cache_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(5) as pool:
        barrier = manager.Barrier(5)
        for i in range(8):
            name = str(write(tmp_path / f"{i}", ("To be, or not to be " + WIDE + str(i)) * 100))
            jobs = [pool.apply_async(encode_in_child, (name, barrier)) for _ in range(4)]
            jobs.append(pool.apply_async(clear_in_child, (barrier,)))
            hashes = {job.get() for job in jobs} - {""}
            assert hashes == {encode_text([name]).sha256}
    assert not list((cache_folder() / "texts").glob(".tmp-*"))


def test_a_cache_that_cannot_be_written_is_one_line(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(corpus))
    with pytest.raises(
        CharnnError, match=r"^cannot write the cache in [^\n]*corpus\.txt/charnn.*XDG_CACHE_HOME"
    ) as e:
        encode_text([str(corpus)])
    assert e.value.exit_code == 1


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    name = write(tmp_path / "x", "0123456789" * 100_000)
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        f"from charnn.data.encode import encode_text; encode_text([{str(name)!r}])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=unmeasured()
    )
    assert "CharnnError: cannot write the cache in" in result.stderr
    assert list((cache_folder() / "texts").iterdir()) == []


def test_clearing_names_what_was_piped_in(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_text([str(corpus)])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"piped in")))
    sha256 = encode_text(["-"]).sha256
    cache()
    assert "standard input" in capsys.readouterr().out
    cache(clear=True)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "piped" in line]
    assert sha256[:12] in line and "8 characters" in line


def test_no_line_is_longer_than_a_screen_can_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encode_text([str(write(tmp_path / f"{i:0200}", "text")) for i in range(50)])
    cache()
    line = capsys.readouterr().out.splitlines()[-1]
    assert len(line) <= 500


def test_nobody_else_may_read_the_cache(corpus: Path, cache_home: Path) -> None:
    before = os.umask(0)
    try:
        (cache_home / "charnn").mkdir(mode=0o777)
        encode_text([str(corpus)], documents="lines")
        encode_text([str(store_texts(["one", "two"]))], documents="records")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in cache_home.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {path.stat().st_mode & 0o777 for path in cache_home.rglob("*") if path.is_dir()} == {0o700}


def test_a_short_write_is_carried_on_with() -> None:
    class Short:
        taken = b""

        def write(self, data: memoryview) -> int:
            self.taken += bytes(data[:3])
            return min(len(data), 3)

    file = Short()
    write_all(cast(BinaryIO, file), np.arange(5, dtype="<u2").data)
    assert file.taken == np.arange(5, dtype="<u2").tobytes()


@pytest.mark.parametrize("most", [4096, 99_999, 100_001, 500_000, 999_999])
def test_a_limit_on_the_files_size_is_named_wherever_it_strikes(tmp_path: Path, most: int) -> None:
    name = write(tmp_path / "x", "0123456789" * 100_000)
    script = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))\n"
        f"from charnn.data.encode import encode_text; encode_text([{str(name)!r}])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=unmeasured()
    )
    assert "File too large (see ulimit -f)" in result.stderr.splitlines()[-1]
    assert list((cache_folder() / "texts").iterdir()) == []


def test_an_index_that_cannot_be_written_ends_nothing(corpus: Path, cache_home: Path) -> None:
    (cache_home / "charnn/sources").mkdir(parents=True)
    key = cache_home / "charnn/sources"
    encode_text([str(corpus)])
    (note,) = key.iterdir()
    note.unlink()
    note.mkdir()  # nothing can be written under its name
    clear = cache_folder() / "texts"
    shutil.rmtree(clear)
    assert decoded(encode_text([str(corpus)])) == "abracadabra\n"


def test_what_cannot_be_read_is_not_taken_for_damaged(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encode_text([str(corpus)])
    meta = cache_folder() / "texts" / encoded.sha256 / "meta.json"
    before = meta.stat().st_ino
    real = os.open

    def failing(path: str, *rest: int, **more: int) -> int:
        if str(path).endswith("meta.json"):
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", failing)
        with pytest.raises(CharnnError, match=r"cannot read the cached text .*Input/output error"):
            encode_text([str(corpus)])
    assert meta.stat().st_ino == before and open_encoded(encoded.sha256)


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("relative/folder", ".", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_folder() == tmp_path / ".cache" / "charnn"


def test_clearing_leaves_open_texts_readable(corpus: Path) -> None:
    encoded = encode_text([str(corpus)])
    clear_cache()
    clear_cache()
    assert cached_texts() == []
    assert decoded(encoded) == "abracadabra\n"


def test_the_command_shows_and_clears(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache()
    shown = capsys.readouterr()
    assert shown.out == "" and f"the cache in {cache_folder()} is empty" in shown.err
    named = corpus.rename(corpus.with_name("[red]\x1b.txt"))
    sha256 = encode_text([str(named)]).sha256
    cache()
    shown = capsys.readouterr()
    assert sha256[:12] in shown.out and "[red]\\x1b.txt" in shown.out and str(cache_folder()) in shown.err
    cache(clear=True)
    assert "cleared 1" in capsys.readouterr().err
    assert cached_texts() == []


def test_without_xdg_the_cache_is_under_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "charnn"


def test_texts_that_only_the_cache_holds_are_named_when_it_is_cleared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sha256 = encode_text([str(store_texts(["one", "two"]))], documents="records").sha256
    cache(clear=True)
    assert f"{sha256[:12]}, 9 characters, was given to charnn.train as texts" in capsys.readouterr().err
