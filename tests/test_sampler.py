"""Distributions that characters are drawn from, and draws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from charnn.config import SampleConfig
from charnn.errors import InputError
from charnn.inference.filters import filtered, filters_of, probabilities
from charnn.inference.generators import generators
from charnn.inference.sampler import (
    checked_seed,
    draw,
    gumbel,
)
from charnn.settings import checked, require_valid, settings_of


def truncated(logits, config):
    return filtered(logits, filters_of(config))


LOGITS = np.log(np.array([[0.05, 0.4, 0.1, 0.25, 0.2]], dtype=np.float32))


def drawn_from(**options):
    return probabilities(LOGITS, SampleConfig(**options))[0]


def test_temperature_one_is_the_model():
    np.testing.assert_allclose(drawn_from(), np.exp(LOGITS[0]), atol=1e-7)


def test_temperature_divides_the_logits():
    expected = np.exp(LOGITS[0] / 0.5)
    np.testing.assert_allclose(drawn_from(temperature=0.5), expected / expected.sum(), atol=1e-7)


def test_greedy_takes_the_first_of_the_likeliest():
    tied = np.array([[0.0, 2.0, 2.0]], dtype=np.float32)
    assert probabilities(tied, SampleConfig(temperature=0)).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("temperature", [0.0, 5e-324, 1e-308, 1e-30, 1e30, 1e308])
def test_extreme_temperatures_are_stable(temperature):
    shares = drawn_from(temperature=temperature)
    expected = np.eye(5)[1] if temperature < 1 else np.full(5, 0.2)
    np.testing.assert_allclose(shares, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"top_k": 1}, [1]),
        ({"top_k": 3}, [1, 3, 4]),
        ({"top_k": 99}, [0, 1, 2, 3, 4]),
        ({"top_p": 0.39}, [1]),
        ({"top_p": 0.5}, [1, 3]),
        ({"top_p": 0.9}, [1, 2, 3, 4]),
        ({"top_p": 1e-300}, [1]),
        ({"min_p": 0.3}, [1, 3, 4]),
        ({"min_p": 0.999}, [1]),
    ],
)
def test_truncation_keeps_the_likeliest(options, kept):
    expected = np.zeros(5)
    expected[kept] = np.exp(LOGITS[0])[kept]
    np.testing.assert_allclose(drawn_from(**options), expected / expected.sum(), atol=1e-6)


def test_top_p_counts_what_top_k_left():
    """Of 0.4 and 0.25 alone, the first has 0.615 of the whole: enough for top-p 0.6, not for 0.65."""
    assert np.count_nonzero(drawn_from(top_k=2, top_p=0.6)) == 1
    assert np.count_nonzero(drawn_from(top_k=2, top_p=0.65)) == 2
    assert np.count_nonzero(drawn_from(top_p=0.6)) == 2


def test_truncation_follows_temperature():
    """At temperature 4 the five are nearly even, so that the likeliest alone is no longer half of it."""
    assert np.count_nonzero(drawn_from(top_p=0.4)) == 1
    assert np.count_nonzero(drawn_from(temperature=4.0, top_p=0.4)) == 2
    assert np.count_nonzero(drawn_from(temperature=4.0, min_p=0.5)) == 5


def test_of_equals_the_first_is_kept():
    assert probabilities(np.zeros((1, 4), np.float32), SampleConfig(top_k=2)).tolist() == [[0.5, 0.5, 0, 0]]


def test_rows_are_truncated_each_on_its_own():
    both = np.concatenate([LOGITS, LOGITS[:, ::-1]])
    rows = probabilities(both, SampleConfig(top_k=2, temperature=0.7))
    np.testing.assert_array_equal(rows[0], rows[1][::-1])


@given(
    logits=arrays(np.float32, (3, 6), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    temperature=st.floats(0, 1.7e308),
    top_k=st.integers(0, 8),
    top_p=st.floats(1e-300, 1),
    min_p=st.floats(0, 0.999),
    seed=st.integers(0, 9),
)
def test_any_options_give_a_distribution_and_a_draw_from_it(logits, temperature, top_k, top_p, min_p, seed):
    config = SampleConfig(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    require_valid(config, "config")
    shares = probabilities(logits, config)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares >= 0).all()
    noise = noise_for(shares.shape, temperature, seed)
    assert np.isfinite(noise).all()
    assert np.isfinite(truncated(logits, config)[np.arange(3), draw(truncated(logits, config), noise)]).all()


def noise_for(shape, temperature, seed=1):
    return gumbel(generators(seed, range(1)), shape, temperature)[0]


@pytest.mark.parametrize(
    "options",
    [
        *({"temperature": temperature} for temperature in (0, 1e-30, 0.5, 1, 3, 1e30)),
        *({"top_k": 3}, {"top_p": 0.7, "temperature": 0.7}, {"min_p": 0.3}),
    ],
)
def test_draws_follow_the_distribution(options):
    config = SampleConfig(**options)
    count = 40_000
    logits = truncated(np.repeat(LOGITS, count, axis=0), config)
    ids = draw(logits, noise_for(logits.shape, config.temperature))
    np.testing.assert_allclose(
        np.bincount(ids, minlength=5) / count, probabilities(LOGITS, config)[0], atol=0.01
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": -2}, "--length"),
        ({"temperature": -1.0}, "--temp"),
        ({"temperature": math.nan}, "--temp"),
        ({"temperature": math.inf}, "--temp"),
        ({"top_k": -1}, "--top-k"),
        ({"top_p": 0.0}, "--top-p"),
        ({"top_p": 1.1}, "--top-p"),
        ({"top_p": math.nan}, "--top-p"),
        ({"min_p": 1.0}, "--min-p"),
        ({"min_p": -0.1}, "--min-p"),
        ({"min_p": math.nan}, "--min-p"),
        ({"stop": ("",)}, "--stop"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(InputError, match=f"^{message} .+: give "):
        checked(settings_of(SampleConfig), options, "sample")


def test_a_negative_seed_is_refused():
    with pytest.raises(InputError, match="--seed"):
        checked_seed(-1)
