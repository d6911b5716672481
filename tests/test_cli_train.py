"""The train command, in real processes."""

import errno
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from disks import small_disk
from torture import processes
from torture.kills import complaints

from charnn.files import folder_lock
from charnn.storage.run_folder import RunFolder

SHORT = ("--steps", "12", *processes.TINY)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    processes.write_corpus(tmp_path)
    return tmp_path


def train(home: Path, *arguments: str, stdin: str = "") -> processes.Ended:
    return processes.run(home, "train", *arguments, stdin=stdin)


def plan(home: Path, *arguments: str, stdin: str = "") -> dict[str, str]:
    """What --dry-run says, by row."""
    ended = train(home, *arguments, "--dry-run", stdin=stdin)
    assert ended.code == 0, ended.stderr
    rows = [line.strip().partition("  ") for line in ended.stderr.splitlines()]
    return {name: value for name, _, value in rows}


def written(home: Path) -> list[str]:
    """Every file but the cache and what the tests themselves write down."""
    files = (p.relative_to(home) for p in home.rglob("*") if p.is_file())
    return sorted(str(p) for p in files if p.parts[0] != "cache" and not p.name.startswith(".output-"))


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def count(run: Path, event: str) -> int:
    return sum(record["event"] == event for record in events(run))


# Folders


def test_a_run_has_its_folder_and_ends_with_the_loss_and_the_command(home: Path) -> None:
    ended = train(home, "corpus.txt", *SHORT)
    assert ended.code == 0
    assert ended.stdout == ""
    assert "\x1b" not in ended.stderr
    *_, loss, command = ended.stderr.splitlines()
    best = events(home / "checkpoints/corpus")[-1]["best_val_nats_per_char"]
    assert loss.startswith(f"best validation {best:.4f} nats, ")
    assert command == "charnn sample --model checkpoints/corpus --temp 0.8"
    names = {p.name for p in (home / "checkpoints/corpus").iterdir()}
    assert names - {".lock"} == {"model.safetensors", "metrics.jsonl", "resume"}
    _, *arguments = command.split()
    sampled = processes.run(home, *arguments, "--length", "20", "--seed", "1")
    assert sampled.code == 0 and len(sampled.stdout) == 20


def test_folders_are_numbered(home: Path) -> None:
    for folder in ("corpus", "corpus-2", "corpus-3"):
        assert train(home, "corpus.txt", *SHORT, "-q").code == 0
        assert (home / "checkpoints" / folder / "model.safetensors").is_file()


def test_a_piped_corpus_is_called_stdin_and_none_is_the_bundled_one(home: Path) -> None:
    assert plan(home, "-", *SHORT, stdin="some text, " * 200)["folder"] == "checkpoints/stdin"
    bundled = plan(home, *SHORT)
    assert bundled["folder"] == "checkpoints/bundled"
    assert bundled["corpus"].endswith("lantern.txt")


def test_a_folder_that_holds_a_run_is_refused_unless_it_is_said(home: Path) -> None:
    assert train(home, "corpus.txt", *SHORT, "--out", "mine").code == 0
    before = (home / "mine/metrics.jsonl").read_bytes()
    refused = train(home, "corpus.txt", *SHORT, "--out", "mine")
    assert refused.code == 2
    assert refused.stderr == (
        "charnn: mine already holds a run; add --resume or --overwrite, or choose another --out\n"
    )
    assert (home / "mine/metrics.jsonl").read_bytes() == before
    assert train(home, "corpus.txt", *SHORT, "--out", "mine", "--seed", "5", "--overwrite").code == 0
    assert events(home / "mine")[0]["config"]["seed"] == 5
    assert count(home / "mine", "start") == 1


def test_overwriting_needs_a_corpus_that_can_be_read(home: Path) -> None:
    assert train(home, "corpus.txt", *SHORT, "--out", "mine").code == 0
    before = written(home)
    assert train(home, "none.txt", *SHORT, "--out", "mine", "--overwrite").code == 2
    assert written(home) == before


def test_a_folder_in_use_is_refused_at_once(home: Path) -> None:
    train(home, "corpus.txt", *SHORT, "--out", "mine")
    with folder_lock(home / "mine"):
        for option in ("--resume", "--overwrite"):
            refused = train(home, "corpus.txt", "--steps", "12", "--out", "mine", option)
            assert refused.code == 2
            assert refused.stderr.startswith("charnn: mine is in use by another run; ")
    assert train(home, "--out", "mine", "--resume", "--steps", "14").code == 0


# What it can't do


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.txt"], "none.txt"),
        (["short.txt"], "the corpus is too short"),
        (["bad.txt"], "byte 0xFF at offset 3"),
        (["corpus.txt", "--cell", "transformer"], "--cell 'transformer': give one of lstm, gru, rnn"),
        (["corpus.txt", "--errors", "ignore"], "--errors 'ignore': give one of strict, replace"),
        (["corpus.txt", "--precision", "fp8"], "--precision 'fp8': give one of"),
        (["corpus.txt", "--device", "tpu"], "--device 'tpu' is unknown"),
        (["corpus.txt", "--device", "cuda:77"], "--device cuda:77: this machine has"),
        (["corpus.txt", "--lr", "nan"], "--lr nan: give a number above 0"),
        (["corpus.txt", "--minutes", "0"], "--minutes 0.0: give a number above 0"),
        (["corpus.txt", "--steps", "0"], "--steps 0: give a whole number from 1"),
        (["corpus.txt", "--keep", "0"], "--keep 0: give a whole number from 1"),
        (["corpus.txt", "--val-fraction", "1"], "--val-fraction 1.0: give a number"),
        (["corpus.txt", "--save-every", "often"], "--save-every 'often': give a time"),
        (["corpus.txt", "--sample-every", "-1"], "--sample-every '-1': give a time"),
        (["corpus.txt", "--nonlinearity", "relu"], "--nonlinearity is for the vanilla network"),
        (["corpus.txt", "--init-from", "none.safetensors"], "none.safetensors"),
        (["corpus.txt", "--val", "none.txt"], "none.txt"),
        (["corpus.txt", "--out", "corpus.txt"], "corpus.txt is not a folder"),
        (["--resume"], "no run to resume under checkpoints"),
        (["--resume", "--overwrite"], "--resume keeps a run and --overwrite removes it"),
    ],
)
def test_bad_usage_is_one_line_and_nothing_written(home: Path, arguments: list[str], said: str) -> None:
    (home / "short.txt").write_text("a", encoding="utf-8")
    (home / "bad.txt").write_bytes(b"abc\xff" * 100)
    before = written(home)
    ended = train(home, *arguments)
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("charnn: ") and ended.stderr.count("\n") == 1
    assert said in ended.stderr
    assert written(home) == before
    assert not (home / "checkpoints").exists()


def test_a_folder_that_cannot_be_written_fails_before_the_first_step(home: Path) -> None:
    ended = train(home, "corpus.txt", *SHORT, "--out", "corpus.txt/run")
    assert ended.code == 1
    assert ended.stderr.splitlines()[-1] == "charnn: cannot write to corpus.txt/run: Not a directory"
    assert "plan:" not in ended.stderr


@pytest.fixture
def disk(home: Path) -> Iterator[Path]:
    """A file system of 12 megabytes."""
    with small_disk(home / "disk", "12m") as folder:
        yield folder


def _fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC


def test_a_read_only_folder_fails_before_the_first_step(home: Path, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    ended = train(home, "corpus.txt", *SHORT, "--out", "disk/run")
    assert ended.code == 1
    assert ended.stderr.splitlines()[-1] == "charnn: cannot write to disk/run: Read-only file system"


def test_a_disk_without_room_is_refused_before_the_first_step(home: Path, disk: Path) -> None:
    (disk / "filler").write_bytes(bytes(9_000_000))
    ended = train(home, "corpus.txt", *SHORT, "--out", "disk/run")
    assert ended.code == 1
    assert ended.stderr.splitlines()[-1].startswith("charnn: not enough room under disk/run: ")
    assert "saved" not in ended.stderr


def test_a_disk_that_fills_up_costs_only_what_came_after_the_last_save(home: Path, disk: Path) -> None:
    run = RunFolder(disk / "run")
    options = ("--steps", "1000000", *processes.TINY, "--save-every", "20")
    child = processes.start(home, "train", "corpus.txt", "--out", "disk/run", *options)
    deadline = time.monotonic() + 60
    while "saved" not in child.stderr() and time.monotonic() < deadline:
        time.sleep(0.01)
    _fill(disk / "filler")
    ended = child.wait()
    assert ended.code == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("charnn: cannot write disk/run/") and last.endswith(": No space left on device")
    assert list(complaints(run)) == []
    assert not list(run.path.rglob(".tmp-*"))
    (disk / "filler").unlink()
    step = max(int(p.name.partition("-")[0]) for p in run.resume.iterdir())
    ended = processes.start(home, "train", "--resume", "--out", "disk/run", "--save-every", "20")
    while "saved" not in ended.stderr() and time.monotonic() < deadline:
        time.sleep(0.01)
    ended.send(9)
    assert f"going on from step {step:,}," in ended.wait().stderr


# Going on


def test_a_corpus_that_changed_is_refused_with_the_reason_unless_it_is_cached(home: Path) -> None:
    assert train(home, "corpus.txt", *SHORT, "--out", "mine").code == 0
    with (home / "corpus.txt").open("a") as file:
        file.write("!")
    ended = train(home, "--resume", "--out", "mine", "--steps", "13")
    assert ended.code == 0
    assert ended.stderr.splitlines()[0].endswith("the run goes on with the cached copy of its text")
    before = written(home)
    shutil.rmtree(home / "cache")
    ended = train(home, "--resume", "--out", "mine", "--steps", "20")
    assert ended.code == 2
    assert ended.stderr.startswith("charnn: the corpus has changed since the run began (SHA-256 ")
    assert ended.stderr.count("\n") == 1
    assert written(home) == before


def test_a_torn_newest_state_is_said_and_the_one_before_is_used(home: Path) -> None:
    assert train(home, "corpus.txt", *SHORT, "--save-every", "5", "--out", "mine").code == 0
    os.truncate(home / "mine/resume/0000000012-0/tensors.safetensors", 100)
    ended = train(home, "--resume", "--out", "mine")
    assert ended.code == 0
    torn, *rest = ended.stderr.splitlines()
    assert torn.startswith("the checkpoint mine/resume/0000000012-0 is not whole: ")
    assert "going on from step 10, mine/resume/0000000010-0" in rest
    assert count(home / "mine", "finish") == 1
    assert [p.name for p in sorted((home / "mine/resume").iterdir())] == ["0000000010-0", "0000000012-0"]


def test_resuming_without_a_name_takes_the_newest_run(home: Path) -> None:
    for name in ("old", "new"):
        assert train(home, "corpus.txt", *SHORT, "--out", f"checkpoints/{name}").code == 0
    ended = train(home, "--resume", "--steps", "20")
    assert ended.code == 0
    assert "going on from step 12, checkpoints/new/resume/0000000012-0" in ended.stderr


# What each option does


def test_a_dry_run_says_the_plan_and_writes_nothing(home: Path) -> None:
    before = written(home)
    said = plan(home, "corpus.txt", *SHORT)
    assert list(said) == [
        *("corpus", "documents", "characters", "vocabulary", "invalid UTF-8", "network", "batch"),
        *("optimiser", "regularised", "device", "memory", "budget", "time", "folder"),
    ]
    assert said["characters"] == "3,600 to train on, 400 to validate on"
    assert said["budget"] == "12 steps"
    assert written(home) == before and not (home / "checkpoints").exists()


def test_the_plan_says_what_a_document_is_and_options_say_otherwise(home: Path) -> None:
    names = [f"{a}{b}{c}" for a in ("Ka", "Lo", "Mi") for b in ("ren", "bal") for c in "aoe"]
    (home / "names.txt").write_text("\r\n".join([*names, names[0]]))
    (home / "posts.csv").write_text("title,text\n" + "".join(f"{name},{name} again\n" for name in names))
    said = plan(home, "names.txt", *SHORT)
    assert (
        said["documents"].startswith("lines (its lines are short")
        and "1 of them duplicates" in said["documents"]
    )
    assert said["line ends"].startswith("18 made LF")
    assert plan(home, "names.txt", "--documents", "none", *SHORT)["documents"].startswith("none")
    assert "line ends" not in plan(home, "names.txt", "--newlines", "keep", *SHORT)
    kept = plan(home, "names.txt", "--val-fraction", "0", *SHORT)["documents"]
    assert "lines" in kept and "19 to train on" in kept
    unique = plan(home, "names.txt", "--unique", "--val-fraction", "0", *SHORT)["documents"]
    assert "18 to train on" in unique
    assert plan(home, "posts.csv", "--column", "title", *SHORT)["documents"].startswith("records")
    ended = train(home, "posts.csv", *SHORT)
    assert ended.code == 2 and "--column one of title, text" in ended.stderr


def test_quiet_says_only_errors(home: Path) -> None:
    ended = train(home, "corpus.txt", *SHORT, "-q")
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")
    ended = train(home, "none.txt", *SHORT, "--quiet")
    assert ended.code == 2 and ended.stderr.startswith("charnn: ")


@pytest.mark.parametrize(
    ("options", "row", "value"),
    [
        ([], "characters", "3,600 to train on, 400 to validate on"),
        (["corpus.txt"], "characters", "7,200 to train on, 800 to validate on"),
        (["corpus.txt", "--separator", "<#>"], "characters", "7,202 to train on, 801 to validate on"),
        (["corpus.txt", "--separator", "<#>"], "vocabulary", "31 characters"),
        (["bad.txt", "--errors", "replace"], "invalid UTF-8", "100 replaced by U+FFFD"),
        (["nul.txt"], "NULs", "1, kept"),
        (["--max-vocab", "10"], "vocabulary", "10 characters, one of them for all the others"),
        (["--val-fraction", "0.25"], "characters", "3,000 to train on, 1,000 to validate on"),
        (["--val-fraction", "0"], "characters", "4,000 to train on, 0 to validate on"),
        (["--val", "val.txt"], "characters", "4,000 to train on, 500 to validate on"),
        (["--seed", "7"], "device", "cpu, fp32, 1 thread, seed 7"),
        (["--threads", "2"], "device", "cpu, fp32, 2 threads, seed 0"),
        (["--cell", "gru", "--layers", "2"], "network", "GRU 2×8, one-hot input, "),
        (["--cell", "rnn", "--nonlinearity", "relu"], "network", "RNN (relu) 1×8, "),
        (["--hidden", "12", "--embedding", "5"], "network", "LSTM 1×12, embedding of 5, "),
        (["--batch-size", "3", "--seq-length", "10"], "batch", "3 streams × 10 characters"),
        (["--lr", "0.5", "--clip", "2"], "optimiser", "AdamW, learning rate 0.5, clip 2, weight decay "),
        (["--weight-decay", "0.25"], "optimiser", "weight decay 0.25"),
        (["--dropout", "0.25"], "regularised", "dropout 0.25"),
        (["--epochs", "2.5", "--minutes", "3"], "budget", "3 minutes or 12 steps or 2.5 epochs"),
        (
            ["--epochs", "1", "--patience", "1"],
            "budget",
            "12 steps or 1 epoch, or 1 evaluation without a better loss",
        ),
        (["--steps", "1234567"], "budget", "1,234,567 steps"),
    ],
)
def test_an_option_does_what_it_says(home: Path, options: list[str], row: str, value: str) -> None:
    processes.write_corpus(home, "val.txt", 500)
    (home / "bad.txt").write_bytes(b"abc\xff" * 100)
    (home / "nul.txt").write_bytes(b"a text " * 2000 + b"\0")
    assert value in plan(home, "corpus.txt", *SHORT, *options)[row]


def test_a_bidirectional_run_has_no_samples_and_ends_with_the_command_that_fills(home: Path) -> None:
    assert plan(home, "corpus.txt", *SHORT, "--bidirectional")["network"].startswith("bidirectional LSTM")
    said = (
        "--sample-every: a bidirectional model can't sample",
        "charnn fill --model checkpoints/corpus ____",
    )
    refused = train(home, "corpus.txt", *SHORT, "--bidirectional", "--sample-every", "2")
    assert refused.code == 2 and said[0] in refused.stderr
    ended = train(home, "corpus.txt", *SHORT, "--bidirectional", "--sample-every", "0")
    assert ended.code == 0 and ended.stderr.splitlines()[-1] == said[1]
    assert "--- sample" not in ended.stderr
    assert events(home / "checkpoints/corpus")[0]["config"]["model"]["kind"] == "bidirectional"
    scored = processes.run(home, "score", "-m", "checkpoints/corpus", "ab")
    assert scored.code == 2 and "is bidirectional: it fills blanks" in scored.stderr
    resumed = train(home, "--resume", "--steps", "14", "--bidirectional")
    assert resumed.code == 0 and resumed.stderr.splitlines()[-1] == said[1]


def test_saves_and_samples_come_as_often_as_asked_and_so_many_states_are_kept(home: Path) -> None:
    options = ("--save-every", "3", "--keep", "3", "--sample-every", "5")
    ended = train(home, "corpus.txt", *SHORT, *options)
    run = home / "checkpoints/corpus"
    assert [e["step"] for e in events(run) if e["event"] == "save"] == [3, 6, 9, 12]
    assert [p.name for p in sorted((run / "resume").iterdir())] == [f"{s:010d}-0" for s in (6, 9, 12)]
    assert ended.stderr.count("--- sample at step ") == 2
    again = train(home, "corpus.txt", *SHORT, "--save-every", "1h", "--sample-every", "0")
    assert count(home / "checkpoints/corpus-2", "save") == 1
    assert "--- sample" not in again.stderr


def test_the_seed_and_nothing_else_changes_the_numbers(home: Path) -> None:
    def losses(name: str, *options: str) -> list[float]:
        assert train(home, "corpus.txt", *SHORT, "-q", "--out", name, *options).code == 0
        return [e["nats_per_char"] for e in events(home / name) if e["event"] == "train"]

    first = losses("a")
    assert losses("b", "--sample-every", "2", "--save-every", "2") == first
    assert losses("c", "--seed", "1") != first


def test_a_terminal_shows_a_bar_and_the_last_lines(home: Path) -> None:
    child = pexpect.spawn(
        processes.CHARNN[0],
        [*processes.CHARNN[1:], "train", "corpus.txt", *SHORT, "--steps", "400"],
        cwd=home,
        env={**processes.environment(home), "TERM": "xterm-256color"},
        dimensions=(24, 110),
        timeout=300,
        encoding="utf-8",
    )
    shown = child.read()
    child.close()
    assert child.exitstatus == 0
    assert "training" in shown and "━" in shown and "chars/s" in shown
    assert "Traceback" not in shown
    *_, loss, command = [line for line in shown.splitlines() if "best validation" in line or "sample" in line]
    assert "best validation" in loss
    assert "charnn sample --model checkpoints/corpus --temp 0.8" in command
