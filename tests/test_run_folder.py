import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from charnn.errors import CharnnError, InputError
from charnn.storage.run_folder import (
    MAX_LINE,
    MetricsLog,
    RunFolder,
    default_folders,
    newest_first,
    started_config,
)


def make_run(root: Path, name: str, modified: int = 0) -> RunFolder:
    folder = RunFolder(root / name)
    folder.path.mkdir(parents=True)
    folder.metrics.write_bytes(b"")
    os.utime(folder.metrics, ns=(modified, modified))
    return folder


def records(log: MetricsLog) -> list[Any]:
    return [json.loads(line) for line in log.path.read_bytes().splitlines()]


@pytest.mark.parametrize("part", ["model", "metrics", "resume"])
def test_any_part_of_a_run_makes_a_folder_hold_one(tmp_path: Path, part: str) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / ".lock").write_bytes(b"")
    assert not folder.holds_a_run
    getattr(folder, part).write_bytes(b"")
    assert folder.holds_a_run


def test_clearing_removes_the_run_and_its_leftovers_and_nothing_else(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "run")
    folder.model.write_bytes(b"")
    (folder.resume / "0000000001-0").mkdir(parents=True)
    (folder.path / ".tmp-model.safetensors-0123abcd").write_bytes(b"")
    (folder.path / "notes.txt").write_bytes(b"mine")
    folder.clear()
    assert not folder.holds_a_run
    assert [p.name for p in folder.path.iterdir()] == ["notes.txt"]


def test_names_that_are_free(tmp_path: Path) -> None:
    def free() -> Path:
        return next(default_folders("a", tmp_path)).path

    assert free() == tmp_path / "a"
    make_run(tmp_path, "a")
    make_run(tmp_path, "a-3")
    (tmp_path / "a-2").mkdir()  # no run in it
    assert free() == tmp_path / "a-2"
    (tmp_path / "a-2" / "resume").symlink_to("nowhere")  # taken all the same
    assert free() == tmp_path / "a-4"


def test_the_newest_run_is_the_one_written_to_last(tmp_path: Path) -> None:
    make_run(tmp_path, "late", 3_000_000_000)
    make_run(tmp_path, "early", 1_000_000_000)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert [run.path.name for run in newest_first(tmp_path)] == ["late", "early"]
    (tmp_path / "early/model.safetensors").write_bytes(b"")
    assert [run.path.name for run in newest_first(tmp_path)] == ["early", "late"]


def test_no_runs(tmp_path: Path) -> None:
    assert newest_first(tmp_path) == newest_first(tmp_path / "none") == []


class TestWhatIsNotOurs:
    """Removing a run touches nothing that charnn didn't write."""

    @pytest.mark.parametrize("part", ["resume/cv.tex", "resume/2024-01/photo", "resume/0000000001-0/notes"])
    def test_somebody_elses_files_among_the_checkpoints_stay(self, tmp_path: Path, part: str) -> None:
        folder = make_run(tmp_path, "run")
        (tmp_path / "run" / part).parent.mkdir(parents=True)
        (tmp_path / "run" / part).write_text("mine")
        folder.clear()
        assert (tmp_path / "run" / part).read_text() == "mine"
        assert not folder.metrics.exists()

    @pytest.mark.parametrize("name", ["model.safetensors", "metrics.jsonl", "resume/cv.tex"])
    def test_a_folder_that_only_looks_like_a_run_is_refused(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"loss": 1}\n')
        with pytest.raises(InputError, match="that charnn didn't write; choose another --out"):
            RunFolder(tmp_path).require_own()

    @pytest.mark.parametrize("name", ["model.safetensors", "metrics.jsonl", "resume"])
    @pytest.mark.parametrize("kind", ["link", "fifo"])
    def test_links_and_pipes_are_refused(self, tmp_path: Path, name: str, kind: str) -> None:
        (tmp_path / "photos/0000000001-0").mkdir(parents=True)
        if kind == "link":
            (tmp_path / name).symlink_to(tmp_path / "photos")
        else:
            os.mkfifo(tmp_path / name)
        with pytest.raises(InputError):
            RunFolder(tmp_path).require_own()
        with suppress(InputError):
            RunFolder(tmp_path).clear()
        assert (tmp_path / "photos/0000000001-0").is_dir()
        assert os.path.lexists(tmp_path / name)


class TestMetrics:
    @pytest.fixture
    def log(self, tmp_path: Path) -> MetricsLog:
        log = MetricsLog(tmp_path / "metrics.jsonl")
        for record in (
            {"event": "start"},
            {"event": "train", "step": 10},
            {"event": "save", "step": 10, "path": "run/resume/0000000010-0"},
            {"event": "eval", "step": 10},
            {"event": "save", "step": 10, "path": "run/resume/0000000010-1"},
            {"event": "train", "step": 20},
            {"event": "finish", "step": 20},
        ):
            log.append(record)
        return log

    def test_lines_are_appended(self, log: MetricsLog) -> None:
        assert [r["event"] for r in records(log)] == [
            "start",
            "train",
            "save",
            "eval",
            "save",
            "train",
            "finish",
        ]

    def test_the_first_and_the_last_of_a_kind(self, log: MetricsLog) -> None:
        assert log.first("train") == {"event": "train", "step": 10}
        assert log.last("train") == {"event": "train", "step": 20}
        assert log.first("plan") is None
        assert log.last("plan") is None

    def test_a_line_that_could_not_be_read_back_is_not_written(self, log: MetricsLog) -> None:
        before = records(log)
        with pytest.raises(InputError, match=r"can't hold a line of [\d,]+ bytes: give fewer, larger files"):
            log.append({"event": "start", "corpus": "x" * MAX_LINE})
        assert records(log) == before

    def test_a_run_without_a_start_has_no_configuration(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"no start is in metrics\.jsonl"):
            started_config(RunFolder(tmp_path))

    def test_a_log_that_is_not_there_has_no_lines(self, tmp_path: Path) -> None:
        assert MetricsLog(tmp_path / "none").first("start") is None

    @pytest.mark.parametrize(("state", "kept"), [("0000000010-0", 3), ("0000000010-1", 5)])
    def test_cut_back_to_the_line_of_the_state(self, log: MetricsLog, state: str, kept: int) -> None:
        before = records(log)
        log.cut_back(10, state)
        assert records(log) == before[:kept]

    def test_a_state_killed_before_its_line_keeps_what_came_up_to_its_step(self, log: MetricsLog) -> None:
        log.cut_back(20, "0000000020-0")
        assert [r["event"] for r in records(log)] == ["start", "train", "save", "eval", "save", "train"]
        log.cut_back(10, "0000000010-7")
        assert [r["event"] for r in records(log)] == ["start", "train", "save", "eval", "save"]

    @pytest.mark.parametrize("torn", [b'{"event": "train", "st', b"\x00\x00\x00\n", b"[1, 2]\n", b"{}"])
    def test_a_line_half_written_is_passed_over_and_cut_away(self, log: MetricsLog, torn: bytes) -> None:
        with log.path.open("ab") as file:
            file.write(torn)
        assert log.last("finish") == {"event": "finish", "step": 20}
        log.cut_back(20, "0000000020-0")
        log.append({"event": "resume", "step": 20})
        assert [r["event"] for r in records(log)][-2:] == ["train", "resume"]

    def test_a_log_that_cannot_be_written_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        path = tmp_path / "file" / "metrics.jsonl"
        with pytest.raises(CharnnError, match=f"cannot write {path}: Not a directory"):
            MetricsLog(path).append({"event": "start"})

    def test_values_that_are_not_json_are_never_written(self, log: MetricsLog) -> None:
        before = log.path.read_bytes()
        with pytest.raises(ValueError):
            log.append({"event": "train", "nats_per_char": float("nan")})
        assert log.path.read_bytes() == before

    def test_a_sparse_giant_takes_no_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "metrics.jsonl"
        path.write_text('{"event": "start"}\n')
        os.truncate(path, 1 << 40)
        with pytest.raises(InputError, match=f"metrics.jsonl has a line of more than {MAX_LINE:,} bytes"):
            MetricsLog(path).all("train")
