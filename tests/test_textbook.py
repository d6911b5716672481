"""`--cell rnn --embedding 0 --layers 1` is the tutorial's network, and its training the tutorial's BPTT.

s_t = f(U x_t + W s_{t−1} + b), o_t = softmax(V s_t + c), x_t one-hot, s_{−1} = 0: written out here in NumPy, float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from cli import in_process
from numpy.typing import NDArray
from training_helpers import opened, write_corpus

import charnn
from charnn.config import Budget, DataConfig, ModelConfig, OptimConfig, TrainConfig
from charnn.storage.model_file import read_model
from charnn.training.task import TextTask
from charnn.training.trainer import Trainer

Matrix = NDArray[np.float64]
HIDDEN = 6
# The tutorial's letters by the model file's names; docs/textbook.md says the same.
NAMES = {"U": "rnn.weight_ih_l0", "W": "rnn.weight_hh_l0", "V": "output.weight", "c": "output.bias"}
BIASES = ("rnn.bias_ih_l0", "rnn.bias_hh_l0")  # b is their sum

each_f = pytest.mark.parametrize("f", ["tanh", "relu"])


@dataclass
class Tutorial:
    """The tutorial's network."""

    U: Matrix
    W: Matrix
    V: Matrix
    b: Matrix
    c: Matrix
    f: str

    @classmethod
    def of(cls, weights, f: str) -> "Tutorial":
        arrays = {name: np.asarray(weight, np.float64) for name, weight in weights.items()}
        b = sum(arrays[name] for name in BIASES)
        return cls(b=b, f=f, **{letter: arrays[name] for letter, name in NAMES.items()})

    def forward(self, x: list[int]) -> tuple[Matrix, Matrix]:
        """States (T + 1, H), the zero state first, and distributions (T, V)."""
        s, o = [np.zeros(len(self.W))], []
        for character in x:
            z = self.U @ np.eye(self.U.shape[1])[character] + self.W @ s[-1] + self.b
            s.append(np.tanh(z) if self.f == "tanh" else np.maximum(z, 0))
            e = np.exp(self.V @ s[-1] + self.c)
            o.append(e / e.sum())
        return np.array(s), np.array(o)

    def bptt(self, x: list[int], y: list[int], window: int) -> dict[str, Matrix]:
        """Gradients of the mean −log p of y, cut where a window begins; the state runs on."""
        s, o = self.forward(x)
        gradients = {letter: np.zeros_like(getattr(self, letter)) for letter in "UWVbc"}
        from_later = np.zeros(len(self.W))
        for t in reversed(range(len(x))):
            error = (o[t] - np.eye(len(self.V))[y[t]]) / len(x)
            slope = 1 - s[t + 1] ** 2 if self.f == "tanh" else (s[t + 1] > 0).astype(float)
            delta = (self.V.T @ error + from_later) * slope
            gradients["V"] += np.outer(error, s[t + 1])
            gradients["c"] += error
            gradients["U"][:, x[t]] += delta
            gradients["W"] += np.outer(delta, s[t])
            gradients["b"] += delta
            from_later = self.W.T @ delta if t % window else np.zeros(len(self.W))
        return gradients


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return write_corpus(tmp_path, chars=500)


@pytest.fixture
def trained(corpus, capsys):
    """The file of a model trained by the tutorial's command."""

    def train(f: str) -> Path:
        options = ["--cell", "rnn", "--nonlinearity", f, "--embedding", "0", "--layers", "1"]
        small = ["--hidden", str(HIDDEN), "--steps", "30", "--device", "cpu", "--quiet"]
        in_process(capsys, "train", corpus, *options, *small, "--out", "run")
        return Path("run/model.safetensors")

    return train


@each_f
def test_nothing_is_added_to_it(f, trained):
    stored = read_model(trained(f))
    config, v = stored.config, len(stored.vocabulary)
    assert (config.cell, config.nonlinearity, config.layers) == ("rnn", f, 1)
    assert (config.embedding, config.ngrams, config.kind) == (0, 0, "language_model")
    assert {name: weight.shape for name, weight in stored.weights.items()} == {
        NAMES["U"]: (HIDDEN, v),
        NAMES["W"]: (HIDDEN, HIDDEN),
        NAMES["V"]: (v, HIDDEN),
        NAMES["c"]: (v,),
        **dict.fromkeys(BIASES, (HIDDEN,)),
    }


@each_f
def test_a_trained_models_probabilities_are_the_equations(f, trained, corpus):
    """The text follows a newline, which follows the zero state."""
    path, text = trained(f), Path(corpus).read_text()[:80]
    model = charnn.load(path)
    ids = model.vocabulary.encode("\n" + text).tolist()
    _, o = Tutorial.of(read_model(path).weights, f).forward(ids[:-1])
    bits = -np.log2(o[np.arange(len(text)), ids[1:]])
    np.testing.assert_allclose(model.score(text).surprisal_bits, bits, atol=1e-4)
    np.testing.assert_allclose(model.next(text[:40]).probabilities, o[40], atol=1e-5)


def trainers_gradients(tmp_path: Path, source: str, f: str, window: int):
    """The tutorial's letters → gradients summed over an epoch of steps that move nothing; and the text and network."""
    corpus = opened(tmp_path, source, val_fraction=0.0)
    network = ModelConfig(len(corpus.vocabulary), cell="rnn", nonlinearity=f, hidden=HIDDEN)
    optim = OptimConfig(batch_size=1, seq_length=window, lr=0.0, clip=0.0, weight_decay=0.0)
    config = TrainConfig(
        network, DataConfig((source,)), optim, Budget(steps=1000), device="cpu", precision="fp32"
    )
    trainer = Trainer(config, TextTask(config, corpus))
    before = {name: weight.clone() for name, weight in trainer.weights().items()}
    summed = {name: np.zeros(tuple(weight.shape)) for name, weight in before.items()}
    predictions = len(corpus.train) - 1
    for _ in range(trainer.task.batches_per_epoch):
        read = trainer.train_state.chars
        trainer.step()
        share = (trainer.train_state.chars - read) / predictions
        for name, parameter in trainer.network.named_parameters():
            summed[name] += share * parameter.grad.double().numpy()
    assert trainer.train_state.chars == predictions
    assert all(torch.equal(weight, before[name]) for name, weight in trainer.weights().items())
    ids = corpus.train.read(0, predictions + 1).tolist()
    gradients = {letter: summed[name] for letter, name in NAMES.items()} | {"b": summed[BIASES[0]]}
    return gradients, ids, Tutorial.of(before, f)


@each_f
def test_a_window_that_covers_the_text_gives_full_bptt(f, tmp_path):
    source = write_corpus(tmp_path, chars=61)
    found, ids, tutorial = trainers_gradients(tmp_path, source, f, window=60)
    for letter, expected in tutorial.bptt(ids[:-1], ids[1:], window=len(ids)).items():
        np.testing.assert_allclose(found[letter], expected, rtol=1e-3, atol=1e-6, err_msg=letter)


@each_f
@pytest.mark.parametrize("window", [1, 5, 30])
def test_truncated_gradients_are_the_tutorials_cut_at_the_windows(f, window, tmp_path):
    """The state runs on, so the output layer's gradients are the full ones; the recurrent ones differ."""
    source = write_corpus(tmp_path, chars=61)
    found, ids, tutorial = trainers_gradients(tmp_path, source, f, window)
    for letter, expected in tutorial.bptt(ids[:-1], ids[1:], window).items():
        np.testing.assert_allclose(found[letter], expected, rtol=1e-3, atol=1e-6, err_msg=letter)
    full = tutorial.bptt(ids[:-1], ids[1:], window=len(ids))
    for letter in "Vc":
        np.testing.assert_allclose(found[letter], full[letter], rtol=1e-3, atol=1e-6)
    for letter in "UWb":
        assert np.abs(found[letter] - full[letter]).max() > 1e-3 * np.abs(full[letter]).max()


@each_f
def test_the_written_out_bptt_is_right(f):
    """Its gradients against finite differences."""
    numbers = np.random.default_rng(0)
    shapes = {"U": (HIDDEN, 4), "W": (HIDDEN, HIDDEN), "V": (4, HIDDEN), "b": (HIDDEN,), "c": (4,)}
    tutorial = Tutorial(
        f=f, **{letter: numbers.standard_normal(shape) / 2 for letter, shape in shapes.items()}
    )
    ids = numbers.integers(0, 4, 13).tolist()

    def loss() -> float:
        return -np.log(tutorial.forward(ids[:-1])[1][np.arange(12), ids[1:]]).mean()

    for letter, gradient in tutorial.bptt(ids[:-1], ids[1:], window=len(ids)).items():
        array = getattr(tutorial, letter)
        for place in np.ndindex(array.shape):
            kept, losses = array[place], []
            for step in (1e-6, -1e-6):
                array[place] = kept + step
                losses.append(loss())
            array[place] = kept
            assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(gradient[place], rel=1e-4, abs=1e-8)


def test_the_page_names_the_same_weights():
    page = (Path(__file__).parent.parent / "docs/textbook.md").read_text(encoding="utf-8")
    for letter, name in NAMES.items():
        assert f"| {letter} | `{name}` |" in page
    assert f"| b | `{BIASES[0]}` + `{BIASES[1]}` |" in page
