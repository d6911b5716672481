import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charnn.cli.cache import cache
from charnn.config import Errors
from charnn.data import encode
from charnn.data.cache import EncodedText, cache_folder, cached_texts, clear_cache, open_encoded
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
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(1, 7))
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
    with pytest.raises(InputError, match="--errors ignore"):
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


def test_what_a_killed_process_left_is_removed_and_a_living_ones_is_not(corpus: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    texts = cache_folder() / "texts"
    left, living, elsewhere, stale = (
        texts / f".tmp-{pid}-0123-{host}"
        for pid, host in (
            (dead.pid, platform.node()),
            (os.getpid(), platform.node()),
            (dead.pid, "else-where"),
            (dead.pid, "long-gone"),
        )
    )
    for folder in (left, living, elsewhere, stale):
        folder.mkdir(parents=True)
    os.utime(stale, (OLD, OLD))
    encode_text([str(corpus)])
    assert [folder.exists() for folder in (left, living, elsewhere, stale)] == [False, True, True, False]
    assert len(cached_texts()) == 1


def encode_in_child(name: str, barrier: Barrier) -> str:
    barrier.wait()
    return encode_text([name], chunk_size=100).sha256


def test_two_processes_may_encode_the_same_text_at_once(tmp_path: Path) -> None:
    name = str(write(tmp_path / "x", ("To be, or not to be " + WIDE) * 100))
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(2) as pool:
        barrier = manager.Barrier(2)
        hashes = pool.starmap(encode_in_child, [(name, barrier)] * 2)
    assert hashes == [encode_text([name]).sha256] * 2
    assert [path.name for path in (cache_folder() / "texts").iterdir()] == [hashes[0]]


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
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "CharnnError: cannot write the cache in" in result.stderr
    assert list((cache_folder() / "texts").iterdir()) == []


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
