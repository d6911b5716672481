"""How often a state is saved or a sample shown."""

import pytest

from charnn.errors import InputError
from charnn.training.decisions import Interval
from charnn.training.options import checked_options


@pytest.mark.parametrize(
    ("text", "steps", "seconds"),
    [
        ("500", 500, None),
        ("30s", None, 30.0),
        ("10m", None, 600.0),
        ("1.5h", None, 5400.0),
        (" 2m ", None, 120.0),
        ("0", None, None),
        ("0s", None, None),
    ],
)
def test_parse(text, steps, seconds):
    (parsed,) = map(Interval.parse, checked_options({"save_every": text}).values())
    assert (parsed.steps, parsed.seconds) == (steps, seconds)


@pytest.mark.parametrize(
    "text",
    ["", "m", "10 m", "10x", "-5", "1.5", "1e3", "nan", "inf", "10m5s", "5\n6", "9" * 5000, "9" * 400 + "s"],
)
def test_nonsense_names_the_option(text):
    with pytest.raises(InputError, match="--sample-every") as caught:
        checked_options({"sample_every": text})
    assert "\n" not in str(caught.value)


def test_steps():
    every = Interval(steps=5)
    assert [step for step in range(8) if every.is_due(step, 1e9)] == [5, 6, 7]
    every.restart(6, 1e9)
    assert [step for step in range(6, 14) if every.is_due(step, 1e9)] == [11, 12, 13]


def test_seconds():
    every = Interval(seconds=30)
    every.restart(0, 1000.0)
    assert not every.is_due(10_000, 1029.0)
    assert every.is_due(1, 1030.0)
    every.restart(1, 1030.0)
    assert not every.is_due(2, 1030.0)


def test_never():
    assert not Interval.parse("0").is_due(10**9, 1e9)
