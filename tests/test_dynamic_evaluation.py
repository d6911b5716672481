"""Adapting scores: never by what comes later, each text from the trained weights, better where a text repeats."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli import in_process
from helpers import ALPHABET, loaded, random_model, written

import charnn
from charnn.config import ModelConfig
from charnn.errors import CharnnError, InputError, ModelFileError, UnknownCharacterError
from charnn.inference.dynamic_evaluation import DynamicEvaluationOptions

PLAIN = ModelConfig(vocab_size=len(ALPHABET), hidden=12)
CONFIGS = [
    PLAIN,
    replace(PLAIN, layers=2, cell="gru", embedding=6),
    replace(PLAIN, cell="rnn", dropout=0.5),
    replace(PLAIN, embedding=6, ngrams=4, ngram_rows=64, ngram_dropout=0.5, dropout=0.5),
    replace(PLAIN, embedding=6, ngrams=4, ngram_rows=64, skip_connection="input"),
]
TEXT = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer"
REPETITIVE = "To be, or not to be.\n" * 20
STILL = DynamicEvaluationOptions(rate=0.0, ngram_rate=0.0)


@pytest.fixture(params=CONFIGS, ids=["lstm", "gru", "rnn", "ngrams", "skip"])
def model(request):
    return loaded(random_model(request.param, seed=4))


@pytest.fixture(scope="module")
def ngram_model():
    return loaded(random_model(CONFIGS[-1], seed=4))


def bits(model, text, adapt=True, **options):
    return model.score(text, adapt=adapt, **options).surprisal_bits


def test_without_steps_it_is_the_static_score(model):
    expected = model.score(TEXT, context="Hamlet: ").surprisal_bits
    np.testing.assert_allclose(bits(model, TEXT, STILL, context="Hamlet: "), expected, atol=2e-4)


def test_without_a_newline_it_follows_the_zero_state():
    model = loaded(random_model(ModelConfig(vocab_size=5, hidden=4), 3, "abcde"))
    text = "badcadebeda" * 4
    np.testing.assert_allclose(bits(model, text, STILL), model.score(text).surprisal_bits, atol=2e-4)


@pytest.mark.parametrize("place", [0, 19, 20, 21, 50, 79])
def test_no_character_s_score_depends_on_later_ones(model, place):
    changed = TEXT[: place + 1] + "Z" * (len(TEXT) - place - 1)
    np.testing.assert_array_equal(bits(model, changed)[: place + 1], bits(model, TEXT)[: place + 1])


def test_no_character_is_scored_by_weights_that_learnt_from_it(model):
    """Until the first step is taken nothing differs from the static score; from then on everything does."""
    stretch = DynamicEvaluationOptions().stretch
    differences = np.abs(bits(model, TEXT) - model.score(TEXT).surprisal_bits)
    assert differences[:stretch].max() < 2e-4
    assert (differences[stretch:] > 2e-4).mean() > 0.9


def test_what_is_random_is_not_foreseen(model):
    """Who sees no character before scoring it can't beat the entropy of characters drawn evenly."""
    numbers = np.random.default_rng(0).integers(0, len(ALPHABET), 2000)
    text = "".join(ALPHABET[i] for i in numbers)
    assert bits(model, text).mean() > np.log2(len(ALPHABET))


def test_a_repetitive_text_scores_better(model):
    adapted, static = model.score(REPETITIVE, adapt=True), model.score(REPETITIVE)
    assert adapted.bits_per_char < static.bits_per_char - 0.1


def test_ngrams_learn_too(ngram_model):
    learning = ngram_model.score(REPETITIVE, adapt=True).log_prob
    without = DynamicEvaluationOptions(ngram_rate=0.0)
    assert learning > ngram_model.score(REPETITIVE, adapt=without).log_prob


def test_nothing_remains_of_a_text(model):
    """Neither in the model nor in torch's random numbers nor in the next text's score."""
    before, numbers = model.score(TEXT), torch.get_rng_state()
    first, _, _, again = model.score_many([TEXT, REPETITIVE, "", TEXT], adapt=True)
    np.testing.assert_array_equal(first.surprisal_bits, again.surprisal_bits)
    np.testing.assert_array_equal(first.surprisal_bits, bits(model, TEXT))
    np.testing.assert_array_equal(model.score(TEXT).surprisal_bits, before.surprisal_bits)
    assert torch.equal(torch.get_rng_state(), numbers)


def test_a_model_without_a_file_keeps_its_weights():
    stored = random_model(PLAIN)
    expected = {name: weight.copy() for name, weight in stored.weights.items()}
    loaded(stored).score(REPETITIVE, adapt=True)
    for name, weight in stored.weights.items():
        np.testing.assert_array_equal(weight, expected[name])


@pytest.mark.parametrize("text", ["", "T", "To be", "x" * 20, "x" * 21])
def test_short_texts(ngram_model, text):
    score = ngram_model.score(text, adapt=True)
    assert (score.text, score.chars) == (text, len(text))
    assert score.log_prob == pytest.approx(ngram_model.score(text).log_prob, rel=0.2)


@pytest.mark.parametrize("size", [1, 7, 33])
def test_the_size_of_the_pieces_changes_nothing(ngram_model, size):
    text = TEXT * 2
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    scores = list(ngram_model.score_whole(pieces, adapt=True))
    found = np.concatenate([score.surprisal_bits for score in scores])
    np.testing.assert_allclose(found, bits(ngram_model, text), atol=1e-4)


def test_context_is_read_but_not_scored(ngram_model):
    after = ngram_model.score("or not", context="To be, ", adapt=True)
    assert after.chars == 6
    assert after.log_prob == pytest.approx(ngram_model.score("or not", context="To be, ").log_prob, abs=1e-4)


def test_unknown_characters_are_treated_as_asked(ngram_model):
    with pytest.raises(UnknownCharacterError, match=r"U\+00E9.*character 2 of text 2"):
        list(ngram_model.score_many(["a", "bé"], adapt=True))
    skipped = ngram_model.score(f"é{TEXT}é", unknown="skip", adapt=True)
    assert (skipped.unknown, skipped.log_prob) == (2, ngram_model.score(TEXT, adapt=True).log_prob)
    assert ngram_model.score("é" * 30, unknown="replace", adapt=True).chars == 30


def test_nobody_s_no_grad_stands_in_the_way(ngram_model):
    with torch.no_grad():
        assert ngram_model.score(TEXT, adapt=True).chars == len(TEXT)


def test_the_number_of_threads_is_left_as_it_was(ngram_model):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        ngram_model.score(TEXT, adapt=True)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_network_that_runs_away_is_an_error_of_one_line():
    stored = random_model(ModelConfig(vocab_size=5, hidden=8, cell="rnn", nonlinearity="relu"))
    huge = {name: np.abs(weight) * 1e5 for name, weight in stored.weights.items()}
    with pytest.raises(CharnnError, match="without --adapt"):
        loaded(replace(stored, weights=huge)).score("\n ab" * 20, adapt=True)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux for the resident size")
def test_memory_does_not_grow_with_the_text(ngram_model):
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    config = replace(CONFIGS[-1], hidden=128, layers=2)
    scores = loaded(random_model(config)).score_whole((REPETITIVE for _ in range(12)), adapt=True)
    next(scores), next(scores)
    before = resident()
    assert sum(score.chars for score in scores) == 10 * len(REPETITIVE)
    assert resident() < before + 10  # the graph of 4,200 characters takes 40 MB


def test_a_file_that_changed_since_is_not_taken_for_the_model(tmp_path):
    stored = random_model(PLAIN)
    model = charnn.load(written(tmp_path, stored))
    expected = loaded(stored).score(TEXT, adapt=True)
    assert model.score(TEXT, adapt=True).log_prob == expected.log_prob
    written(tmp_path, replace(stored, provenance={"corpus": "another"}))
    with pytest.raises(ModelFileError, match="changed since"):
        model.score(TEXT, adapt=True)


def test_the_option(tmp_path, capsys):
    path = str(written(tmp_path, random_model(PLAIN)))
    text = tmp_path / "text.txt"
    text.write_text(REPETITIVE)
    model = charnn.load(path)
    [line] = run_json(capsys, path, "--adapt", REPETITIVE)
    assert line["log_prob"] == model.score(REPETITIVE, adapt=True).log_prob
    [whole] = run_json(capsys, path, "--adapt", "--whole", "-f", str(text))
    assert whole["log_prob"] == pytest.approx(line["log_prob"])
    [pair] = run_json(capsys, path, "-m", path, "--adapt", REPETITIVE)
    assert [entry["log_prob"] for entry in pair["models"]] == [line["log_prob"]] * 2


def run_json(capsys, path, *arguments):
    out, _ = in_process(capsys, "score", "-m", path, "--json", *arguments)
    return [json.loads(line) for line in out.splitlines()]


def test_the_likeliest_characters_are_the_trained_model_s(tmp_path, capsys):
    path = str(written(tmp_path, random_model(PLAIN)))
    with pytest.raises(InputError, match="--top"):
        in_process(capsys, "score", "-m", path, "--adapt", "--top", "2", "a")
