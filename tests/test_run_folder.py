import json
import os
from pathlib import Path
from typing import Any

import pytest

from charnn.errors import CharnnError, InputError
from charnn.storage.run_folder import MetricsLog, RunFolder, free_folder, newest_folder


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


def test_the_first_free_name_is_taken(tmp_path: Path) -> None:
    assert free_folder("a", tmp_path).path == tmp_path / "a"
    make_run(tmp_path, "a")
    make_run(tmp_path, "a-3")
    (tmp_path / "a-2").mkdir()  # no run in it
    assert free_folder("a", tmp_path).path == tmp_path / "a-2"
    RunFolder(tmp_path / "a-2").metrics.write_bytes(b"")
    assert free_folder("a", tmp_path).path == tmp_path / "a-4"


def test_the_newest_run_is_the_one_whose_metrics_were_written_last(tmp_path: Path) -> None:
    make_run(tmp_path, "late", 3_000_000_000)
    make_run(tmp_path, "early", 1_000_000_000)
    (tmp_path / "empty").mkdir()
    assert newest_folder(tmp_path).path == tmp_path / "late"


def test_no_run_to_resume_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no run to resume under {tmp_path}/; name one with --out"):
        newest_folder(tmp_path)


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
