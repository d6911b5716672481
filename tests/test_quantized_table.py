"""Tables in 8 bits: every row to within half of its scale, absent rows are zeros, and only what is used is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charnn.storage.quantized_table import BLOCK_ROWS, QuantizedTable, quantize


def table_of(rows: int, width: int = 3, absent: tuple[int, ...] = (), seed: int = 0) -> np.ndarray:
    table = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    table[list(absent)] = 0
    return table


@given(rows=st.integers(1, 40), seed=st.integers(0, 9), data=st.data())
def test_rows_are_within_half_a_scale_and_absent_ones_zero(rows, seed, data):
    absent = data.draw(st.sets(st.integers(0, rows - 1), max_size=rows - 1))
    table = table_of(rows, absent=tuple(absent), seed=seed)
    parts = quantize(table)
    assert len(parts.values) == rows - len(absent - {0})
    stored = QuantizedTable.of(parts, rows)
    bound = np.abs(table).max(axis=1, keepdims=True) / 254 * 1.001
    assert (np.abs(stored.dense() - table) <= bound).all()
    wanted = np.array(data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=6)))
    assert np.array_equal(stored.take(wanted), stored.dense()[wanted])
    assert np.array_equal(stored.take(wanted[:, None]), stored.dense()[wanted[:, None]])


def test_what_was_quantized_is_kept_when_quantized_again():
    once = QuantizedTable.of(quantize(table_of(50)), 50).dense()
    again = QuantizedTable.of(quantize(once), 50).dense()
    assert np.allclose(once, again, rtol=1e-6, atol=0)


def test_half_precision_is_taken_too():
    table = table_of(20).astype(np.float16)
    assert np.allclose(QuantizedTable.of(quantize(table), 20).dense(), table, atol=0.02)


def test_a_table_that_was_never_trained_is_all_zeros():
    stored = QuantizedTable.of(quantize(np.zeros((9, 2), np.float32)), 9)
    assert not stored.dense().any()
    assert not stored.take(np.array([[0], [8]])).any()


def test_only_the_blocks_that_are_used_are_read():
    rows = 5 * BLOCK_ROWS
    parts = quantize(table_of(rows))
    content, reads = parts.values.tobytes(), []

    def read(start: int, count: int) -> bytes:
        reads.append((start, count))
        return content[start : start + count]

    stored = QuantizedTable(rows, parts.scales, parts.mask, 3, read)
    stored.take(np.array([2 * BLOCK_ROWS, 2 * BLOCK_ROWS + 7]))
    stored.take(np.array([3 * BLOCK_ROWS - 1]))
    assert reads == [(2 * BLOCK_ROWS * 3, BLOCK_ROWS * 3)]
    assert np.array_equal(stored.dense(), QuantizedTable.of(parts, rows).dense())


def test_a_failed_read_is_the_readers_error():
    parts = quantize(table_of(4))

    def read(start: int, count: int) -> bytes:
        raise ValueError("cut short")

    with pytest.raises(ValueError, match="cut short"):
        QuantizedTable(4, parts.scales, parts.mask, 3, read).take(np.array([1]))
