import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charnn.text.corpus import Part
from charnn.text.lanes import Lanes, fit


def part_of(n: int) -> Part:
    """Every place has an id of its own, so that nothing can be mixed up."""
    return Part(np.arange(n, dtype=np.uint16), np.arange(n, dtype=np.int64) * 3)


SIZES = st.tuples(st.integers(2, 400), st.integers(1, 20), st.integers(1, 70))


@given(SIZES)
def test_windows_rejoin_to_the_corpus(sizes: tuple[int, int, int]) -> None:
    n, *wanted = sizes
    batch, length = fit(n, *wanted)
    part = part_of(n)
    lanes = Lanes(part, batch, length)
    windows = [lanes.window(i) for i in range(lanes.windows_per_epoch)]
    inputs = np.concatenate([window.inputs for window in windows]).T.ravel()
    targets = np.concatenate([window.targets for window in windows]).T.ravel()
    covered = (n - 1) // batch * batch
    assert np.array_equal(inputs, part.read(0, covered))
    assert np.array_equal(targets, part.read(1, covered + 1))
    lengths = [len(window.inputs) for window in windows]
    assert max(lengths) <= length and max(lengths) - min(lengths) <= 1
    assert all(window.inputs.shape == window.targets.shape for window in windows)
    assert [window.starts_epoch for window in windows] == [True] + [False] * (len(windows) - 1)


@given(SIZES)
def test_fit_shrinks_no_more_than_it_must(sizes: tuple[int, int, int]) -> None:
    n, batch, length = sizes
    fitted = fit(n, batch, length)
    assert 1 <= fitted[0] <= batch and 1 <= fitted[1] <= length
    assert fitted[0] * fitted[1] <= n - 1
    if batch * length <= n - 1:
        assert fitted == (batch, length)


def test_a_position_is_one_integer_over_all_epochs() -> None:
    lanes = Lanes(part_of(101), 4, 10)
    per_epoch = lanes.windows_per_epoch
    assert per_epoch == 3
    again = lanes.window(2 * per_epoch + 1)
    assert np.array_equal(again.inputs, lanes.window(1).inputs) and not again.starts_epoch
    assert lanes.window(2 * per_epoch).starts_epoch


def test_windows_are_contiguous_int64() -> None:
    window = Lanes(part_of(100), 4, 8).window(0)
    for ids in (window.inputs, window.targets):
        assert ids.dtype == np.int64 and ids.flags.c_contiguous and ids.flags.writeable


def test_a_text_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="two characters"):
        fit(1, 1, 1)
    with pytest.raises(ValueError, match="don't fill"):
        Lanes(part_of(4), 4, 1)
