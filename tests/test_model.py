"""The public Model: sampling, seeds, stops, threads, loading."""

import inspect
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pytest
from helpers import loaded, random_model, written

import charnn
from charnn.config import ModelConfig
from charnn.errors import InputError, ModelFileError, UnknownCharacterError
from charnn.inference.model import Model
from charnn.storage import model_tensors

CONFIG = ModelConfig(vocab_size=20, hidden=8, layers=2)
MODEL = loaded(random_model(CONFIG, seed=5))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_every_network_samples_and_scores(cell, layers, tmp_path):
    config = ModelConfig(vocab_size=20, hidden=8, cell=cell, layers=layers)
    model = charnn.load(written(tmp_path, random_model(config)))
    text = model.sample(length=30, seed=1)
    assert len(text) == 30
    assert model.score(text).log_prob < 0


def test_a_sample_is_its_stream_and_the_first_of_one():
    options = {"length": 50, "temperature": 0.8, "top_k": 9, "top_p": 0.9, "min_p": 0.01, "stop": ("aa",)}
    text = MODEL.sample("bed", seed=3, **options)
    assert text == "".join(MODEL.stream("bed", seed=3, **options))
    assert [text] == [sample.text for sample in MODEL.sample_many(1, "bed", seed=3, **options)]
    assert text == "".join(character for character, _ in MODEL.stream_scored("bed", seed=3, **options))


def test_a_seed_decides_the_text():
    assert MODEL.sample(length=40, seed=1) == MODEL.sample(length=40, seed=1)
    assert MODEL.sample(length=40, seed=1) != MODEL.sample(length=40, seed=2)
    assert MODEL.sample(length=40) != MODEL.sample(length=40)


def test_a_prompt_is_read_and_not_returned():
    firsts = [[MODEL.sample(prompt, length=1, seed=seed) for seed in range(50)] for prompt in ("a", "q")]
    assert firsts[0] != firsts[1]
    greedy = MODEL.sample("bed", length=1, temperature=0)
    assert greedy == MODEL.next("bed").top(1)[0][0]


def test_each_option_changes_what_it_says():
    plain = MODEL.sample(length=60, seed=1)
    for option in ({"temperature": 0.3}, {"top_k": 2}, {"top_p": 0.3}, {"min_p": 0.5}):
        assert MODEL.sample(length=60, seed=1, **option) != plain
    assert MODEL.sample(length=20, seed=1) == plain[:20]
    assert MODEL.sample(length=60, seed=1, stop=(plain[10],)) == plain[: plain.index(plain[10])]
    assert MODEL.sample(length=0) == ""


def test_streams_never_end_with_length_minus_one():
    assert len(list(islice(MODEL.stream(length=-1, seed=1), 2500))) == 2500
    with pytest.raises(InputError, match="--length"):
        MODEL.sample(length=-1)
    with pytest.raises(InputError, match="--length"):
        MODEL.sample_many(2, length=-1)


def test_bad_options_are_refused_before_the_first_character():
    for call in (MODEL.stream, MODEL.stream_scored, lambda **options: MODEL.sample_many(1, **options)):
        with pytest.raises(InputError, match="--temp"):
            call(temperature=math.nan)
        with pytest.raises(InputError, match="--seed"):
            call(seed=-1)
        with pytest.raises(UnknownCharacterError, match=r"U\+00E9 .* character 3 of the prompt"):
            call(prompt="beé")
    with pytest.raises(InputError, match="--num-samples"):
        MODEL.sample_many(0)


def test_many_samples_come_in_order_and_differ():
    samples = list(MODEL.sample_many(5, "bed", length=30, seed=1))
    assert [sample.index for sample in samples] == [0, 1, 2, 3, 4]
    assert len({sample.text for sample in samples}) == 5
    assert all((s.chars, s.seed, s.temperature, s.stopped) == (30, 1, 1.0, False) for s in samples)


def test_a_batch_draws_what_each_sample_alone_would():
    together = [sample.text for sample in MODEL.sample_many(5, length=30, seed=1)]
    assert [sample.text for sample in MODEL.sample_many(5, length=30, seed=1, batch_size=1)] == together


def test_stopped_samples_leave_the_batch_and_the_others_go_on():
    free = list(MODEL.sample_many(8, length=40, seed=1))
    stopped = list(MODEL.sample_many(8, length=40, seed=1, stop=("a", "bc")))
    assert {sample.stopped for sample in stopped} == {True}
    for before, after in zip(free, stopped, strict=True):
        ends = [before.text.index(stop) for stop in ("a", "bc") if stop in before.text]
        assert after.text == before.text[: min(ends)] if ends else after.text.startswith(before.text)
        assert after.chars == len(after.text)


@pytest.mark.parametrize("options", [{}, {"temperature": 0.5, "top_k": 5}, {"stop": ("a",)}])
def test_log_probs_are_the_scorer_s(options):
    for sample in MODEL.sample_many(4, "bed", length=30, seed=1, **options):
        score = MODEL.score(sample.text, context="bed")
        assert sample.log_prob == pytest.approx(score.log_prob, abs=1e-4)
    pieces = list(MODEL.stream_scored("bed", length=30, seed=1, **options))
    score = MODEL.score("".join(character for character, _ in pieces), context="bed")
    np.testing.assert_allclose([p / -math.log(2) for _, p in pieces], score.surprisal_bits, atol=1e-4)


def test_the_unknown_character_is_never_drawn_and_its_probability_is_known():
    stored = random_model(ModelConfig(vocab_size=4, hidden=4), 1, "\nab", has_unknown=True)
    stored.weights["output.bias"][3] = 50.0
    model = loaded(stored)
    assert set(model.sample(length=200, seed=1)) <= set("\nab")
    assert set(model.sample(length=20, seed=1, top_k=1)) <= set("\nab")
    assert model.next().characters == "\nab\ufffd"
    assert model.next().top(1)[0] == ("\ufffd", pytest.approx(1))
    assert all(sample.log_prob < -1000 for sample in model.sample_many(2, length=200, seed=1))


def test_next_is_a_distribution():
    distribution = MODEL.next("bed")
    assert distribution.characters == MODEL.vocabulary.characters
    assert distribution.probabilities.shape == (20,)
    assert distribution.probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert [share for _, share in distribution.top(20)] == sorted(distribution.probabilities, reverse=True)


def test_many_threads_may_share_a_model():
    def text(seed):
        return MODEL.sample(length=200, seed=seed), MODEL.score("a bed of feed").log_prob

    expected = [text(seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(text, range(16))) == expected


def test_streams_may_be_interleaved():
    first, second = MODEL.stream(length=50, seed=1), MODEL.stream(length=50, seed=2)
    pairs = list(zip(first, second, strict=True))
    assert "".join(a for a, _ in pairs) == MODEL.sample(length=50, seed=1)
    assert "".join(b for _, b in pairs) == MODEL.sample(length=50, seed=2)


def test_a_model_is_immutable():
    with pytest.raises(AttributeError):
        MODEL.config = CONFIG
    with pytest.raises(TypeError):
        MODEL.provenance["corpus"] = "other"


def test_load_takes_a_file_or_a_run_s_folder(tmp_path):
    path = written(tmp_path, random_model(CONFIG, seed=5))
    for model in (charnn.load(path), charnn.load(tmp_path), charnn.load(str(tmp_path))):
        assert model.path == path
        assert model.config == CONFIG
        assert model.provenance == {"corpus": "random"}
        assert model.sample("bed", length=40, seed=1) == MODEL.sample("bed", length=40, seed=1)


def test_a_run_s_model_is_no_link_out_of_it(tmp_path):
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    elsewhere.mkdir()
    outside = written(elsewhere, random_model(CONFIG))
    (run / "model.safetensors").symlink_to(outside)
    with pytest.raises(ModelFileError, match="link"):
        charnn.load(run)
    assert charnn.load(run / "model.safetensors").config == CONFIG


def test_a_run_s_model_that_is_a_link_to_itself_is_one_line(tmp_path):
    (tmp_path / "model.safetensors").symlink_to("model.safetensors")
    with pytest.raises(ModelFileError, match=r"cannot read the model .*Too many levels of symbolic links"):
        charnn.load(tmp_path)


def test_a_relu_network_that_runs_away_stays_finite():
    stored = random_model(ModelConfig(vocab_size=20, hidden=8, cell="rnn", nonlinearity="relu"))
    for weight in stored.weights.values():
        weight += np.float32(3)
    model = loaded(stored)
    assert len(model.sample(length=200, seed=1)) == 200
    assert np.isfinite(model.score("a bed" * 40).surprisal_bits).all()


@pytest.mark.parametrize("config", [CONFIG, ModelConfig(20, "rnn", "relu", hidden=8, layers=3, embedding=4)])
def test_the_largest_weights_that_a_file_may_hold_stay_finite(config):
    stored = random_model(config)
    for weight in stored.weights.values():
        np.copysign(np.float32(model_tensors.MAX_WEIGHT), weight, out=weight)
    model = loaded(stored)
    assert np.isfinite([sample.log_prob for sample in model.sample_many(3, length=200, seed=1)]).all()


def test_neither_sampling_nor_scoring_imports_torch(tmp_path):
    path = written(tmp_path, random_model(CONFIG))
    program = (
        "import sys, charnn; model = charnn.load(sys.argv[1]); model.sample(length=3); model.score('a');"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)


def test_the_public_interface_is_documented():
    members = inspect.getmembers(Model, lambda member: inspect.isfunction(member) or inspect.ismethod(member))
    public = [member for name, member in members if not name.startswith("_")]
    assert all(member.__doc__ for member in public)
