"""Filling gaps: what the beam finds is what trying every fill finds, in either direction and in both."""

from dataclasses import replace
from itertools import product
from math import exp, fsum, inf, log

import pytest
from helpers import loaded, random_model

from charnn.config import ModelConfig
from charnn.inference.beam import Search
from charnn.inference.blanks import blanks_in
from charnn.inference.fill import Filler
from charnn.storage.halves import halves

LETTERS = "\n abcd"
CONFIG = ModelConfig(vocab_size=len(LETTERS), hidden=8)
FORWARD = random_model(CONFIG, seed=1)
BOTH = random_model(replace(CONFIG, bidirectional=True), seed=2)
WIDE = Search(width=10_000, lookahead=1000, margin=inf)


def ways(text, max_length=12):
    """Every way to fill the gaps."""
    gaps = blanks_in(text, max_length).gaps
    words = [
        ["".join(word) for n in range(gap.shortest, gap.longest + 1) for word in product(" abcd", repeat=n)]
        for gap in gaps
    ]
    return list(product(*words))


def shares(log_probs):
    total = log(fsum(map(exp, log_probs.values())))
    return {fills: exp(log_prob - total) for fills, log_prob in log_probs.items()}


def whole_log_prob(stored, text):
    """Of a text between two newlines."""
    return loaded(stored).score(text + "\n").log_prob


def tried(stored, text, max_length=12):
    """The probabilities of all fills, each text scored from its beginning to its end."""
    blanks = blanks_in(text, max_length)
    if not stored.config.bidirectional:
        return shares(
            {fills: whole_log_prob(stored, blanks.filled(fills)) for fills in ways(text, max_length)}
        )
    forward, backward = halves(stored)
    return shares(
        {
            fills: (
                whole_log_prob(forward, blanks.filled(fills))
                + whole_log_prob(backward, blanks.filled(fills)[::-1])
            )
            / 2
            for fills in ways(text, max_length)
        }
    )


TEXTS = ["ab__ca", "__", "_ba_c_", "a{}b", "{}", "b{}_d", "_ab\nc_"]


@pytest.mark.parametrize("stored", [FORWARD, BOTH], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_probabilities_are_those_of_trying_every_fill(stored, text):
    expected = tried(stored, text, max_length=3)
    found = Filler.of(stored).fill(text, count=10_000, max_length=3, search=WIDE)
    assert {filled.fills for filled in found} == expected.keys()
    for filled in found:
        assert filled.probability == pytest.approx(expected[filled.fills], rel=1e-4)
    probabilities = [filled.probability for filled in found]
    assert probabilities == sorted(probabilities, reverse=True)
