import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from training_helpers import final_tensors

import charnn
from charnn.config import DataConfig, ModelConfig, OptimConfig, TrainConfig
from charnn.data.corpus import open_corpus
from charnn.training import evaluation
from charnn.training.tasks import task_for

NAMES = [a + b + c for a in ("Ka", "Lo", "Mi", "Tu") for b in ("ren", "rin", "bal", "s") for c in "aoe"]


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def listed(folder: Path, documents: list[str]) -> str:
    (folder / "list.txt").write_text("\n".join(documents))
    return str(folder / "list.txt")


def train(folder: Path, name: str, **options: Any) -> charnn.Run:
    small = {
        "hidden": 16,
        "batch_size": 2,
        "seq_length": 8,
        "threads": 1,
        "sample_every": "0",
        "documents": "lines",
    }
    return charnn.train([listed(folder, NAMES)], out=str(folder / name), **{**small, **options})


def losses(run: charnn.Run) -> list[tuple[int, float]]:
    lines = map(json.loads, (run.folder / "metrics.jsonl").read_text().splitlines())
    return [(one["step"], one["nats_per_char"]) for one in lines if one["event"] == "train"]


def test_the_metrics_say_how_many_documents_there_are(tmp_path: Path) -> None:
    run = train(tmp_path, "run", steps=2)
    start = json.loads((run.folder / "metrics.jsonl").read_text().splitlines()[0])
    assert (start["documents"], start["duplicates"], start["documents_kind"]) == (len(NAMES), 0, "lines")
    assert start["vocab_size"] == len(set("".join(NAMES))) + 1


@pytest.mark.parametrize(("cut", "options"), [(3, {}), (10, {"seq_length": 3}), (5, {"bidirectional": True})])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, cut: int, options: dict[str, Any]) -> None:
    whole = train(tmp_path, "whole", epochs=2, save_every="1", keep=1000, **options)
    shutil.copytree(whole.folder, tmp_path / "cut")
    for path in (tmp_path / "cut" / "resume").iterdir():
        if int(path.name.split("-")[0]) > cut:
            shutil.rmtree(path)
    resumed = charnn.train(out=tmp_path / "cut", resume=True)
    assert losses(resumed) == losses(whole)
    assert final_tensors(resumed.folder).keys() == (expected := final_tensors(whole.folder)).keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in final_tensors(resumed.folder).items())
    assert resumed.best_val_nats_per_char == whole.best_val_nats_per_char


def test_a_list_is_told_by_itself_and_an_option_says_otherwise(tmp_path: Path) -> None:
    kinds = []
    for documents in ("auto", "none"):
        run = train(tmp_path, documents, steps=1, documents=documents)
        start = json.loads((run.folder / "metrics.jsonl").read_text().splitlines()[0])
        kinds.append((start["documents_kind"], start["config"]["data"]["documents"]))
    assert kinds == [("lines", "lines"), ("none", "none")]


@pytest.mark.parametrize("kind", ["language_model", "bidirectional"])
def test_validation_scores_each_document_from_its_beginning(tmp_path: Path, kind: Any) -> None:
    documents = [*NAMES, "a longer document " * 40]
    data = DataConfig((listed(tmp_path, documents),), documents="lines", val_fraction=0.5)
    corpus = open_corpus(data)
    model = ModelConfig(
        len(corpus.vocabulary),
        hidden=8,
        embedding=8,
        ngrams=3,
        ngram_rows=64,
        skip_connection="input",
        kind=kind,
    )
    task = task_for(TrainConfig(model, data, OptimConfig(batch_size=2, seq_length=8), device="cpu"), corpus)
    network = task.new_network()
    found = task.evaluate(network, lambda: False)
    assert found is not None
    assert task.evaluate(network, lambda: True) is None
    total, end = 0.0, corpus.vocabulary.end_id
    for starts, lengths in corpus.val.spans():  # type: ignore[union-attr]
        for start, length in zip(starts, lengths, strict=True):
            ids = [end, *corpus.val.tokens.read(start, start + length)]  # type: ignore[union-attr]
            text = torch.tensor(ids)[:, None]
            logits, _ = network.eval()(
                text[:-1] if kind == "language_model" else text, network.initial_state(1)
            )
            total += float(
                torch.nn.functional.cross_entropy(logits[:, 0], text[1:, 0], reduction="sum").detach()
            )
    if kind == "language_model":
        assert found == pytest.approx(total / len(corpus.val), abs=1e-5)  # type: ignore[arg-type]
    else:  # what lies beyond a shorter document's end is the end again, which the backward network reads first
        assert found == pytest.approx(total / len(corpus.val), abs=0.05)  # type: ignore[arg-type]


def test_validation_of_a_wide_vocabulary_reads_fewer_symbols_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the plan's memory says; and the loss stays."""
    documents = [*NAMES * 3, "a longer document " * 40]
    data = DataConfig((listed(tmp_path, documents),), documents="lines", val_fraction=0.5)
    corpus = open_corpus(data)
    model = ModelConfig(len(corpus.vocabulary), hidden=8)
    task = task_for(TrainConfig(model, data, OptimConfig(batch_size=2, seq_length=8), device="cpu"), corpus)
    network = task.new_network()
    read: list[int] = []
    network.output.register_forward_hook(
        lambda _module, inputs, _output: read.append(inputs[0][..., 0].numel())
    )
    losses, most = [], []
    for room in (evaluation.LOGIT_BYTES, 4 * len(corpus.vocabulary) * 40):
        monkeypatch.setattr(evaluation, "LOGIT_BYTES", room)
        losses.append(task.evaluate(network, lambda: False))
        most.append(max(read))
        read.clear()
    assert most[0] > 200 and most[1] <= 80
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
