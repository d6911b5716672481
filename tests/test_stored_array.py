"""Arrays in files: what is read is what a whole array would give, and whatever can't be read is one line."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charnn.data.stored_array import StoredArray, in_memory, open_array
from charnn.errors import CharnnError, InputError


@pytest.fixture(params=["<u1", "<u2", "<u4", "<u8"])
def array(request) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, 1000).astype(request.param)


@pytest.fixture
def stored(array, tmp_path) -> StoredArray:
    array.tofile(tmp_path / "ids.bin")
    return StoredArray(tmp_path / "ids.bin", array.dtype, len(array))


@pytest.mark.parametrize(
    "part",
    [
        slice(0, 10),
        slice(990, 2000),
        slice(5, 5),
        slice(9, 3),
        slice(None),
        slice(0, 100, 7),
        slice(-5, None),
    ],
)
def test_a_stretch(stored, array, part):
    assert (stored[part] == array[part]).all() and stored[part].dtype == array.dtype


@pytest.mark.parametrize("starts", [[0], [0, 500, 935], [935, 935], []])
def test_windows_of_streams(stored, array, starts):
    places = np.arange(65)[:, None] + np.array(starts, dtype=int)
    assert (stored[places] == array[places]).all()


def test_places_that_are_cut_off_at_the_end(stored, array):
    """As those of the last documents are."""
    places = np.minimum(np.arange(20)[:, None] + np.array([0, 985, 999]), 999)
    assert (stored[places] == array[places]).all()


@given(st.lists(st.integers(0, 999), min_size=1, max_size=30))
def test_any_places(tmp_path_factory, places):
    path = tmp_path_factory.getbasetemp() / "any.bin"
    whole = np.arange(1000, dtype="<u2")
    if not path.exists():
        whole.tofile(path)
    assert StoredArray(path, "<u2", 1000)[np.array(places)].tolist() == places


def test_a_small_one_is_read_at_once_and_a_middling_one_for_a_run(array, tmp_path):
    array.tofile(tmp_path / "ids.bin")
    assert isinstance(open_array(tmp_path / "ids.bin", array.dtype, 1000), np.ndarray)
    opened = open_array(tmp_path / "ids.bin", array.dtype, 1000, small=10)
    assert isinstance(opened, StoredArray) and (np.asarray(opened) == array).all()
    assert isinstance(in_memory(opened), np.ndarray)
    assert in_memory(opened, most=10) is opened


def test_a_file_that_is_gone_is_read_on(stored, array, tmp_path):
    """As after `charnn cache --clear`."""
    (tmp_path / "ids.bin").unlink()
    assert (stored[:] == array).all()


def test_a_disk_that_fails_is_one_line(stored, tmp_path, monkeypatch):
    def failing(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(CharnnError, match=f"cannot read {tmp_path}/ids.bin: Input/output error"):
        stored[:10]


def test_a_reading_in_pieces_is_whole(stored, array, monkeypatch):
    """As a network's file system may give it."""
    read = os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, at: read(file, min(size, 7), at))
    assert (stored[3:900] == array[3:900]).all()


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(b"abc")
    (tmp_path / "ids.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError):
        open_array(Path(tmp_path / "ids.bin"), "<u1", 3)
