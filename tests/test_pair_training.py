"""Runs on pairs: they learn, they resume to the bit, and what can't be meant is refused."""

from pathlib import Path

import pytest
import torch
from pair_helpers import write_reversals
from training_helpers import course_of_losses, final_tensors, metrics
from training_helpers import run as run_text

import charnn
from charnn.config import DataConfig
from charnn.data.corpus import open_corpus
from charnn.errors import InputError
from charnn.library import train_events
from charnn.storage.model_file import read_model
from charnn.training.evaluation import validated_symbols
from charnn.training.events import RunSummary
from charnn.training.pair_task import batches_in_order

TINY = {"hidden": 12, "encoder_hidden": 8, "embedding": 6, "batch_size": 8, "threads": 1, "device": "cpu"}


def run(path: Path | None, out: Path, **options: object):
    """As `training_helpers.run`, for pairs."""
    given = {} if options.get("resume") else {**TINY, "pairs": (str(path),), "dropout": 0.2}
    resume = {"resume": True} if options.pop("resume", None) else {}
    return run_text(None, out, **(given | options), **resume)


def losses(out: Path) -> list[float]:
    return [line["nats_per_char"] for line in metrics(out) if line["event"] == "train"]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_reversals(tmp_path / "reversals.tsv")


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_helpers.TINY", {})


def test_a_run_learns_and_says_what_it_reads(pairs, tmp_path):
    events = run(pairs, tmp_path / "run", steps=150, lr=0.01)
    start = metrics(tmp_path / "run")[0]
    assert (start["documents"], start["documents_kind"]) == (60, "pairs")
    trained = losses(tmp_path / "run")
    assert trained[-1] < trained[0] / 1.5
    rows = dict(next(event.rows for event in events if hasattr(event, "rows")))
    assert "two-way LSTM 8 → attention, copying → LSTM 12" in rows["network"]
    assert "3 of sources, 3 of targets: a b c" in rows["symbols"]


@pytest.mark.parametrize("attention", ["dot", "none"])
def test_an_interrupted_run_equals_the_uninterrupted(attention, pairs, tmp_path):
    options = {"steps": 24, "attention": attention, "save_every": "7", "dropout": 0.3}
    run(pairs, tmp_path / "whole", **options)
    run(pairs, tmp_path / "cut", cut=14, **options)
    assert metrics(tmp_path / "cut")[-1]["event"] == "save"
    run(None, tmp_path / "cut", resume=True)
    assert course_of_losses(tmp_path / "cut") == course_of_losses(tmp_path / "whole")
    whole, cut = final_tensors(tmp_path / "whole"), final_tensors(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_resumed_run_accepts_its_own_options_alone(pairs, tmp_path):
    run(pairs, tmp_path / "run", steps=4)
    run(None, tmp_path / "run", resume=True, pairs=(str(pairs),), steps=6)
    assert metrics(tmp_path / "run")[-1]["step"] == 6
    with pytest.raises(InputError, match="--reverse True would change this run"):
        run(None, tmp_path / "run", resume=True, reverse=True, steps=8)
    with pytest.raises(InputError, match="--attention 'none' would change this run"):
        run(None, tmp_path / "run", resume=True, attention="none", steps=8)


def test_options_change_the_network(pairs, tmp_path):
    run(pairs, tmp_path / "run", steps=1, attention="none", cell="gru", layers=2, label_smoothing=0.2)
    config = read_model(tmp_path / "run/model.safetensors").config
    assert (config.kind, config.attention, config.cell, config.layers) == (
        "encoder_decoder",
        "none",
        "gru",
        2,
    )
    assert config.copy_gate == "off"
    run(pairs, tmp_path / "plain", steps=1, copy_gate="off", ngrams=2, ngram_rows=64)
    config = read_model(tmp_path / "plain/model.safetensors").config
    assert (config.copy_gate, config.ngrams, config.encoder_hidden) == ("off", 2, 8)


def test_recombination_changes_what_is_trained_on(pairs, tmp_path):
    for share in (0.0, 0.9):
        run(pairs, tmp_path / f"run{share}", steps=20, recombination=share)
    assert losses(tmp_path / "run0.0") != losses(tmp_path / "run0.9")


def test_label_smoothing_changes_what_is_learnt_and_not_what_is_reported(pairs, tmp_path):
    for share in (0.0, 0.3):
        run(pairs, tmp_path / f"run{share}", steps=20, label_smoothing=share)
    first, second = losses(tmp_path / "run0.0"), losses(tmp_path / "run0.3")
    assert first[0] == second[0]  # before anything was learnt
    assert first[-1] != second[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"documents": "lines"}, "--documents is for texts, not for pairs"),
        ({"seq_length": 16}, "--seq-length is for texts, not for pairs"),
        ({"bidirectional": True}, "--bidirectional is for texts, not for pairs"),
        ({"target": "a"}, "--source and --target name two files"),
        ({"sample_every": "5"}, "--sample-every: an encoder-decoder model can't sample"),
        (
            {"attention": "none", "copy_gate": "on"},
            "contradict each other: a symbol is copied from where attention",
        ),
        ({"embedding": 0}, "pairs need an embedding of 1 or more"),
    ],
)
def test_what_is_not_for_pairs_is_refused(options, message, pairs, tmp_path):
    with pytest.raises(InputError, match=message):
        run(pairs, tmp_path / "run", steps=1, **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "option", ["reverse", "source_separator", "attention", "label_smoothing", "recombination"]
)
def test_what_is_for_pairs_needs_them(option, tmp_path):
    value = {"reverse": True, "attention": "none", "label_smoothing": 0.1, "recombination": 0.5}.get(
        option, " "
    )
    with pytest.raises(InputError, match=r"is for pairs of texts; add --pairs FILE"):
        run_text("corpus.txt", tmp_path / "run", **{option: value})


def test_the_library_trains_and_translates(pairs, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trained = charnn.train(pairs=str(pairs), out=str(tmp_path / "run"), steps=3, **TINY)
    model = trained.model()
    assert isinstance(model, charnn.Translator)
    assert model.translate("abc", beam=2) == charnn.load(tmp_path / "run").translate("abc", beam=2)


def test_a_run_starts_from_another_ones_weights(pairs, tmp_path):
    """More symbols, some of them the same: what is known keeps its weights, whatever its new id is."""
    run(pairs, tmp_path / "first", steps=3)
    other = tmp_path / "other.tsv"
    other.write_text("".join(f"{word}\t{word[::-1]}\tN\n" for word in ("xab", "ca", "bxx", "ab", "cb", "xc")))
    run(other, tmp_path / "second", steps=1, lr=1e-9, init_from=str(tmp_path / "first"))
    first, second = (read_model(tmp_path / name / "model.safetensors") for name in ("first", "second"))
    assert second.pairs is not None and first.pairs is not None
    assert (second.pairs.source, second.pairs.features) == ("abcx", "N")
    for old, new in ((0, 0), (1, 1), (2, 2), (first.pairs.unknown_id, second.pairs.unknown_id)):
        before = torch.tensor(first.weights["source_embedding.weight"][old])
        after = torch.tensor(second.weights["source_embedding.weight"][new])
        assert torch.allclose(before, after, atol=1e-6)
    mean = first.weights["source_embedding.weight"].mean(axis=0)
    assert torch.allclose(
        torch.tensor(second.weights["source_embedding.weight"][3]), torch.tensor(mean), atol=1e-6
    )


def test_a_model_of_the_other_kind_is_no_start(pairs, tmp_path):
    run(pairs, tmp_path / "pairs", steps=1)
    with pytest.raises(InputError, match="is an encoder-decoder model, which learns no texts"):
        run_text(str(pairs), tmp_path / "a", steps=1, init_from=str(tmp_path / "pairs"))
    with pytest.raises(InputError, match="is a forward model, which learns no pairs"):
        run(pairs, tmp_path / "b", steps=1, init_from="english")


def test_a_model_remembers_that_it_reads_targets(pairs, tmp_path):
    for reverse in (True, False):
        options = {"reverse": True} if reverse else {}
        run(pairs, tmp_path / str(reverse), steps=1, **options)
        assert charnn.load(tmp_path / str(reverse)).is_reversed is reverse


def test_the_plan_says_what_was_not_taken_as_it_stood(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / "a.tsv").write_bytes(b"ab\tba\r\ncaf\xe9\tx\r\n")
    (folder / "b.tsv").write_bytes(b"cd\tdc\n")
    (folder / ".hidden").write_bytes(b"cd\tdc\n")
    options = {**TINY, "pairs": (str(folder),), "errors": "replace", "steps": 1}
    [plan] = [event for event in train_events([], options, dry_run=True) if isinstance(event, RunSummary)]
    rows = dict(plan.rows)
    assert rows["files"] == "2 read; left out: 1 hidden"
    assert rows["invalid UTF-8"] == "1 replaced by U+FFFD"
    assert rows["line ends"] == "2 made LF; --newlines keep keeps them"


def test_validation_of_many_symbols_reads_fewer_pairs_at_a_time(pairs, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    view = open_corpus(DataConfig((str(pairs),), layout="pairs")).train
    assert max(map(len, batches_in_order(view, validated_symbols(10)))) > 20
    few = list(batches_in_order(view, 24))
    assert max(map(len, few)) <= 12
    assert sorted(number for batch in few for number in batch) == list(range(view.count))
    assert validated_symbols(6_000) < validated_symbols(10) and validated_symbols(0x110000) >= 1
