"""Several processes that train one network, with gloo on a CPU."""

import shutil
import signal
from pathlib import Path

import pytest
import torch
from process_helpers import QUICK, kill, launch, rank_pids, wait_until_trains
from training_helpers import final_tensors, metrics, write_corpus

from charnn.data.parts import Part
from charnn.errors import InputError
from charnn.training.place import Place, find_place, first_host

TORCH = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "h", "MASTER_PORT": "9"}
OPTIONS = (
    *QUICK,
    *("--layers", "2", "--embedding", "8", "--ngrams", "3", "--ngram-rows", "64", "--ngram-dropout", "0.3"),
    *("--dropout", "0.2", "--batch-size", "5", "--seq-length", "16", "--init-from", "none"),
)


@pytest.mark.parametrize("count", [0, 1, 5, 16])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_parts_are_everything_once(count, size):
    bounds = [Part(rank, size).bounds(count) for rank in range(size)]
    assert [i for start, stop in bounds for i in range(start, stop)] == list(range(count))
    assert max(stop - start for start, stop in bounds) <= -(-count // size)


def test_a_part_without_rows_stands_in_for_another():
    assert sum(not Part(rank, 4).rows(2).stand_in for rank in range(4)) == 2


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, None),
        (TORCH, Place(1, 4, 1, 1, "h", 9)),
        ({**TORCH, "LOCAL_WORLD_SIZE": "2"}, Place(1, 4, 1, 2, "h", 9)),
        ({**TORCH, "TORCHELASTIC_RESTART_COUNT": "2"}, Place(1, 4, 1, 1, "h", 9, 2)),
        (
            {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "5"},
            Place(1, 2, 1, 2, "127.0.0.1", 5),
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, None),  # a batch script, which srun didn't start
        (
            {
                "SLURM_PROCID": "3",
                "SLURM_STEP_NUM_TASKS": "4",
                "SLURM_LOCALID": "1",
                "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
                "SLURM_STEP_NODELIST": "n[07-08]",
                "MASTER_PORT": "77",
            },
            Place(3, 4, 1, 2, "n07", 77),
        ),
        (
            {
                "OMPI_COMM_WORLD_RANK": "1",
                "OMPI_COMM_WORLD_SIZE": "2",
                "OMPI_COMM_WORLD_LOCAL_RANK": "1",
                "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
                "MASTER_PORT": "77",
            },
            Place(1, 2, 1, 2, "127.0.0.1", 77),
        ),
    ],
)
def test_the_place_of_a_process(variables, place):
    assert find_place(variables) == place


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"RANK": "4"}, "this is rank 4 of 4"),
        ({"RANK": "x"}, "the variable RANK is 'x'"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR isn't"),
    ],
)
def test_a_place_that_contradicts_itself(change, message):
    with pytest.raises(InputError, match=message):
        find_place({**TORCH, **change})


@pytest.mark.parametrize(
    ("nodes", "host"),
    [("a", "a"), ("a,b", "a"), ("a[03-07,9]-x,b", "a03-x"), ("a[5]", "a5"), ("", "")],
)
def test_the_first_host(nodes, host):
    assert first_host(nodes) == host


def losses(out: Path) -> list[float]:
    return [
        line.get("nats_per_char", line.get("val_nats_per_char"))
        for line in metrics(out)
        if line["event"] in ("train", "eval")
    ]


def trained(tmp_path: Path, name: str, size: int, *options: str, how: str = "nproc") -> Path:
    """The folder of a run in `size` processes that ended well."""
    out = tmp_path / name
    arguments = [write_corpus(tmp_path), "--out", str(out), *OPTIONS, *options]
    started = launch(arguments, size, tmp_path / f"{name}.log", how, XDG_CACHE_HOME=str(tmp_path / "cache"))
    try:
        assert set(started.wait()) == {0}, started.said
    finally:
        started.end()
    return out


def cut_back(out: Path, name: str, step: int) -> Path:
    """A copy of a run as it was when it had saved this step."""
    copy = out.with_name(name)
    shutil.copytree(out, copy)
    for path in (copy / "resume").iterdir():
        if int(path.name.partition("-")[0]) > step:
            shutil.rmtree(path)
    return copy


def assert_close(one: Path, other: Path) -> None:
    """Within what rounding makes of so short a run."""
    assert losses(one) == pytest.approx(losses(other), abs=1e-5)
    tensors = final_tensors(other)
    for name, tensor in final_tensors(one).items():
        assert torch.allclose(tensor, tensors[name], rtol=1e-3, atol=1e-4), name


def assert_equal(one: Path, other: Path) -> None:
    """To the bit."""
    assert losses(one) == losses(other)
    tensors = final_tensors(other)
    assert [name for name, tensor in final_tensors(one).items() if not tensor.equal(tensors[name])] == []


def test_several_processes_learn_what_one_learns(tmp_path):
    """n-gram tables and dropout between layers and before the output; a part of three streams and one of two."""
    steps = "--steps", "30", "--save-every", "10", "--keep", "9"
    one = trained(tmp_path, "one", 1, *steps, how="bare")
    two = trained(tmp_path, "two", 2, *steps, how="bare")
    assert len(losses(one)) > 30
    assert_close(one, two)
    again = cut_back(two, "again", 10)
    trained(tmp_path, "again", 2, "--resume", how="bare")
    assert_equal(again, two)


def test_a_launcher_that_is_stopped_and_a_rank_that_dies(tmp_path):
    """One saved step and the signal's own end; of a rank that was killed a line that names it, and the run goes on."""
    corpus, out, log = write_corpus(tmp_path), tmp_path / "run", tmp_path / "log"
    started = launch([corpus, "--out", str(out), *OPTIONS, "--steps", "4000", "--save-every", "0"], 2, log)
    try:
        wait_until_trains(started, out)
        kill(rank_pids(started)[1], signal.SIGTERM)
        assert started.wait() == [-signal.SIGTERM]
        assert [line["event"] for line in metrics(out)].count("save") == 1
        assert started.complaints == [
            f"charnn: interrupted; to go on: charnn train --resume --out {out} --nproc 2"
        ]
        started = launch(["--out", str(out), "--resume", "--save-every", "0"], 2, log)
        wait_until_trains(started, out, event="resume")
        pids = rank_pids(started)
        kill(pids[1], signal.SIGKILL)
        assert started.wait() == [1]
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())
        assert [
            line for line in started.complaints if "rank 1 was killed by SIGKILL" in line
        ] == started.complaints
    finally:
        started.end()


def test_bad_input_is_told_once(tmp_path):
    started = launch(
        [str(tmp_path / "none.txt"), "--out", str(tmp_path / "out"), *QUICK], 2, tmp_path / "log", "bare"
    )
    try:
        assert started.wait() == [2, 2]
        assert len(started.complaints) == 1 and "none.txt" in started.complaints[0]
    finally:
        started.end()
