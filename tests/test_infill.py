"""Filling gaps: the beam finds what trying every fill finds, in either direction and in both."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import product
from math import exp, fsum, inf, log, nan

import pytest
from helpers import loaded, random_model, written

import charnn
from charnn.bundled import bundled_model
from charnn.config import FillConfig, ModelConfig
from charnn.errors import InputError, ModelFileError, UnknownCharacterError
from charnn.inference.blanks import Gap, blanks_in, joined
from charnn.inference.directional import directions
from charnn.inference.infill import Filler
from charnn.model.kinds import BACKWARD, FORWARD

LETTERS = "\n abcd"
CONFIG = ModelConfig(vocab_size=len(LETTERS), hidden=8)
PLAIN = random_model(CONFIG, seed=1)
BOTH = random_model(replace(CONFIG, kind="bidirectional"), seed=2)
KINDS = pytest.mark.parametrize("stored", [PLAIN, BOTH], ids=["forward", "bidirectional"])
EVERYTHING = {"count": 10_000, "beam": 10_000, "lookahead": 1000}


def every_way(text, max_length):
    """All ways to fill the gaps."""
    choices = [
        ["".join(word) for n in range(gap.shortest, gap.longest + 1) for word in product(" abcd", repeat=n)]
        for gap in blanks_in(text, max_length).gaps
    ]
    return list(product(*choices))


def by_trying(stored, text, max_length):
    """The probabilities of all fills: each text scored as a whole, by each direction."""
    read = [(stored, 1)]
    if stored.config.kind == "bidirectional":
        forward, backward = directions(stored)
        read = [(forward, 1), (backward, -1)]
    weights = {}
    for fills in every_way(text, max_length):
        filled = joined(blanks_in(text, max_length).known, fills)
        log_probs = [loaded(half).score(filled[::step] + "\n").log_prob for half, step in read]
        weights[fills] = exp(fsum(log_probs) / len(log_probs))
    return {fills: weight / fsum(weights.values()) for fills, weight in weights.items()}


@KINDS
@pytest.mark.parametrize("text", ["ab__ca", "__", "_ba_c_", "a{}b", "{}", "b{}_d", "_ab\nc_"])
def test_the_probabilities_are_those_of_trying_every_fill(stored, text):
    expected = by_trying(stored, text, max_length=3)
    found = Filler.of(stored, margin=inf).fill(text, max_length=3, **EVERYTHING)
    assert {filled.fills: filled.probability for filled in found} == pytest.approx(expected, rel=1e-4)
    probabilities = [filled.probability for filled in found]
    assert probabilities == sorted(probabilities, reverse=True)
    assert fsum(probabilities) == pytest.approx(1)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(
    "more", [{}, {"layers": 2}, {"embedding": 4, "ngrams": 3, "ngram_rows": 16, "skip_connection": "input"}]
)
@pytest.mark.parametrize("kind", ["language_model", "bidirectional"])
def test_every_network_fills(cell, more, kind, tmp_path):
    config = replace(CONFIG, cell=cell, kind=kind, **more)
    filler = charnn.load_filler(written(tmp_path, random_model(config)))
    assert filler.is_bidirectional == (kind == "bidirectional")
    for filled in filler.fill("ab__c{}\nd"):
        assert filled.text == f"ab{filled.fills[0]}c{filled.fills[1]}\nd"
        assert len(filled.fills[0]) == 2 and 1 <= len(filled.fills[1]) <= FillConfig().max_length


@KINDS
def test_a_good_fill_is_found_by_a_narrow_beam(stored):
    best = Filler.of(stored).fill("ab____ca", **EVERYTHING)[0]
    found = Filler.of(stored).fill("ab____ca", beam=40)
    assert found[0].fills == best.fills
    assert found[0].log_prob == pytest.approx(best.log_prob, abs=1e-4)


def test_what_falls_behind_is_given_up():
    everything, few = (
        Filler.of(PLAIN, margin=margin).fill("ab____cacadacabac", **EVERYTHING) for margin in (inf, 2.0)
    )
    assert 0 < len(few) < len(everything)
    assert few[0].fills == everything[0].fills


@KINDS
def test_each_option_changes_what_it_says(stored):
    fill = partial(Filler.of(stored).fill, "ab{}ca")
    assert len(fill()) == FillConfig().count and len(fill(count=7)) == 7
    longest = [max(len(filled.fills[0]) for filled in fill(max_length=n, count=500)) for n in (1, 2)]
    assert longest == [1, 2]
    assert len(fill(beam=3, count=500)) < len(fill(beam=9, count=500))
    assert fill(temperature=5.0, seed=1) != fill()
    assert fill(lookahead=1)[0].log_prob > fill()[0].log_prob


@pytest.mark.parametrize(
    ("option", "bad"),
    [
        ("count", 0),
        ("max_length", 0),
        ("max_length", 65),
        ("temperature", nan),
        ("temperature", -0.1),
        ("beam", 0),
        ("lookahead", -1),
        ("seed", -1),
    ],
)
def test_bad_options_are_refused(option, bad):
    with pytest.raises(InputError, match=r"^--\S+ \S+: give a (whole|finite) number"):
        Filler.of(PLAIN).fill("a_b", **{option: bad})


def test_without_lookahead_a_fill_is_what_the_left_side_expects():
    def fills(text):
        return Filler.of(PLAIN).fill(text, lookahead=0)

    model = loaded(PLAIN)
    assert [filled.fills for filled in fills("ab__ca")] == [filled.fills for filled in fills("ab__dd")]
    for filled in fills("ab__ca"):
        assert filled.log_prob == pytest.approx(model.score(filled.fills[0], context="ab").log_prob, abs=1e-4)


def test_no_more_than_the_lookahead_weighs():
    def log_probs(rest):
        return [filled.log_prob for filled in Filler.of(PLAIN).fill("ab__ca" + rest, lookahead=2)]

    assert log_probs("da") == log_probs("bb")


def test_beyond_the_lookahead_the_text_is_still_read():
    """With a single candidate nothing is lost: the second gap is filled after all the text before it."""
    fill = partial(Filler.of(PLAIN).fill, "a_" + "bcda" * 5 + "__b", beam=1)
    near, far = fill(lookahead=3)[0], fill(lookahead=1000)[0]
    assert near.fills == far.fills
    assert near.log_prob > far.log_prob


def test_both_directions_are_alike():
    """A text read from its end, by the model whose halves are exchanged, has the same fills from their ends."""
    swap = {FORWARD: BACKWARD, BACKWARD: FORWARD}
    weights = {
        name.replace(direction, swap[direction]): weight
        for name, weight in BOTH.weights.items()
        for direction in swap
        if name.startswith(direction)
    }
    found = Filler.of(BOTH).fill("ab__c{}d")
    mirrored = Filler.of(replace(BOTH, weights=weights)).fill("ab__c{}d"[::-1].replace("}{", "{}"))
    for one, other in zip(found, mirrored, strict=True):
        assert one.text == other.text[::-1]
        assert one.probability == pytest.approx(other.probability, rel=1e-4)


@KINDS
def test_a_seed_decides_the_draw_and_no_two_are_alike(stored):
    fill = partial(Filler.of(stored).fill, "ab__ca", count=8, temperature=2.0)
    assert fill(seed=3) == fill(seed=3) != fill(seed=4)
    assert fill() != fill()
    assert len({filled.fills for filled in fill(seed=3)}) == 8


def test_draws_follow_the_tempered_probabilities():
    filler, temperature, draws = Filler.of(PLAIN), 1.5, 1000
    shares = {f.fills: f.probability ** (1 / temperature) for f in filler.fill("a_b", **EVERYTHING)}
    drawn = Counter(
        filler.fill("a_b", temperature=temperature, seed=seed, count=1)[0].fills for seed in range(draws)
    )
    for fills, share in shares.items():
        assert drawn[fills] / draws == pytest.approx(share / fsum(shares.values()), abs=0.06)


def test_a_drawn_fill_keeps_its_probability():
    filler = Filler.of(PLAIN)
    listed = {filled.fills: filled for filled in filler.fill("ab__ca", count=10_000)}
    for drawn in filler.fill("ab__ca", temperature=9.0, seed=1):
        assert drawn == listed[drawn.fills]
        assert drawn.probability == pytest.approx(
            exp(drawn.log_prob - log(fsum(exp(f.log_prob) for f in listed.values())))
        )


def test_a_fill_holds_no_newline_and_nothing_unknown():
    stored = random_model(CONFIG, characters="\nabcd", has_unknown=True)
    fills = {filled.fills[0] for filled in Filler.of(stored).fill("a_b", **EVERYTHING)}
    assert fills == set("abcd")


def test_a_model_that_never_saw_a_newline_fills():
    stored = random_model(replace(CONFIG, vocab_size=4), characters="abcd")
    assert Filler.of(stored).fill("ab_")


def test_a_model_that_knows_nothing_else_than_newlines_is_refused():
    with pytest.raises(InputError, match="no character to fill"):
        Filler.of(random_model(replace(CONFIG, vocab_size=1), characters="\n")).fill("_")


@pytest.mark.parametrize(("text", "place"), [("ab_zc", 4), ("z_", 1), ("ab{}c{}Z", 8)])
def test_what_the_model_never_saw_is_named_with_its_place(text, place):
    with pytest.raises(UnknownCharacterError, match=f"character {place} of the text"):
        Filler.of(PLAIN).fill(text)


@pytest.mark.parametrize("text", ["", "abc", "{a}"])
def test_a_text_without_a_gap_is_refused(text):
    with pytest.raises(InputError, match="no gap"):
        Filler.of(PLAIN).fill(text)


def test_gaps_of_a_text():
    blanks = blanks_in("_a___{}b", 9)
    assert blanks.known == ("", "a", "", "b")
    assert blanks.gaps == (Gap(1, 1), Gap(3, 3), Gap(1, 9))


def test_many_threads_share_one_filler():
    filler = Filler.of(BOTH)
    texts = [f"{'abcd'[i % 4]}__{'bca'[i % 3]}" for i in range(24)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(filler.fill, texts)) == [filler.fill(text) for text in texts]


def test_a_file_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="missing"):
        charnn.load_filler(tmp_path / "missing")


def test_the_model_that_ships_knows_its_shakespeare():
    found = charnn.load_filler(bundled_model()).fill("O Romeo, Romeo! wherefore ___ thou Romeo?")
    assert found[0].fills == ("art",)
