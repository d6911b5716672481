import os
import subprocess
from pathlib import Path

import pytest
from cli import CHARNN, environment

from charnn.config import TrainOptions
from charnn.errors import CharnnError, InputError
from charnn.files import folder_lock
from charnn.storage.description import describe
from charnn.storage.run_folder import RunFolder
from charnn.training.run_lock import absolute_sources, choose_folder, lock_run, run_name


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_run(path: str) -> RunFolder:
    folder = RunFolder(Path(path))
    folder.path.mkdir(parents=True)
    folder.metrics.write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        ([], "bundled"),
        (["-"], "stdin"),
        (["dir/shakespeare.txt", "other.txt"], "shakespeare"),
        (["shakespeare.txt.gz"], "shakespeare"),
        (["books.zip"], "books"),
        (["notes"], "notes"),
        (["books/"], "books"),
        (["*.py"], "corpus"),
        (["src/*"], "corpus"),
        (["https://example.org/a/war.txt.xz?raw=1"], "war"),
        (["https://example.org/"], "example"),
        (["two words [x].txt"], "two_words_x"),
        (["Überraschung.txt"], "Überraschung"),
        ([".."], "corpus"),
        (["\x1b[31m.txt"], "31m"),
    ],
)
def test_a_run_is_named_after_its_first_corpus(sources: list[str], name: str) -> None:
    assert run_name(sources) == name


def test_sources_are_remembered_by_absolute_path(home: Path) -> None:
    given = ["a.txt", "-", "s3://bucket/key", "/b/../c", "*.txt"]
    assert absolute_sources(given) == (f"{home}/a.txt", "-", "s3://bucket/key", "/c", f"{home}/*.txt")


def test_no_source_is_the_bundled_corpus() -> None:
    (source,) = absolute_sources([])
    assert Path(source).is_file()


def test_the_default_folder_is_the_first_free_one() -> None:
    assert choose_folder(["a.txt"], {}).path == Path("checkpoints/a")
    make_run("checkpoints/a")
    assert choose_folder(["a.txt"], {}).path == Path("checkpoints/a-2")


def test_a_folder_given_that_holds_a_run_is_refused_with_the_remedy() -> None:
    make_run("mine")
    with pytest.raises(
        InputError, match=r"mine already holds a run; add --resume or --overwrite, or .*--out"
    ):
        choose_folder([], {"out": "mine"})
    assert choose_folder([], {"out": "mine", "overwrite": True}).path == Path("mine")


def test_a_folder_that_holds_other_things_is_taken(home: Path) -> None:
    (home / "notes.txt").write_bytes(b"")
    assert choose_folder([], {"out": str(home)}).path == home


def test_a_file_is_no_folder(home: Path) -> None:
    (home / "file").write_bytes(b"")
    with pytest.raises(InputError, match="file is not a folder; choose another --out"):
        choose_folder([], {"out": "file"})


def test_resuming_takes_the_newest_run_or_the_one_named() -> None:
    os.utime(make_run("checkpoints/old").metrics, ns=(0, 10**18))
    os.utime(make_run("checkpoints/new").metrics, ns=(0, 2 * 10**18))
    assert choose_folder([], {"resume": True}).path == Path("checkpoints/new")
    assert choose_folder([], {"resume": True, "out": "checkpoints/old"}).path == Path("checkpoints/old")


@pytest.mark.parametrize("options", [{"resume": True}, {"resume": True, "out": "none"}])
def test_nothing_to_resume_is_bad_usage(options: TrainOptions) -> None:
    with pytest.raises(InputError, match="no run to resume"):
        choose_folder([], options)


@pytest.mark.parametrize(("options", "dry_run"), [({"out": "checkpoints/a"}, False), ({}, True)])
def test_nothing_is_written_until_a_folder_is_taken(home: Path, options: TrainOptions, dry_run: bool) -> None:
    with lock_run(["a.txt"], options, dry_run=dry_run) as run_lock:
        assert list(home.iterdir()) == []
        run_lock.take()
        assert (home / "checkpoints" / "a").is_dir()
        with pytest.raises(InputError, match="in use by another run"), folder_lock(run_lock.folder.path):
            pass
    with folder_lock(home / "checkpoints" / "a"):
        pass


def test_a_default_name_is_taken_when_it_is_chosen(home: Path) -> None:
    with (
        lock_run(["a.txt"], {}) as first,
        lock_run(["a.txt"], {}) as second,
        lock_run(["a.txt"], {}) as third,
    ):
        names = [run_lock.folder.path.name for run_lock in (first, second, third)]
        assert names == ["a", "a-2", "a-3"]
        second.take()
        second.folder.metrics.write_text("begun")
    assert [path.name for path in (home / "checkpoints").iterdir()] == ["a-2"]


def test_a_folder_that_nothing_came_into_goes_again(home: Path) -> None:
    with pytest.raises(KeyError), lock_run(["a.txt"], {}):
        raise KeyError
    assert list(home.iterdir()) == []


def test_a_folder_in_use_is_refused_before_anything_is_read() -> None:
    folder = make_run("mine")
    with (
        folder_lock(folder.path),
        pytest.raises(InputError, match="mine is in use by another run"),
        lock_run(["none.txt"], {"out": "mine", "resume": True}),
    ):
        pass


def test_a_folder_that_another_run_filled_meanwhile_is_refused() -> None:
    with lock_run([], {"out": "mine"}) as run_lock:
        make_run("mine")
        with pytest.raises(InputError, match="mine already holds a run"):
            run_lock.take()


def test_taking_removes_what_a_killed_run_left() -> None:
    folder = make_run("mine")
    leftover = folder.path / ".tmp-model.safetensors-0123abcd"
    leftover.write_bytes(b"")
    with lock_run([], {"out": "mine", "resume": True}) as run_lock:
        assert leftover.exists()
        run_lock.take()
    assert not leftover.exists()


def test_a_folder_that_cannot_be_written_is_an_error_of_the_machine(home: Path) -> None:
    (home / "file").write_bytes(b"")
    with lock_run([], {"out": "file/run"}) as run_lock, pytest.raises(CharnnError) as caught:
        run_lock.take()
    assert str(caught.value) == "cannot write to file/run: Not a directory"
    assert caught.value.exit_code == 1


def test_three_runs_that_start_at_once_get_three_folders(home: Path) -> None:
    """Real processes, which all choose the default name."""
    (home / "book.txt").write_text("to be or not to be " * 40, encoding="utf-8")
    command = [*CHARNN, "train", "book.txt", "--steps", "2", "--hidden", "4", "-q"]
    env = environment(XDG_CACHE_HOME=str(home / "cache"))
    runs = [subprocess.Popen(command, cwd=home, env=env, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [child.communicate(timeout=300)[1] for child in runs]
    assert [child.returncode for child in runs] == [0, 0, 0], said
    folders = sorted(path.name for path in (home / "checkpoints").iterdir())
    assert folders == ["book", "book-2", "book-3"]
    for name in folders:
        model = home / "checkpoints" / name / "model.safetensors"
        assert describe(model).provenance["training"]["steps"] == 2
