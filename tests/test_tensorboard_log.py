"""--tensorboard: TensorBoard's own reader finds what the run said of itself."""

import math
import shutil
import sys
from pathlib import Path

import pytest
from checkpoint_helpers import newest
from training_helpers import metrics, run, write_corpus

from charnn.errors import CharnnError, InputError
from charnn.training import tensorboard_log
from charnn.training.events import Event, Finished, Notice, Sampled

pytest.importorskip("tensorboard", reason="the extra `tensorboard` isn't installed")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

CHARTS = {
    "loss/train": "nats_per_char",
    "learning_rate": "lr",
    "grad_norm": "grad_norm",
    "epoch": "epoch",
    "chars_per_second": "chars_per_second",
}


@pytest.fixture
def source(tmp_path) -> str:
    return write_corpus(tmp_path)


def read(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def chart(accumulator: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(one.step, one.value) for one in accumulator.Scalars(tag)]


def said(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Notice))


def lines(out: Path, event: str) -> list[dict[str, object]]:
    return [line for line in metrics(out) if line["event"] == event]


def test_losses_and_rates_are_those_of_the_metrics(tmp_path, source):
    run(source, tmp_path / "run", steps=20, tensorboard=str(tmp_path / "board/mine"))
    found = read(tmp_path / "board/mine")
    for tag, field in CHARTS.items():
        expected = [(line["step"], pytest.approx(line[field])) for line in lines(tmp_path / "run", "train")]
        assert expected and chart(found, tag) == expected
    evaluations = [(line["step"], line["val_nats_per_char"]) for line in lines(tmp_path / "run", "eval")]
    assert chart(found, "loss/validation") == [(step, pytest.approx(loss)) for step, loss in evaluations]
    bits = [(step, pytest.approx(loss / math.log(2))) for step, loss in evaluations]
    assert chart(found, "bits_per_char/validation") == bits


def test_samples_and_the_configuration_are_texts_as_they_stand(tmp_path, source):
    events = run(source, tmp_path / "run", steps=4, sample_every="2", tensorboard=str(tmp_path / "board"))
    found = read(tmp_path / "board")
    samples = {event.step: event.text for event in events if isinstance(event, Sampled)}
    shown = {
        one.step: one.tensor_proto.string_val[0].decode() for one in found.Tensors("sample/text_summary")
    }
    assert samples and shown.keys() == samples.keys()
    for step, text in samples.items():
        assert [line.removeprefix("    ") for line in shown[step].split("\n")] == text.splitlines()
    (configuration,) = found.Tensors("configuration/text_summary")
    assert b'"hidden": 8' in configuration.tensor_proto.string_val[0]


def test_without_samples_there_are_none(tmp_path, source):
    run(source, tmp_path / "run", steps=4, sample_every="0", tensorboard=str(tmp_path / "board"))
    assert "sample/text_summary" not in read(tmp_path / "board").Tags()["tensors"]


def test_a_resumed_run_goes_on_in_the_same_charts(tmp_path, source):
    """What the interrupted run did after its last save, and does again, is there once."""
    board = str(tmp_path / "board")
    run(source, tmp_path / "run", steps=20, save_every="5", cut=18, tensorboard=board)
    assert lines(tmp_path / "run", "train")[-1]["step"] > 10
    shutil.rmtree(newest(tmp_path / "run/resume"))
    run(None, tmp_path / "run", resume=True, tensorboard=board)
    assert len(list(Path(board).iterdir())) == 2
    (resumed,) = lines(tmp_path / "run", "resume")
    assert resumed["step"] == 10
    steps = [step for step, _ in chart(read(tmp_path / "board"), "loss/train")]
    assert steps == [line["step"] for line in lines(tmp_path / "run", "train")] == list(range(1, 21))


def test_the_run_itself_is_the_same(tmp_path, source):
    run(source, tmp_path / "with", steps=6, tensorboard=str(tmp_path / "board"))
    run(source, tmp_path / "without", steps=6)
    assert [line["val_nats_per_char"] for line in lines(tmp_path / "with", "eval")] == [
        line["val_nats_per_char"] for line in lines(tmp_path / "without", "eval")
    ]
    assert not (tmp_path / "without/board").exists()


def test_without_the_library_it_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    for name in ("tensorboard", "tensorboard.compat.proto.event_pb2"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pip install 'charnn\[tensorboard\]'") as caught:
        run(str(tmp_path / "no such file"), tmp_path / "run", steps=6, tensorboard=str(tmp_path / "board"))
    assert caught.value.exit_code == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path, source):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CharnnError, match=f"cannot write {tmp_path}/file/board"):
        run(source, tmp_path / "run", steps=6, tensorboard=str(tmp_path / "file/board"))


def test_a_full_disk_ends_no_run(tmp_path, source, monkeypatch):
    class Full(tensorboard_log.TensorboardLog):
        def add(self, event: Event) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensorboard_log, "TensorboardLog", Full)
    events = run(source, tmp_path / "run", steps=6, tensorboard=str(tmp_path / "board"))
    assert said(events).count("No space left on device; TensorBoard gets no more of this run") == 1
    assert isinstance(events[-1], Finished)
    assert lines(tmp_path / "run", "finish")


def test_a_dry_run_writes_nothing(tmp_path, source):
    from charnn.library import train_events

    options = {"out": str(tmp_path / "run"), "steps": 6, "tensorboard": str(tmp_path / "board")}
    assert list(train_events([source], options, dry_run=True))
    assert not (tmp_path / "board").exists()
