"""Runs that charnn 0.1 wrote still load, sample, score, fill and resume: `tests/fixtures/0.1`.

They were trained on the first 6,000 bytes of the bundled play, piped in, for 20 steps; the expected losses are what
0.1 itself reached when it went on to 40.
"""

import json
import shutil
from pathlib import Path

import pytest

import charnn
from tests.cli import ROOT, piped

FIXTURES = Path(__file__).parent / "fixtures/0.1"
LOSS_AFTER_40_STEPS = {"ngrams": 3.600749275720179, "bidirectional": 3.773125158128436}


@pytest.fixture
def corpus() -> bytes:
    return (ROOT / "corpora/lantern.txt").read_bytes()[:6000]


def test_a_model_of_0_1_samples_and_scores():
    model = charnn.load(FIXTURES / "ngrams")
    assert len(model.sample("The ", length=50, seed=1)) == 50
    assert model.score("The lantern").log_prob == pytest.approx(-44.40669560432434, abs=1e-4)


def test_a_bidirectional_model_of_0_1_fills():
    filled = charnn.load_filler(FIXTURES / "bidirectional").fill("The l__tern")
    assert all(len(way.text) == len("The l__tern") for way in filled)


@pytest.mark.parametrize("name", ["ngrams", "bidirectional"])
def test_a_run_of_0_1_goes_on_to_the_same_loss(tmp_path: Path, corpus: bytes, name: str):
    run = tmp_path / name
    shutil.copytree(FIXTURES / name, run)
    ended = piped("train", "-", "--resume", "--steps", "40", "--out", str(run), input=corpus)
    assert ended.returncode == 0, ended.stderr.decode()
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = [record for record in records if record["event"] == "eval"][-1]
    assert last["step"] == 40
    assert last["val_nats_per_char"] == pytest.approx(LOSS_AFTER_40_STEPS[name], abs=1e-6)
