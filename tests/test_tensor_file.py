"""safetensors files written piece by piece are the library's, to the byte."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from charnn.storage.tensor_file import safetensors_chunks, stored_array

NAMES = {"float32": "F32", "float16": "F16", "int64": "I64", "uint8": "U8"}


def content(arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    tensors = {name: stored_array(a, a.dtype, NAMES[a.dtype.name]) for name, a in arrays.items()}
    return b"".join(safetensors_chunks(tensors, metadata))


ARRAYS = st.dictionaries(
    st.text('abc.é"\\', min_size=1, max_size=6),
    st.tuples(st.sampled_from(sorted(NAMES)), st.lists(st.integers(0, 4), max_size=3)),
    min_size=1,
    max_size=5,
)


@settings(deadline=None)
@given(ARRAYS, st.none() | st.just({"charnn": 'ü "\\\x1b'}))
def test_the_file_is_the_librarys(kinds, metadata):
    arrays = {n: np.arange(np.prod(s, dtype=int), dtype=d).reshape(s) for n, (d, s) in kinds.items()}
    ours = content(arrays, metadata)
    read = load(ours)
    assert read.keys() == arrays.keys()
    assert all(read[n].dtype == a.dtype and np.array_equal(read[n], a) for n, a in arrays.items())
    theirs = save(arrays, metadata)
    size, their_size = (int.from_bytes(c[:8], "little") for c in (ours, theirs))
    assert json.loads(ours[8 : 8 + size]) == json.loads(theirs[8 : 8 + their_size])
    assert ours[8 + size :] == theirs[8 + their_size :]


def test_numbers_are_converted_piece_by_piece():
    array = np.linspace(-1, 1, 1000, dtype=np.float32).reshape(10, 100)
    half = {"a": stored_array(array, np.dtype(np.float16), "F16")}
    chunks = list(safetensors_chunks(half, chunk=64))
    assert max(len(chunk) for chunk in chunks[1:]) == 64
    assert np.array_equal(load(b"".join(chunks))["a"], array.astype(np.float16))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_writing_takes_no_memory_of_the_tensors_size(dtype):
    array = np.zeros((64, 1 << 18), np.float32)  # 64 MB
    tensors = {"a": stored_array(array, np.dtype(dtype), NAMES[dtype])}
    tracemalloc.start()
    written = sum(len(chunk) for chunk in safetensors_chunks(tensors))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert written > 30e6
    assert peak < 20e6
