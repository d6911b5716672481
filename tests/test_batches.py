import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charnn.data.batches import BatchStream, fit
from charnn.data.tokens import TokenView


def part_of(n: int) -> TokenView:
    """Every place has an id of its own, so that nothing can be mixed up."""
    return TokenView(np.arange(n, dtype=np.uint16), np.arange(n, dtype=np.int64) * 3)


SIZES = st.tuples(st.integers(2, 400), st.integers(1, 20), st.integers(1, 70))


@given(SIZES)
def test_windows_rejoin_to_the_corpus(sizes: tuple[int, int, int]) -> None:
    n, *wanted = sizes
    batch, length = fit(n, *wanted)
    part = part_of(n)
    streams = BatchStream(part, batch, length)
    windows = [streams.batch(i) for i in range(streams.batches_per_epoch)]
    inputs = np.concatenate([window.inputs for window in windows]).T.ravel()
    targets = np.concatenate([window.targets for window in windows]).T.ravel()
    covered = (n - 1) // batch * batch
    assert np.array_equal(inputs, part.read(0, covered))
    assert np.array_equal(targets, part.read(1, covered + 1))
    lengths = [len(window.inputs) for window in windows]
    assert max(lengths) <= length and max(lengths) - min(lengths) <= 1
    assert all(window.inputs.shape == window.targets.shape for window in windows)


@given(SIZES)
def test_fit_shrinks_no_more_than_it_must(sizes: tuple[int, int, int]) -> None:
    n, batch, length = sizes
    fitted = fit(n, batch, length)
    assert 1 <= fitted[0] <= batch and 1 <= fitted[1] <= length
    assert fitted[0] * fitted[1] <= n - 1
    if batch * length <= n - 1:
        assert fitted == (batch, length)


def test_a_position_is_one_integer_over_all_epochs() -> None:
    streams = BatchStream(part_of(101), 4, 10)
    per_epoch = streams.batches_per_epoch
    assert per_epoch == 3
    again = streams.batch(2 * per_epoch + 1)
    assert np.array_equal(again.inputs, streams.batch(1).inputs)


def test_windows_are_contiguous_int64() -> None:
    batch = BatchStream(part_of(100), 4, 8).batch(0)
    for ids in (batch.inputs, batch.targets):
        assert ids.dtype == np.int64 and ids.flags.c_contiguous and ids.flags.writeable


def test_a_text_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="two characters"):
        fit(1, 1, 1)
    with pytest.raises(ValueError, match="don't fill"):
        BatchStream(part_of(4), 4, 1)
