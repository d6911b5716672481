"""Beam search, greedy search and draws of targets, against every target that there is."""

import unicodedata
from itertools import product

import numpy as np
import pytest
from pair_helpers import SOURCE, TARGET, pair_config, random_pair_model, translator

from charnn.data.pair_files import Pair
from charnn.data.symbols import PairVocabulary, Separators
from charnn.errors import InputError, UnknownCharacterError
from charnn.inference.pair_input import padded
from charnn.inference.pair_scores import score_pairs
from charnn.inference.pair_search import Ensemble
from charnn.inference.transducer import Transducer
from charnn.inference.translator import Translator

SOURCES = ["abcd", "a", "dd", "cab", "bad", "abca"]


def everything(model: Translator, source: str, longest: int) -> dict[str, float]:
    """Every target of at most so many symbols, with its log-probability."""
    targets = ["".join(one) for length in range(longest + 1) for one in product(TARGET, repeat=length)]
    scored = model.log_probs([(source, target, "") for target in targets])
    return {target: log_prob for target, (log_prob, _) in zip(targets, scored, strict=True)}


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_likeliest_target(seed):
    model = Translator.of(random_pair_model(seed=seed))
    for source in SOURCES[:3]:
        every = everything(model, source, 3)
        best = sorted(every.items(), key=lambda one: -one[1])[:5]
        found = model.translate(source, beam=200, count=50)
        short = [(one.target, one.log_prob) for one in found.candidates if one.ended and len(one.target) <= 3]
        assert [target for target, _ in short[:5]] == [target for target, _ in best[: len(short)]]
        np.testing.assert_allclose([p for _, p in short[:5]], [p for _, p in best[: len(short)]], atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_greedy_takes_the_likeliest_symbol_each_time(seed):
    stored = random_pair_model(seed=seed)
    model, ensemble = Translator.of(stored), Ensemble([Transducer(stored)])
    for source in SOURCES:
        ids = stored.vocabulary.encode(source)  # the same in both vocabularies, but for "d"
        ids[[s == "d" for s in source]] = SOURCE.index("d")
        reading, last, written = ensemble.encode(*padded([ids.astype(np.int64)])), ensemble.end_id, ""
        for _ in range(5 * len(source) + 50):
            log_probs, _ = reading.step(np.array([last]))
            log_probs[0, ensemble.unknown_id] = -np.inf
            last = int(log_probs[0].argmax())
            written += stored.vocabulary.decode([last])
            if last == ensemble.end_id:
                break
        found = model.translate(source, beam=1)
        assert (found, found.ended) == (written, last == ensemble.end_id)


def test_log_probabilities_are_those_of_the_targets():
    model = translator()
    for source in SOURCES:
        for candidate in model.translate(source, beam=4, count=4).candidates:
            if candidate.ended:
                expected = model.log_probs([(source, candidate.target, "")])[0][0]
                assert candidate.log_prob == pytest.approx(expected, abs=1e-4)


def test_candidates_are_distinct_and_in_order():
    found = translator().translate("abcd", beam=6, count=6).candidates
    assert len({one.target for one in found}) == len(found) == 6
    assert [*found] == sorted(found, key=lambda one: (not one.ended, -one.log_prob))


def test_a_better_beam_is_never_worse():
    model = translator()
    for source in SOURCES:
        greedy, wide = (model.translate(source, beam=beam) for beam in (1, 20))
        if greedy.ended:
            assert wide.log_prob >= greedy.log_prob - 1e-6


def test_many_are_what_each_is_alone():
    model = translator()
    sources = SOURCES * 40
    for options in ({"beam": 1}, {"beam": 3, "count": 2}, {"temperature": 1.0, "count": 2, "seed": 5}):
        many = list(model.translate_many(sources, **options))
        assert [one.source for one in many] == sources
        if "seed" not in options:
            alone = [model.translate(source, **options) for source in SOURCES]
            assert many[: len(SOURCES)] == alone
            assert [m.log_prob for m in many[-len(SOURCES) :]] == pytest.approx([a.log_prob for a in alone])


def test_draws_follow_the_distribution_and_the_seed():
    model = Translator.of(random_pair_model(seed=1))
    drawn = model.translate("ab", temperature=1.0, count=1000, seed=3).candidates
    assert drawn == model.translate("ab", temperature=1.0, count=1000, seed=3).candidates
    assert drawn != model.translate("ab", temperature=1.0, count=1000, seed=4).candidates
    for target, log_prob in sorted(everything(model, "ab", 2).items(), key=lambda one: -one[1])[:3]:
        share = sum(one.target == target and one.ended for one in drawn) / 1000
        assert share == pytest.approx(np.exp(log_prob), abs=0.05)
    cold = model.translate("ab", temperature=1e-6, seed=1)
    assert cold == model.translate("ab", beam=1)


def test_an_ensemble_of_one_model_is_that_model():
    model = translator()
    twice = model.joined([model])
    for source in SOURCES:
        assert twice.translate(source) == model.translate(source)
        assert twice.translate(source).log_prob == pytest.approx(model.translate(source).log_prob, abs=1e-5)


def test_an_ensembles_probabilities_are_the_mean():
    one, other = (Translator.of(random_pair_model(seed=seed)) for seed in (1, 2))
    both = one.joined([other])
    first = [np.exp(model.log_probs([("ab", "", "")])[0][0]) for model in (one, other, both)]
    assert first[2] == pytest.approx((first[0] + first[1]) / 2, rel=1e-4)
    stranger = random_pair_model(
        pair_config(source_size=4), pairs=PairVocabulary("abc", "", (), Separators())
    )
    with pytest.raises(InputError, match="an ensemble's models are trained on the same pairs"):
        one.joined([Translator.of(stranger)])


def test_an_unknown_symbol_is_named_left_out_or_copied():
    model = translator()
    with pytest.raises(UnknownCharacterError, match=r"U\+007A \('z'\), symbol 2 of the source, is none"):
        model.translate("az")
    assert model.translate("zazb", unknown="skip") == model.translate("ab")
    assert model.translate("", unknown="skip") == ""
    assert {"z"} >= {s for s in model.translate("abz", unknown="replace") if s not in TARGET}
    with pytest.raises(InputError, match="--unknown must be one of"):
        model.translate("a", unknown="what")


def test_what_is_unknown_is_taken_from_where_the_network_looks():
    """Attention lies on the unknown symbol alone, and the gate copies."""
    stored = random_pair_model()
    weights = {name: np.zeros_like(weight) for name, weight in stored.weights.items()}
    weights["gate.bias"] = np.array([-20.0], np.float32)
    weights["output.bias"] = np.zeros(len(TARGET) + 2, np.float32)
    model = Translator.of(type(stored)(stored.config, stored.vocabulary, weights, {}, None, stored.pairs))
    found = model.translate("é", unknown="replace", beam=1)
    assert set(found) == {"é"}
    assert not found.ended


def test_features_are_read_and_missed():
    pairs = PairVocabulary("ab", "N\U000f0000", ("PST",), Separators())
    model = Translator.of(random_pair_model(pair_config(source_size=5), pairs=pairs))
    assert model.translate("ab", features="N;PST").features == "N;PST"
    first, second = (model.log_probs([("ab", "a", features)])[0][0] for features in ("N", "PST"))
    assert first != second
    with pytest.raises(
        InputError, match=r"the source has no features, which the model was trained with \('N', …\)"
    ):
        model.translate("ab")
    with pytest.raises(UnknownCharacterError, match="'FUT', symbol 3 of the source"):
        model.translate("ab", features="FUT")
    with pytest.raises(InputError, match="was trained without; leave them out"):
        translator().translate("ab", features="N")


def test_an_alignment_has_a_row_for_each_symbol_and_the_end():
    model = translator()
    aligned = model.align("abcd", "xyab")
    assert (aligned.source, aligned.target) == (tuple("abcd"), tuple("xyab"))
    assert aligned.weights.shape == (5, 4)
    np.testing.assert_allclose(aligned.weights.sum(axis=1), 1, atol=1e-5)
    assert model.align("abcd").target == tuple(model.translate("abcd"))


def test_a_translation_is_a_text_with_attributes(tmp_path):
    found = translator().translate("abcd", count=3)
    assert isinstance(found, str) and found == found.target == found.candidates[0].target
    assert (found.log_prob, found.ended) == (found.candidates[0].log_prob, found.candidates[0].ended)


@pytest.mark.parametrize("options", [{"beam": 0}, {"temperature": -1.0}, {"count": 0}, {"width": 3}])
def test_options_out_of_their_range(options):
    with pytest.raises(InputError):
        translator().translate("a", **options)


def test_a_model_is_a_value():
    from copy import deepcopy

    model = translator()
    assert deepcopy(model).translate("abc") == model.translate("abc")
    assert model == Translator.of(random_pair_model()) and hash(model) == hash(
        Translator.of(random_pair_model())
    )
    assert set(SOURCE) == set(model.pairs.source)


@pytest.mark.parametrize(
    "changes", [{}, {"copy_gate": "off"}, {"attention": "none", "copy_gate": "off", "encoder_hidden": 0}]
)
def test_a_draw_writes_no_unknown_symbol_that_stands_for_nothing(changes):
    stored = random_pair_model(pair_config(**changes))
    stored.weights["output.bias"][-2:] = 4, 2  # type: ignore[index]  # the unknown symbol's, the end's
    found = Translator.of(stored).translate("abcd", temperature=1.5, count=200, seed=1)
    assert not any("\ufffd" in one.target for one in found.candidates)
    if changes.get("attention") == "none":
        strange = Translator.of(stored).translate("abzd", unknown="replace", beam=3, count=3)
        assert not any("\ufffd" in one.target for one in strange.candidates)


def test_a_string_is_one_source():
    model = translator()
    assert list(model.translate_many("abcd")) == [model.translate("abcd")]


def test_targets_are_scored_in_the_normal_form_that_the_model_writes():
    model = Translator.of(random_pair_model(target="abcxé"))
    (composed, _), (apart, _) = model.log_probs([("ab", "é", ""), ("ab", "e\u0301", "")])
    assert composed == apart
    written = str(model.translate("abcd"))
    known = [Pair("abcd", unicodedata.normalize(form, written or "é")) for form in ("NFC", "NFD")]
    assert score_pairs(model, known[1:]) == score_pairs(model, known[:1])
