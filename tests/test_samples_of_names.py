"""Samples of a model of names are distributed as the list: their lengths, and their first letters."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

import charnn

NAMES = Path(__file__).parents[2] / "shared/corpora/names.txt"
SAMPLES = 100


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> list[str]:
    if not NAMES.is_file():
        pytest.skip(f"{NAMES} is not here")
    out = tmp_path_factory.mktemp("names") / "run"
    charnn.train(str(NAMES), out=out, steps=800, hidden=96, seed=1)
    return [sample.text for sample in charnn.load(out).sample_many(SAMPLES, seed=1)]


def chi_squared(found: Iterable[object], expected: Iterable[object]) -> tuple[float, float]:
    """Pearson's statistic of SAMPLES values against the shares of a list, and its 99 % quantile.

    Values that would be expected fewer than five times are one class.
    """
    listed, drawn = Counter(expected), Counter(found)
    per_count = SAMPLES / listed.total()
    classes = [[value] for value, count in listed.items() if count * per_count >= 5]
    common = {value for (value,) in classes}
    classes.append([value for value in listed | drawn if value not in common])
    statistic = 0.0
    for values in classes:
        mean = per_count * sum(listed[value] for value in values)
        statistic += (sum(drawn[value] for value in values) - mean) ** 2 / mean
    freedom = len(classes) - 1
    quantile = (
        freedom * (1 - 2 / (9 * freedom) + 2.326 * (2 / (9 * freedom)) ** 0.5) ** 3
    )  # Wilson, Hilferty 1931
    return statistic, quantile


@pytest.mark.parametrize("feature", [len, lambda name: name[:1]], ids=["lengths", "first letters"])
def test_samples_are_distributed_as_the_list(samples, feature):
    statistic, quantile = chi_squared(map(feature, samples), map(feature, NAMES.read_text().split()))
    assert statistic < quantile


def test_the_statistic_tells_another_list_apart(samples):
    statistic, quantile = chi_squared(
        [len(name) + 2 for name in samples], map(len, NAMES.read_text().split())
    )
    assert statistic > quantile
