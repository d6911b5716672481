"""Log-probabilities of texts: right, normalised, the same whichever way they are computed."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
import textbook
from helpers import loaded, random_model, scorer_of

from charnn.config import ModelConfig
from charnn.errors import InputError, UnknownCharacterError
from charnn.inference.scorer import DEFAULT_LIMITS

MODEL_FILE = random_model(ModelConfig(vocab_size=20, hidden=8, layers=2), seed=5)
MODEL = loaded(MODEL_FILE)
TEXTS = ["bad", "", "a bed on a cab", "b", "deaf ear\nface", "bad", "cafe" * 9]


def test_scores_are_the_textbook_s():
    text = "a bed\nof feed"
    ids = MODEL.vocabulary.encode("\n" + text)
    logits, *_ = textbook.read(MODEL_FILE.config, MODEL_FILE.weights, ids[:-1])
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    chosen = expected[np.arange(len(text)), ids[1:]]
    score = MODEL.score(text)
    assert score.log_prob == pytest.approx(chosen.sum(), abs=1e-5)
    np.testing.assert_allclose(score.surprisal_bits, -chosen / math.log(2), atol=1e-5)
    assert score.surprisal_bits.shape == (len(text),)


def test_units():
    score = MODEL.score("a bed")
    assert score.chars == 5
    assert score.bits_per_char == pytest.approx(score.surprisal_bits.mean())
    assert score.perplexity == pytest.approx(2**score.bits_per_char)


def test_an_empty_text():
    score = MODEL.score("")
    assert (score.chars, score.log_prob, score.bits_per_char, score.perplexity) == (0, 0, None, None)
    assert score.surprisal_bits.shape == (0,)


@pytest.mark.parametrize(
    ("characters", "has_unknown"), [("\nab", False), ("abc", False), ("ab", True), ("\na", True)]
)
def test_all_strings_of_length_three_sum_to_one(characters, has_unknown):
    """With an unknown character, `!` stands for it."""
    config = ModelConfig(vocab_size=3, hidden=6, cell="gru")
    model = loaded(random_model(config, 1, characters, has_unknown=has_unknown))
    alphabet = characters + "!" * has_unknown
    strings = ["".join(letters) for letters in itertools.product(alphabet, repeat=3)]
    total = sum(math.exp(score.log_prob) for score in model.score_many(strings, unknown="replace"))
    assert total == pytest.approx(1, abs=1e-6)


def test_conditional_probabilities_multiply_to_the_score():
    text = "a bed\nof feed"
    shares = [dict(MODEL.next(text[:i]).top(20))[character] for i, character in enumerate(text)]
    assert math.fsum(map(math.log, shares)) == pytest.approx(MODEL.score(text).log_prob, abs=1e-5)


def test_predictions_are_those_of_next():
    for place, prediction in enumerate(MODEL.predictions("bed", context="a ")):
        np.testing.assert_allclose(prediction.probabilities, MODEL.next("a " + "bed"[:place]).probabilities)
        assert prediction.probabilities.sum() == pytest.approx(1, abs=1e-6)


def test_a_batch_scores_as_each_alone_and_in_order():
    together = list(MODEL.score_many(TEXTS))
    assert [score.text for score in together] == TEXTS
    for score in together:
        alone = MODEL.score(score.text)
        assert score.log_prob == pytest.approx(alone.log_prob, abs=1e-4)
        np.testing.assert_allclose(score.surprisal_bits, alone.surprisal_bits, atol=1e-5)


@pytest.mark.parametrize(
    "limits",
    [
        {"block_texts": 4},
        {"block_chars": 30},
        {"batch": 2},
        {"output_entries": 60},
        {"block_chars": 30, "batch": 2},
    ],
    ids=repr,
)
def test_blocks_and_batches_change_nothing(limits):
    expected = [score.log_prob for score in MODEL.score_many(TEXTS * 3)]
    scores = [score.log_prob for score in scorer_of(MODEL_FILE, **limits).many(TEXTS * 3)]
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_a_text_in_pieces_is_the_whole(size):
    text = "deaf ear\nface a bed"
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    stretches = list(scorer_of(MODEL_FILE, stretch=5).whole(pieces, "the text"))
    whole = MODEL.score(text)
    assert max(score.chars for score in stretches) <= 5
    assert "".join(score.text for score in stretches) == text
    assert sum(score.log_prob for score in stretches) == pytest.approx(whole.log_prob, abs=1e-4)


def test_context_is_read_but_not_scored():
    context, text = "a bed ", "of feed"
    after = MODEL.score(text, context=context)
    assert after.log_prob == pytest.approx(
        MODEL.score(context + text).log_prob - MODEL.score(context).log_prob, abs=1e-5
    )
    assert next(MODEL.score_many([text, "x"[:0]], context=context)).log_prob == pytest.approx(
        after.log_prob, abs=1e-5
    )


def test_results_are_streamed_in_bounded_blocks():
    scores = scorer_of(MODEL_FILE, block_texts=3).many("bad" for _ in itertools.count())
    assert [score.text for score in itertools.islice(scores, 10)] == ["bad"] * 10


def test_first_scores_come_before_much_is_read():
    texts = itertools.count(1)
    scores = MODEL.score_many("bad" for _ in texts)
    next(scores)
    assert next(texts) == DEFAULT_LIMITS.first_block + 2
    for _ in range(5 * DEFAULT_LIMITS.block_texts):
        next(scores)
    assert next(texts) < 8 * DEFAULT_LIMITS.block_texts


def test_memory_does_not_grow_with_a_text_in_pieces():
    scorer, peaks = scorer_of(MODEL_FILE, stretch=500), []
    for count in (2, 20):
        tracemalloc.start()
        pieces = ("a bed on a cab " * 20 for _ in range(count))
        chars = sum(score.chars for score in scorer.whole(pieces, "the text"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert chars == count * 300
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize("place", [0, 3, 11])
def test_an_unknown_character_is_named_with_its_place(place):
    text = "a bed of feed"
    text = text[:place] + "é" + text[place:]
    message = rf"U\+00E9 \('é'\), character {place + 1} of "
    with pytest.raises(UnknownCharacterError, match=message + "the text"):
        MODEL.score(text)
    with pytest.raises(UnknownCharacterError, match=message + "text 2"):
        list(MODEL.score_many(["bed", text]))
    with pytest.raises(UnknownCharacterError, match=message + "the text"):
        list(MODEL.score_whole(text))
    with pytest.raises(UnknownCharacterError, match=message + "the context"):
        MODEL.score("a", context=text)


def test_control_characters_and_surrogates_are_named_without_being_printed():
    for character in "\x1b\x9b\u202e\ud800\0":
        with pytest.raises(UnknownCharacterError) as caught:
            MODEL.score(character)
        assert f"U+{ord(character):04X}" in str(caught.value)
        assert character not in str(caught.value)


def test_skipping_is_as_if_it_were_not_there():
    score = MODEL.score("bé€d", unknown="skip", context="aé")
    assert (score.text, score.scored, score.unknown, score.chars) == ("bé€d", "bd", 2, 2)
    assert score.log_prob == pytest.approx(MODEL.score("bd", context="a").log_prob)


@pytest.mark.parametrize(
    ("characters", "has_unknown", "stand_in"),
    [("ab \ufffd", False, "\ufffd"), ("ab c", False, " "), ("bacd", False, "b"), ("ab ", True, "~")],
)
def test_replacing(characters, has_unknown, stand_in):
    model = loaded(random_model(ModelConfig(vocab_size=4, hidden=4), 3, characters, has_unknown=has_unknown))
    score = model.score("aéb", unknown="replace")
    assert (score.scored, score.unknown, score.chars) == ("aéb", 1, 3)
    assert score.log_prob == pytest.approx(model.score(f"a{stand_in}b", unknown="replace").log_prob)


def test_an_unknown_policy_is_refused():
    with pytest.raises(InputError, match="--unknown"):
        MODEL.score("a", unknown="ignore")


def test_without_a_newline_a_text_follows_the_zero_state():
    stored = random_model(ModelConfig(vocab_size=5, hidden=4), 3, "abcde")
    bias = stored.weights["output.bias"].astype(np.float64)
    expected = bias - np.log(np.exp(bias).sum())
    assert loaded(stored).score("b").log_prob == pytest.approx(expected[1], abs=1e-6)


def test_a_text_of_astral_characters():
    model = loaded(random_model(ModelConfig(vocab_size=4, hidden=4), 3, "\n😀你́"))
    assert model.score("😀你́😀").chars == 4
