"""Large n-gram tables in a model file: 8-bit rows, read where they lie; hostile ones are refused."""

import copy
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import loaded, random_model, written

import charnn
from charnn.config import ModelConfig
from charnn.errors import CharnnError, ModelFileError
from charnn.model.kinds import weight_shapes
from charnn.storage.model_file import ModelFile, read_model
from charnn.storage.model_tensors import QUANTIZED_FROM, read_tensors
from charnn.storage.quantized_table import QuantizedTable

CONFIG = ModelConfig(vocab_size=30, hidden=16, embedding=64, ngrams=2, ngram_rows=QUANTIZED_FROM // 64)
NAME = "ngrams.weight"


@pytest.fixture(scope="module")
def stored() -> ModelFile:
    """A model of which training reached every tenth row."""
    model = random_model(CONFIG, seed=3)
    table = np.array(model.weights[NAME])
    table[np.arange(len(table)) % 10 > 0] = 0
    return replace(model, weights={**model.weights, NAME: table})


@pytest.fixture
def path(tmp_path: Path, stored: ModelFile) -> Path:
    return written(tmp_path, stored)


def test_rows_that_were_never_reached_take_no_room(path, stored):
    reached = len(stored.weights[NAME]) // 10 * 64
    assert path.stat().st_size < 1.1 * reached + 100_000


def test_a_table_is_read_back_to_within_half_a_scale(path, stored):
    table = read_model(path).weights[NAME]
    assert isinstance(table, QuantizedTable)
    wanted = stored.weights[NAME]
    bound = np.abs(wanted).max(axis=1, keepdims=True) / 254 * 1.001
    assert (np.abs(read_model(path).dense_weights()[NAME] - wanted) <= bound).all()


def test_scores_hardly_move(path, stored):
    text = "abc ad. a, bee" * 20
    exact, quantized = (
        model.score(text).log_prob / len(text) for model in (loaded(stored), charnn.load(path))
    )
    assert quantized == pytest.approx(exact, abs=0.01)
    assert quantized != exact


def test_what_is_written_again_is_the_same(path, tmp_path):
    again = written(
        tmp_path / "again" if (tmp_path / "again").mkdir() is None else tmp_path, read_model(path)
    )
    np.testing.assert_allclose(
        read_model(again).dense_weights()[NAME], read_model(path).dense_weights()[NAME], rtol=1e-6
    )


def test_a_copy_needs_no_file(path):
    table = read_model(path).weights[NAME]
    twin = copy.deepcopy(table)
    assert twin == table and hash(twin) == hash(table)
    os.truncate(path, 0)
    assert np.array_equal(twin.take(np.array([0, 10, 11])), table.take(np.array([0, 10, 11])))


def test_two_loads_are_equal(path):
    assert charnn.load(path) == charnn.load(path)


def test_a_file_that_is_cut_short_while_in_use_is_an_error(path):
    model = charnn.load(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ModelFileError, match="cut short while it was in use"):
        for start in "abcdefghijklmno":
            model.score(start * 3 + "xyz")


def test_a_file_that_is_cut_short_while_it_is_read_is_refused(path):
    class CutShort(io.BufferedReader):
        def read(self, size=-1):
            return super().read(size)[:-1]

    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    with CutShort(io.FileIO(path)) as file, pytest.raises(ValueError, match="cut short while it was read"):
        read_tensors(file, path, json.loads(content[8:begin]), begin, weight_shapes(CONFIG))


def test_a_disk_that_fails_while_a_table_is_in_use_is_one_line(path, monkeypatch):
    def failing(*_):
        raise OSError(5, "Input/output error")

    model = charnn.load(path)
    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(CharnnError, match=f"cannot read the model {path}: Input/output error"):
        model.score("abc")


def test_a_file_that_was_replaced_is_read_to_its_end(path, tmp_path, stored):
    model = charnn.load(path)
    expected = charnn.load(path).score("abc").log_prob
    path.unlink()
    assert model.score("abc").log_prob == expected


def changed(path: Path, name: str, key: str, value: object) -> None:
    """Change what the header says of a tensor."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header[name][key] = value
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        (NAME, "dtype", "U8", "is not"),
        (NAME, "shape", [1, 64], "other bytes"),
        (NAME, "shape", [[1], 64], "not described"),
        (NAME, "data_offsets", [0, 1 << 60], "not described"),
        (NAME, "data_offsets", [5, 5], "other bytes"),
        (NAME + ".mask", "dtype", "I8", "is not U8"),
        (NAME + ".scales", "dtype", "I4", "not described"),
    ],
)
def test_a_table_of_another_shape_is_refused(path, name, key, value, message):
    changed(path, name, key, value)
    with pytest.raises(ModelFileError, match=message):
        read_model(path)


def test_scales_below_zero_are_refused(path):
    content = bytearray(path.read_bytes())
    length = int.from_bytes(content[:8], "little")
    begin, _ = json.loads(content[8 : 8 + length])[NAME + ".scales"]["data_offsets"]
    content[8 + length + begin + 3] |= 0x80  # the sign of the first
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="holds no scales"):
        read_model(path)


def test_a_mask_of_more_rows_than_there_are_is_refused(path):
    content = bytearray(path.read_bytes())
    length = int.from_bytes(content[:8], "little")
    mask = json.loads(content[8 : 8 + length])[NAME + ".mask"]["data_offsets"]
    content[8 + length + mask[0]] = 0xFF
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"ngrams\.weight is not I8"):
        read_model(path)
