"""Folders and globs as corpora: what is taken, what is left out and why."""

import os
from pathlib import Path

import pytest

from charnn.data.sources import LeftOut, Source, list_sources
from charnn.errors import CorpusError

START = '{"event": "start", "version": "0.1.0"}\n'


def listed(*names: object) -> tuple[list[str], dict[str, int]]:
    """The files' names, relative to the first folder, and what was left out."""
    left_out = LeftOut()
    sources = list_sources([str(name) for name in names], left_out)
    return [os.path.relpath(source.name, str(names[0])) for source in sources], dict(left_out)


def write(path: Path, data: str | bytes = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_what_a_folder_holds_besides_text_is_counted_by_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    write(folder / "a.txt")
    write(folder / "sub/b.txt")
    write(folder / ".hidden")
    write(folder / ".git/config")
    write(folder / "image.png", b"\0")
    write(folder / "more.txt.bz2", b"BZh9 no NUL here")
    write(folder / "checkpoints/x/metrics.jsonl", START)
    write(folder / "checkpoints/x/notes.txt")
    write(tmp_path / "elsewhere/secret.txt")
    (folder / "inside").symlink_to("a.txt")
    (folder / "outside").symlink_to("../elsewhere/secret.txt")
    (folder / "absolute").symlink_to(tmp_path / "elsewhere/secret.txt")
    (folder / "linked").symlink_to("../elsewhere")
    (folder / "nowhere").symlink_to("gone")
    os.mkfifo(folder / "fifo")
    names, left_out = listed(folder)
    assert names == ["a.txt", "inside", "sub/b.txt"]
    assert left_out == {
        "hidden": 2,
        "binary": 1,
        "compressed": 1,
        "a run of charnn": 1,
        "a link out of the folder": 2,
        "linked folder": 1,
        "not a regular file": 2,
    }


def test_a_wide_text_in_a_folder_is_told_from_what_is_binary(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    write(tmp_path / "b.txt", "a wide text".encode("utf-16"))
    write(tmp_path / "c.txt", "a wide text".encode("utf-16-be"))
    write(tmp_path / "d", bytes(range(256)))
    names, left_out = listed(tmp_path)
    assert names == ["a.txt"] and left_out == {
        "in utf-16, to be named, with --encoding utf-16": 1,
        "in utf-16-be, to be named, with --encoding utf-16-be": 1,
        "binary": 1,
    }


def test_a_linked_folder_that_is_named_is_read(tmp_path: Path) -> None:
    write(tmp_path / "real/a.txt")
    (tmp_path / "real/b.txt").symlink_to("a.txt")
    (tmp_path / "link").symlink_to("real")
    assert listed(tmp_path / "link") == (["a.txt", "b.txt"], {})


def test_a_run_is_never_corpus_and_metrics_of_another_kind_are(tmp_path: Path) -> None:
    write(tmp_path / "run/metrics.jsonl", START)
    write(tmp_path / "run/resume/step-1/manifest.json")
    with pytest.raises(CorpusError, match=r"no text files .*1 a run of charnn"):
        listed(tmp_path)
    with pytest.raises(CorpusError, match="no text files"):
        listed(tmp_path / "run")
    for other in ('{"loss": 1}\n', "step,loss\n", "[" * 5000, "", '"start"'):
        write(tmp_path / "other/metrics.jsonl", other)
        assert listed(tmp_path)[0] == ["other/metrics.jsonl"]
    assert list_sources([str(tmp_path / "run/metrics.jsonl")])[0].name.endswith("metrics.jsonl")


@pytest.mark.parametrize("folder", ["[2020] b", "a*b", "who?", "[x]/[y]"])
def test_a_glob_in_a_folder_whose_name_has_a_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    write(tmp_path / folder / "1.txt")
    write(tmp_path / folder / "sub/2.txt")
    pattern = str(tmp_path / folder / "*.txt")
    assert [Path(source.name).name for source in list_sources([pattern])] == ["1.txt"]
    assert len(list_sources([str(tmp_path / folder / "**/*.txt")])) == 2
    monkeypatch.chdir(tmp_path)
    assert list_sources([f"{folder}/?.txt"]) == [Source(f"{folder}/1.txt")]


def test_a_pattern_of_folders_still_is_one(tmp_path: Path) -> None:
    for name in ("a1/x.txt", "a2/x.txt", "b/x.txt"):
        write(tmp_path / name)
    assert listed(tmp_path, tmp_path / "a[12]/*.txt")[0] == [
        "a1/x.txt",
        "a2/x.txt",
        "b/x.txt",
        "a1/x.txt",
        "a2/x.txt",
    ]


@pytest.mark.parametrize("pattern", ["**", "**/*", "*/../**"])
def test_a_file_that_a_pattern_finds_twice_is_read_once(tmp_path: Path, pattern: str) -> None:
    write(tmp_path / "sub/b.txt")
    write(tmp_path / "a.txt")
    assert listed(tmp_path, tmp_path / pattern)[0] == ["a.txt", "sub/b.txt"] * 2


@pytest.mark.parametrize("pattern", ["*", "**", "**/*", "*/*/*", "*/*/metrics.jsonl"])
def test_a_pattern_finds_no_run_below_it(tmp_path: Path, pattern: str) -> None:
    write(tmp_path / "a.txt")
    write(tmp_path / "b/c/d.txt")
    write(tmp_path / "b/c/metrics.jsonl", "a table")
    write(tmp_path / "checkpoints/x/metrics.jsonl", START)
    write(tmp_path / "checkpoints/x/model.safetensors", b"\0")
    left_out = LeftOut()
    found = list_sources([str(tmp_path / pattern)], left_out)
    assert found and not any("checkpoints" in source.name for source in found)
    assert left_out == {"a run of charnn": 1}


def test_a_pattern_in_a_run_finds_the_texts_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "metrics.jsonl", START)
    write(tmp_path / "a.txt")
    assert len(list_sources([str(tmp_path / "*.txt")])) == 1


def test_a_shell_may_name_the_folder_of_runs_beside_the_texts(tmp_path: Path) -> None:
    """`charnn train *`, the second time; and a folder that is still empty, of a pattern of charnn's own."""
    write(tmp_path / "a.txt")
    (tmp_path / "new").mkdir()
    assert len(list_sources([str(tmp_path / "*")])) == 1
    write(tmp_path / "checkpoints/x/metrics.jsonl", START)
    left_out = LeftOut()
    found = list_sources([str(tmp_path / "a.txt"), str(tmp_path / "checkpoints")], left_out)
    assert len(found) == 1 and left_out == {"a run of charnn": 1}


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    Path(os.fsdecode(name)).write_text("text")
    assert [source.name for source in list_sources([str(tmp_path)])] == [os.fsdecode(name)]
    assert [source.name for source in list_sources([f"{tmp_path}/caf*"])] == [os.fsdecode(name)]
