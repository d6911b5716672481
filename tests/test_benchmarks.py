"""What compares charnn with its peers: every character is scored once, for each of them the same ones."""

import json
import re
import sys
from argparse import Namespace
from math import log

import pytest
import torch
from torch import nn

from benchmarks import loss
from benchmarks.peers import charrnn, common, nanogpt, tutorial
from benchmarks.picture import picture
from charnn.config import ModelConfig
from charnn.model.network import Network
from charnn.training.evaluation import evaluate
from charnn.training.objective import LanguageModelObjective

VOCABULARY = 7


class Bigrams(nn.Module):
    """What it says depends on the last character alone, so that no window can change it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("logits", torch.randn(VOCABULARY, VOCABULARY, generator=torch.manual_seed(0)))

    def forward(self, ids, state):
        return self.logits[ids], (torch.zeros(1, len(ids), 1),)


class InPart:
    def __init__(self, ids):
        self.ids = ids

    def __len__(self):
        return len(self.ids)

    def read(self, start, stop):
        return self.ids[start:stop].numpy()


def random_ids(n):
    return torch.randint(VOCABULARY, (n,), generator=torch.manual_seed(1))


@pytest.mark.parametrize("context", [None, 1, 4, 16, 64, 1000])
@pytest.mark.parametrize("n", [9, 66, 2500])
def test_every_character_but_the_first_is_scored_once(n, context):
    ids, model = random_ids(n), Bigrams()
    log_probs = model.logits.log_softmax(dim=1)[ids[:-1], ids[1:]]
    assert common.validation_loss(model, ids, context) == pytest.approx(-float(log_probs.mean()), rel=1e-5)


def test_a_recurrent_network_is_scored_as_charnn_scores():
    ids, network = random_ids(2500), Network(ModelConfig(vocab_size=VOCABULARY, hidden=8))
    peer = common.Lstm(VOCABULARY, 8, 1)
    peer.lstm.load_state_dict(network.rnn.state_dict())
    peer.output.load_state_dict(network.output.state_dict())
    assert common.validation_loss(peer, ids, None) == pytest.approx(
        evaluate(network, InPart(ids), LanguageModelObjective()), rel=1e-5
    )


def test_a_window_s_later_characters_change_nothing():
    model = nanogpt.Gpt(VOCABULARY, nanogpt.CPU).eval()
    ids = random_ids(64)[None]
    changed = torch.cat([ids[:, :40], (ids[:, 40:] + 1) % VOCABULARY], dim=1)
    torch.testing.assert_close(model(ids, None)[0][:, :40], model(changed, None)[0][:, :40])


def test_lanes_go_on_where_they_stood():
    batches = common.lanes(torch.arange(25), batch=2, window=4)
    seen = [next(batches) for _ in range(4)]
    assert seen[0][0].tolist() == [[0, 1, 2, 3], [12, 13, 14, 15]]
    assert seen[1][0].tolist() == [[4, 5, 6, 7], [16, 17, 18, 19]]
    assert all(torch.equal(targets, inputs + 1) for inputs, targets, _ in seen)
    assert [anew for *_, anew in seen] == [True, False, False, True]


@pytest.mark.parametrize("peer", [charrnn, tutorial, nanogpt])
def test_a_peer_learns_and_reports(peer, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "text.txt"
    path.write_text("abcab cab " * 2000)
    arguments = [str(path), "--steps", "4"]
    monkeypatch.setattr(sys, "argv", ["peer", *arguments])
    peer.main()
    first, *_, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["step"], last["step"]) == (1, 4)
    assert last["val_nats_per_char"] < first["val_nats_per_char"] < 2 * log(4)


def test_nanogpts_rate_rises_then_falls_to_its_last():
    assert nanogpt.learning_rate(0.0, 0, 0.0) < 2e-5
    assert nanogpt.learning_rate(0.1, 99, 0.0) == pytest.approx(nanogpt.LR, rel=0.02)
    assert nanogpt.learning_rate(1.0, 5000, 0.0) == pytest.approx(nanogpt.FINAL_LR)


def test_a_budget_in_seconds_leaves_evaluations_out():
    budget = common.Budget(Namespace(seconds=1000.0, steps=None))
    before = budget.progress(0)
    budget.free(500)
    assert budget.progress(0) == pytest.approx(before - 0.5, abs=0.01)


def test_the_table_says_when_charnn_was_there():
    ours = loss.Run("charnn", 0, [(1, 2.0), (2, 1.5), (3, 1.6)], 3.1)
    peer = loss.Run("nanogpt", 0, [(1, 3.0), (3, 1.9)], 4.0)
    _, first, second = loss.table([ours, peer]).splitlines()
    assert first.split() == ["charnn", "1.5000", "1.5000", "1.5000", "3.1"]
    assert second.split() == ["nanogpt", "1.9000", "1.9000", "1.9000", "4.0", "2.0"]
    worse = loss.Run("nanogpt", 1, [(3, 1.0)], 4.0)
    assert loss.table([ours, worse]).splitlines()[-1].split()[-1] == "-"


def test_a_run_that_is_kept_is_not_run_again(tmp_path, monkeypatch):
    ran = []

    def run(name, corpus, seconds, seed, options):
        ran.append((name, seed))
        return loss.Run(name, seed, [[seconds, 1.5]], 3.0)

    monkeypatch.setattr(loss, "run", run)
    kept = tmp_path / "runs.jsonl"
    first = loss.all_runs([("charnn", 0)], tmp_path, 60, kept, [])
    both = loss.all_runs([("charnn", 0), ("nanogpt", 0)], tmp_path, 60, kept, [])
    assert ran == [("charnn", 0), ("nanogpt", 0)]
    assert both[:1] == first and len(kept.read_text().splitlines()) == 2


def test_the_picture_names_each_network_once_and_is_the_same_each_time():
    from xml.etree import ElementTree

    curves = [
        ("charnn", [(1, 2.0), (2, 1.5)]),
        ("charnn", [(1, 2.1), (2, 1.4)]),
        ("nanogpt", [(1, 9.0), (2, 8.0)]),
    ]
    drawn = picture(curves)
    assert drawn == picture(curves)
    ElementTree.fromstring(drawn)
    assert (written(drawn).count("charnn"), written(drawn).count("nanogpt")) == (1, 1)


def test_the_picture_in_the_docs_shows_the_kept_curves():
    kept = (loss.ROOT / "benchmarks/curves.jsonl").read_text().splitlines()
    names = {json.loads(line)["name"] for line in kept}
    assert names == {"charnn", *loss.PEERS}
    assert names < set(written((loss.ROOT / "docs/loss.svg").read_bytes()))


def written(svg):
    """The texts of a picture: matplotlib draws letters as shapes and keeps each text in a comment."""
    return [comment.strip() for comment in re.findall(r"<!--(.*?)-->", svg.decode())]


def test_the_standard_library_is_a_text_of_ten_megabytes(tmp_path):
    path = loss.standard_library(tmp_path)
    assert 9_999_990 <= path.stat().st_size <= 10_000_000
    assert "�" not in path.read_text()
