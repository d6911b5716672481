"""A short one of the long campaign; `make torture` tries every system call, every cut and hundreds of kills."""

from pathlib import Path

import pytest
from torture import faults
from torture import strikes as blows
from torture.campaign import (
    Report,
    cuts_report,
    faults_report,
    hostile_report,
    kills_report,
    memory_report,
    strikes_report,
)

needs_strace = pytest.mark.skipif(not blows.can_strike(), reason="strace isn't installed, or not allowed")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def count(report: Report) -> int:
    return sum(count for _, count in report.counts)


@needs_strace
def test_a_save_struck_at_any_system_call_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    report = strikes_report(tmp_path / "strikes", every=5, errors=("ENOSPC",))
    assert report.odd == []
    assert count(report) >= 18


@needs_strace
def test_a_strike_that_does_harm_is_noticed(tmp_path: Path) -> None:
    """A control: what would come of saving in place."""
    run = blows.prepare(tmp_path)
    blow = blows.Strike("write", 1)
    outcome = blows.strike(tmp_path, blow)
    assert outcome.struck
    (run.resume / "0000000002-0" / "tensors.safetensors").write_bytes(b"half")
    run.model.unlink()
    blows.save(run, 5)
    assert list(blows.complaints(run, blow, outcome)) != []


@needs_strace
def test_a_strike_that_misses_is_noticed(tmp_path: Path) -> None:
    blows.prepare(tmp_path)
    assert not blows.strike(tmp_path, blows.Strike("write", 1000)).struck


ORDERED = """\
1 openat(AT_FDCWD</>, "/run/.tmp-m", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0666) = 3</run/.tmp-m>
1 write(3</run/.tmp-m>, "x", 1) = 1
1 fsync(3</run/.tmp-m>) = 0
1 rename("/run/.tmp-m", "/run/m") = 0
1 fsync(3</run>) = 0
1 unlink("/run/old") = 0
"""


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [
        (-1, None),
        (2, "/run/.tmp-m was renamed before it was synced"),
        (4, "/run/old was removed before /run was synced"),
    ],
)
def test_a_sync_left_out_is_noticed(missing: int, complaint: str | None) -> None:
    lines = ORDERED.splitlines(keepends=True)
    log = "".join(line for place, line in enumerate(lines) if place != missing)
    found = list(blows.disorder(log, Path("/run")))
    assert (complaint in found) if complaint else found == []


def test_runs_killed_at_random_moments_load_resume_and_end_as_if_undisturbed(tmp_path: Path) -> None:
    report = kills_report(tmp_path / "kills", kills=5)
    assert report.odd == []
    assert dict(report.counts)["training runs killed at a random moment"] == 5


def test_a_run_cut_anywhere_equals_the_undisturbed_one(tmp_path: Path) -> None:
    report = cuts_report(tmp_path / "cuts", every=11)
    assert report.odd == []
    assert report.counts[0][1] >= 5


@needs_strace
def test_a_file_operation_that_fails_loses_nothing_and_is_named(tmp_path: Path) -> None:
    report = faults_report(tmp_path / "faults", every=61, errors=("EIO", "EACCES"))
    assert report.odd == []
    assert count(report) >= 6


LOG = """\
7 openat(AT_FDCWD</w>, "run/m", O_RDONLY|O_CLOEXEC) = 3</w/run/m>
8 read(3</w/run/m>, "", 9) = 0
7 read(3</w/run/m>, "/etc/passwd", 9) = 9
7 read(4</usr/lib/x>, "/w/run/m", 9) = 9
7 read(3</w/run/m>, "", 9) = 0
7 newfstatat(AT_FDCWD</w>, "/usr/lib", {st_mode=S_IFDIR|0755, ...}, 0) = 0
7 newfstatat(3</w/run>, "resume", {st_mode=S_IFDIR|0755, ...}, 0) = 0
"""


def test_faults_strike_the_main_threads_calls_on_its_own_files() -> None:
    found = [(fault.call, fault.number, fault.path) for fault in faults._possible(LOG, Path("/w"), "EIO")]
    assert found == [
        ("openat", 1, "run/m"),
        ("read", 1, "run/m"),
        ("read", 3, "run/m"),
        ("newfstatat", 2, "run/resume"),
    ]


def test_memory_that_runs_out_is_one_line(tmp_path: Path) -> None:
    report = memory_report(tmp_path / "memory", step=12_000)
    assert report.odd == []
    assert dict(report.counts)["  which they said in a line"] >= 3


def test_a_hostile_run_folder_is_refused_or_does_no_harm(tmp_path: Path) -> None:
    report = hostile_report(tmp_path / "hostile", every=37)
    assert report.odd == []
    assert dict(report.counts)["  which they refused in a line"] >= 3
