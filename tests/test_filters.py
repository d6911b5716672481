"""What may be drawn: with all filters off what the scorer finds, with one of them nothing that it forbids."""

import itertools
import math

import numpy as np
import pytest
from cli import in_process
from helpers import ALPHABET, loaded, random_model, written

from charnn.config import ModelConfig, SampleConfig
from charnn.errors import InputError
from charnn.inference.filters import NoRepeat, RepetitionPenalty, filters_of, probabilities

CONFIG = ModelConfig(vocab_size=20, hidden=8, layers=2)
MODEL = loaded(random_model(CONFIG, seed=5))
OFF = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "no_repeat": 0, "ban": ()}


def test_with_all_filters_off_a_sampler_s_probabilities_are_the_scorer_s():
    assert filters_of(SampleConfig(**OFF)) == []
    text = "a bed of feed"
    logits = [np.log(MODEL.next(text[:i]).probabilities).astype(np.float32) for i in range(len(text))]
    drawn = probabilities(np.array(logits), SampleConfig(**OFF))
    ids = MODEL.vocabulary.encode(text)
    scored = np.exp2(-MODEL.score(text).surprisal_bits.astype(np.float64))
    np.testing.assert_allclose(drawn[np.arange(len(text)), ids], scored, rtol=1e-4)


def grams(text, size):
    return [text[i : i + size] for i in range(len(text) - size + 1)]


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0])
def test_no_repeat_lets_no_n_gram_come_twice(size, temperature):
    options = {"length": 300, "seed": 1, "temperature": temperature, "no_repeat": size}
    text = "bed" + MODEL.sample("bed", **options)
    assert len(text) > 3 and len(set(grams(text, size))) == len(grams(text, size))
    free = "bed" + MODEL.sample("bed", **{**options, "no_repeat": 0})
    assert len(set(grams(free, size))) < len(grams(free, size))


def test_a_text_ends_where_nothing_is_left_to_draw():
    text = MODEL.sample(length=300, seed=1, no_repeat=1)
    assert len(text) == 20 and set(text) == set(MODEL.vocabulary.characters)
    both = MODEL.sample(length=300, seed=1, no_repeat=1, top_p=0.9, min_p=0.01, top_k=3, stop="zz")
    assert len(both) == 20


def test_batches_keep_each_text_s_own_history():
    options = {"length": 60, "seed": 1, "no_repeat": 2, "repetition_penalty": 1.3, "stop": ("a", "b")}
    together = [sample.text for sample in MODEL.sample_many(6, ["bed", "cab", ""], **options)]
    assert together[0] == MODEL.sample("bed", **options)
    for text, prompt in zip(
        together, itertools.chain(*zip(*[["bed", "cab", ""]] * 6, strict=True)), strict=False
    ):
        whole = prompt + text
        assert len(set(grams(whole, 2))) == len(grams(whole, 2))


@pytest.mark.parametrize(("penalty", "expected"), [(2.0, [0.5, -2, 3]), (0.5, [2, -0.5, 3])])
def test_the_repetition_penalty_is_ctrl_s(penalty, expected):
    """Keskar et al. 2019: the logit of what came before is divided by the penalty, a negative one multiplied."""
    logits = np.array([[1, -1, 3]], np.float32)
    keep = RepetitionPenalty(penalty, [np.array([0])])
    np.testing.assert_allclose(keep(logits), [[expected[0], -1, 3]])
    keep.read(np.array([1]))
    np.testing.assert_allclose(keep(logits), [expected])


def test_a_repetition_penalty_makes_texts_richer():
    plain, penalised = (
        MODEL.sample(length=200, seed=1, temperature=0.2, repetition_penalty=f) for f in (1.0, 3.0)
    )
    assert len(set(penalised)) > len(set(plain))


def test_no_repeat_goes_by_what_stood_before_the_last_characters():
    keep = NoRepeat(3, [np.array([0, 1, 2, 0])])
    logits = np.zeros((1, 3), np.float32)
    assert np.isfinite(keep(logits)).all()
    keep.read(np.array([1]))
    assert np.isfinite(keep(logits)).tolist() == [[True, True, False]]


def test_banned_characters_are_never_drawn():
    free = MODEL.sample(length=300, seed=1)
    banned = free[:4]
    text = MODEL.sample(length=300, seed=1, ban=banned)
    assert len(text) == 300 and not set(text) & set(banned)
    assert not set(MODEL.sample(length=300, seed=1, ban=("a", "bc€"), top_k=2)) & set("abc")
    with pytest.raises(InputError, match="--ban leaves no character"):
        MODEL.sample(ban=MODEL.vocabulary.characters)


def test_log_probs_of_filtered_texts_are_the_scorer_s():
    options = {"length": 40, "seed": 1, "ban": "ab", "no_repeat": 3, "repetition_penalty": 1.2}
    for sample in MODEL.sample_many(3, "bed", **options):
        assert sample.log_prob == pytest.approx(MODEL.score(sample.text, context="bed").log_prob, abs=1e-4)
        np.testing.assert_allclose(
            sample.surprisal_bits, MODEL.score(sample.text, context="bed").surprisal_bits, atol=1e-4
        )


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"repetition_penalty": 0}, "--repetition-penalty"),
        ({"repetition_penalty": math.inf}, "--repetition-penalty"),
        ({"repetition_penalty": math.nan}, "--repetition-penalty"),
        ({"no_repeat": -1}, "--no-repeat"),
        ({"ban": ""}, "--ban"),
    ],
)
def test_filters_out_of_range_are_refused_by_name(options, name):
    with pytest.raises(InputError, match=name):
        MODEL.sample(**options)


def test_the_command_s_options_reach_the_library(tmp_path, capsys):
    path = str(written(tmp_path, random_model(ModelConfig(vocab_size=len(ALPHABET), hidden=16), seed=1)))
    arguments = ["sample", "-m", path, "--seed", "3", "-l", "100"]
    plain, _ = in_process(capsys, *arguments)
    banned, _ = in_process(capsys, *arguments, "--ban", "abc", "--ban", "d")
    assert set(plain) & set("abcd") and not set(banned) & set("abcd")
    once, _ = in_process(capsys, *arguments, "--no-repeat", "2")
    assert len(set(grams(once, 2))) == 99
    penalised, _ = in_process(capsys, *arguments, "--repetition-penalty", "1.5")
    assert penalised != plain
