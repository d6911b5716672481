"""Little memory and little disk, as the system enforces them: one line and an exit code, and nothing half written."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli import CHARNN, environment
from disks import small_disk
from helpers import random_model, written
from safetensors.numpy import save

from charnn.config import ModelConfig, to_json
from charnn.model.kinds import parameter_count, weight_shapes

resource = pytest.importorskip("resource", reason="the system has no resource limits")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux enforces a limit on address space"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def limited(megabytes: int, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run charnn with so much address space, as `ulimit -v` gives it."""
    script = f'ulimit -v {megabytes * 1024}; exec "$@"'
    command = ["bash", "-c", script, "charnn", *CHARNN, *map(str, arguments)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300, **options)  # type: ignore[call-overload, no-any-return]


def last_line(ended: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


def sparse_model(path: Path, config: ModelConfig) -> None:
    """A model file whose header and size are as they should be, and whose weights are a hole in the file."""
    about = {
        "format": 1,
        "config": to_json(config),
        "vocabulary": {"characters": "\nab", "has_unknown": False},
        "provenance": {},
    }
    header, end = {"__metadata__": {"charnn": json.dumps(about)}}, 0
    for name, shape in weight_shapes(config).items():
        size = 4 * parameter_count_of(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}  # type: ignore[dict-item]
        end += size
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + 4 * parameter_count(config))


def parameter_count_of(shape: tuple[int, ...]) -> int:
    return shape[0] * (shape[1] if len(shape) == 2 else 1)


def test_a_model_larger_than_memory_is_one_line(tmp_path: Path) -> None:
    """Its file is as large as it claims, but for the disk it is a hole."""
    path = tmp_path / "model.safetensors"
    sparse_model(path, ModelConfig(vocab_size=3, hidden=12_000))
    assert path.stat().st_size > 2 << 30
    ended = limited(1000, "score", "-m", path, "ab")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert last_line(ended) == "charnn: out of memory"


def test_a_model_that_claims_more_than_it_holds_takes_no_memory(tmp_path: Path) -> None:
    path = written(tmp_path, random_model(ModelConfig(vocab_size=3, hidden=2), characters="\nab"))
    content = path.read_bytes()
    path.write_bytes(content.replace(rb"\"hidden\": 2", rb"\"hidden\": 2" + b"0" * 3)[: len(content)])
    lock_run = save({}, {"charnn": json.dumps({"format": 1})})
    (tmp_path / "claims").write_bytes(lock_run)
    for hostile in (path, tmp_path / "claims"):
        ended = limited(600, "score", "-m", hostile, "ab")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "is no model of charnn's" in last_line(ended)


def test_sampling_and_scoring_need_little(tmp_path: Path) -> None:
    for arguments in (("sample", "-l", "20"), ("score", "the cat")):
        ended = limited(900, *arguments)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout


def test_a_network_too_large_for_memory_is_said_with_advice(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("the cat sat on the mat\n" * 100)
    options = ("--hidden", "30000", "--embedding", "4", "--layers", "1", "--device", "cpu", "--steps", "1")
    ended = limited(6000, "train", "corpus.txt", *options, cwd=tmp_path)
    assert ended.returncode == 1
    assert last_line(ended).startswith("charnn: cpu ran out of memory; give a smaller --batch-size")
    assert not list(tmp_path.glob("checkpoints/*/resume"))


def test_libraries_that_do_not_fit_are_said() -> None:
    ended = limited(50, "sample", "-l", "3")
    assert ended.returncode == 1
    assert ended.stderr == "charnn: out of memory: a library could not be loaded (see ulimit -v)\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 kilobytes."""
    with small_disk(tmp_path / "disk", "16k") as folder:
        yield folder


def test_a_page_that_does_not_fit_leaves_nothing(disk: Path) -> None:
    text = disk.parent / "long.txt"
    text.write_text("the cat sat on the mat\n" * 200)
    page = disk / "page.html"
    ended = limited(4000, "score", "-f", text, "--html", page)
    assert ended.returncode == 1
    assert last_line(ended) == f"charnn: cannot write {page}: No space left on device"
    assert list(disk.iterdir()) == []


def test_samples_that_do_not_fit_are_one_line(disk: Path) -> None:
    model = written(disk.parent, random_model(ModelConfig(vocab_size=9, hidden=2)))
    with (disk / "out.txt").open("wb") as file:
        command = [*CHARNN, "sample", "-m", model, "-l", "30000", "--seed", "1"]
        done = subprocess.run(
            command, env=environment(), stdout=file, stderr=subprocess.PIPE, text=True, timeout=300
        )
    assert done.returncode == 1
    assert last_line(done) == "charnn: cannot write to standard output: No space left on device"


def test_a_cache_that_does_not_fit_is_one_line_and_leaves_nothing(disk: Path) -> None:
    corpus = disk.parent / "corpus.txt"
    corpus.write_text("the cat sat on the mat\n" * 2000)
    done = subprocess.run(
        [*CHARNN, "sample", "--novelty", corpus],
        env=environment(XDG_CACHE_HOME=str(disk)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert last_line(done).startswith(
        f"charnn: cannot write the cache in {disk}/charnn: No space left on device"
    )
    assert [path for path in disk.rglob("*") if path.is_file()] == []
