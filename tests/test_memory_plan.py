"""What a run's memory is planned to be, validation included, and that validation takes no more than it says."""

import re

import pytest
import torch
from training_helpers import opened

from charnn.config import DataConfig, ModelConfig, OptimConfig, TrainConfig
from charnn.training.evaluation import SEQ_LENGTH, validation_length
from charnn.training.summary import summarise
from charnn.training.tasks import task_for


def planned(config, corpus, folder) -> int:
    """MB."""
    rows = dict(summarise(config, corpus, folder))
    return int(re.search(r"([\d,]+) MB", rows["memory"])[1].replace(",", ""))


def wide_corpus(folder, distinct: int, **data):
    text = "".join(map(chr, range(0x4E00, 0x4E00 + distinct))) * 4
    (folder / "wide.txt").write_text(text, encoding="utf-8")
    return opened(folder, str(folder / "wide.txt"), **data)


def test_batches_of_validation_are_shorter_only_for_vocabularies_beyond_the_usual():
    assert validation_length(65) == validation_length(8192) == SEQ_LENGTH
    assert validation_length(74_782) < 32
    assert validation_length(0x110000) >= 1


def test_the_plan_counts_validation(tmp_path):
    corpus, none = wide_corpus(tmp_path, 20_000), wide_corpus(tmp_path, 20_000, val_fraction=0.0)
    config = TrainConfig(
        ModelConfig(vocab_size=20_000, hidden=8),
        DataConfig(),
        OptimConfig(batch_size=1, seq_length=8),
        device="cpu",
        precision="fp32",
        threads=1,
    )
    assert planned(config, corpus, tmp_path) > planned(config, none, tmp_path) + 100


def test_no_batch_of_validation_has_more_logits_than_its_bound(tmp_path, monkeypatch):
    corpus = wide_corpus(tmp_path, 20_000)
    config = TrainConfig(
        ModelConfig(vocab_size=20_000, hidden=4),
        DataConfig(),
        OptimConfig(batch_size=2, seq_length=8),
        device="cpu",
        precision="fp32",
        threads=1,
    )
    task = task_for(config, corpus)
    network = task.new_network()
    sizes = []
    network.output.register_forward_hook(lambda _module, _inputs, logits: sizes.append(logits.numel()))
    loss = task.evaluate(network, lambda: False)
    assert loss == pytest.approx(task.uniform_nats, rel=0.2)
    assert sizes and max(sizes) * torch.finfo(torch.float32).bits // 8 <= 64 << 20
