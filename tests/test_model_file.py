"""The model file: what is written comes back; what strangers send is refused in one line, fast, with nothing run."""

import json
import os
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers import random_model, written
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_helpers import random_pair_model
from safetensors.numpy import save

from charnn.config import ModelConfig
from charnn.data.symbols import PairVocabulary, Separators
from charnn.data.vocab import Vocabulary
from charnn.errors import CharnnError, InputError, ModelFileError
from charnn.storage import model_file
from charnn.storage.model_file import ModelFile, check_readable, read_model, write_model

STORED = random_model(ModelConfig(vocab_size=4, hidden=2), seed=1, characters="\nab\N{GRINNING FACE}")


def bytes_of(stored):
    return save(dict(stored.weights), {"charnn": json.dumps(about(stored))})


def about(stored):
    return {
        "format": 1,
        "config": vars(stored.config) | {},
        "vocabulary": {
            "characters": stored.vocabulary.characters,
            "has_unknown": stored.vocabulary.has_unknown,
        },
        "provenance": dict(stored.provenance),
    }


WHOLE = bytes_of(STORED)
HEADER_END = 8 + int.from_bytes(WHOLE[:8], "little")
HEADER, DATA = json.loads(WHOLE[8:HEADER_END]), WHOLE[HEADER_END:]
TENSORS = {name: entry for name, entry in HEADER.items() if name != "__metadata__"}
FIRST = next(iter(TENSORS))


def framed(header, data=DATA):
    """A file of this header (text or a value) and data."""
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return len(text).to_bytes(8, "little") + text + data


def with_about(text, tensors=TENSORS, data=DATA):
    """A file whose metadata of charnn's is this text or value."""
    text = text if isinstance(text, str) else json.dumps(text)
    return framed({"__metadata__": {"charnn": text}} | tensors, data)


def with_config(**changes):
    return with_about(about(STORED) | {"config": vars(STORED.config) | changes})


def with_vocabulary(**changes):
    value = about(STORED)
    return with_about(value | {"vocabulary": value["vocabulary"] | changes})


def with_tensor(**changes):
    return framed(HEADER | {FIRST: HEADER[FIRST] | changes})


def with_weights(values):
    return save(dict(STORED.weights) | {"output.bias": values}, HEADER["__metadata__"])


def refused(path, saying="."):
    """Read `path`, which must be refused in one line of plain text within seconds of work."""
    began = time.process_time()
    with pytest.raises(ModelFileError, match=saying) as caught:
        read_model(path)
    message = str(caught.value)
    assert time.process_time() - began < 5
    assert str(path) in message
    assert message.isprintable()
    assert len(message) < 500


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(vocab_size=5, hidden=3),
        ModelConfig(vocab_size=5, hidden=3, cell="gru", layers=3, embedding=2, dropout=0.5),
        ModelConfig(vocab_size=5, hidden=3, cell="rnn", nonlinearity="relu", layers=2),
    ],
)
@pytest.mark.parametrize("has_unknown", [False, True])
def test_what_is_written_comes_back(config, has_unknown, tmp_path):
    stored = random_model(config, characters="\n\0é\u2028\N{GRINNING FACE}", has_unknown=has_unknown)
    read = read_model(written(tmp_path, stored))
    assert (read.config, read.vocabulary, read.provenance) == (config, stored.vocabulary, stored.provenance)
    assert read.weights.keys() == stored.weights.keys()
    for name, weight in read.weights.items():
        assert weight.dtype == np.float32
        np.testing.assert_array_equal(weight, stored.weights[name])


def test_provenance_may_name_a_file_whose_name_is_no_text(tmp_path):
    stored = replace(STORED, provenance={"corpus": "odd \udcff name"})
    assert read_model(written(tmp_path, stored)).provenance == stored.provenance


def test_the_checks_accept_what_they_should(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(WHOLE)
    assert read_model(path).config == STORED.config


def test_float16_is_read_as_float32(tmp_path):
    halves = {name: weight.astype(np.float16) for name, weight in STORED.weights.items()}
    read = read_model(written(tmp_path, ModelFile(STORED.config, STORED.vocabulary, halves, {})))
    for name, weight in read.weights.items():
        assert weight.dtype == np.float32
        np.testing.assert_array_equal(weight, halves[name])


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = written(tmp_path, STORED)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CharnnError, match=rf"{path}.*No space left"):
        write_model(path, STORED)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


HUGE = 2**63
DEEP = "[" * 100_000 + "]" * 100_000
ABOUT = json.dumps(about(STORED))
HOSTILE = {
    # row 13: malformed safetensors
    "empty": b"",
    "one byte": b"\x01",
    "a huge header": HUGE.to_bytes(8, "little") + WHOLE[8:],
    "a header over the cap": framed(" " * (model_file.MAX_HEADER + 1)),
    "negative offsets": with_tensor(data_offsets=[-1, 3]),
    "offsets beyond the file": with_tensor(data_offsets=[0, 2**40]),
    "no offsets": with_tensor(data_offsets=None),
    "trailing bytes": WHOLE + b"\0\0\0\0",
    "half": WHOLE[: len(WHOLE) // 2],
    "one byte short": WHOLE[:-1],
    "a header that is no UTF-8": framed({}).replace(b"{}", b"\xff\xff"),
    "a header that is no object": framed("[1, 2]"),
    # row 14: what safetensors accepts
    "NaN": with_weights(np.full(4, np.nan, np.float32)),
    "infinity": with_weights(np.full(4, np.inf, np.float32)),
    "weights that would overflow": with_weights(np.full(4, 1e7, np.float32)),
    "duplicate names": framed(json.dumps(HEADER)[:-1] + f', "{FIRST}": {json.dumps(HEADER[FIRST])}}}'),
    "an endless empty shape": with_tensor(shape=[2**40, 0]),
    "a shape of true": with_tensor(shape=[True, True]),
    "another dtype": with_tensor(dtype="F64"),
    "a dtype that is a list": with_tensor(dtype=["F32"]),
    "many empty tensors": framed(
        HEADER | {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(15_000)}
    ),
    "100,000 empty tensors": framed(
        HEADER | {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(100_000)}
    ),
    "extra metadata that is no text": framed(HEADER | {"__metadata__": {"charnn": 7}}),
    "a hostile name": framed(HEADER | {"../../x\x1b[31m\n": HEADER[FIRST]}),
    "a missing tensor": framed({k: v for k, v in HEADER.items() if k != FIRST}),
    "a tensor that is no object": framed(HEADER | {FIRST: [1]}),
    # row 15: a memory bomb
    "a hidden size of 10^9": with_config(hidden=10**9),
    "the largest configuration": with_config(hidden=1 << 16, layers=64, embedding=1 << 16),
    # row 16: hostile JSON
    "NaN in JSON": with_about(ABOUT.replace('"dropout": 0.0', '"dropout": NaN')),
    "1e999": with_about(ABOUT.replace('"dropout": 0.0', '"dropout": 1e999')),
    "duplicate keys": with_about('{"format": 1, ' + ABOUT[1:]),
    "deep lists": framed(DEEP),
    "deep lists inside": with_about(ABOUT.replace('"random"', DEEP)),
    "deep objects": framed('{"a":' * 100_000 + "1" + "}" * 100_000),
    "5,000 digits": with_about(ABOUT.replace('"hidden": 2', '"hidden": ' + "9" * 5_000)),
    "many brackets": framed("[" + "[]," * 300_000 + "[]]"),
    "many quotes": framed('"' + '\\"' * 500_000),
    "many open quotes": framed('"\\' * 500_000),
    "a lone surrogate": with_about("\ud800"),
    # row 17: no model at all
    "a pickle": pickle.dumps({"weights": [1.0]}),
    "text": b"To be, or not to be, that is the question.\n",
    # row 18: vocabularies
    "an empty vocabulary": with_vocabulary(characters=""),
    "repeated characters": with_vocabulary(characters="aabc"),
    "a vocabulary too long": with_vocabulary(characters="abcde"),
    "a vocabulary too short": with_vocabulary(characters="abc"),
    "a vocabulary one too long with unknown": with_vocabulary(has_unknown=True),
    "a surrogate": with_vocabulary(characters="ab\ud800c"),
    "a list of characters": with_vocabulary(characters=["a", "b", "cd", "e"]),
    "unknown as a number": with_vocabulary(has_unknown=1),
    # configurations
    "no metadata": framed(TENSORS),
    "metadata that is no JSON": with_about("charnn"),
    "metadata that is a list": with_about([1]),
    "another format": with_about(about(STORED) | {"format": 3}),
    "no configuration": with_about({k: v for k, v in about(STORED).items() if k != "config"}),
    "a configuration that is a list": with_about(about(STORED) | {"config": []}),
    "provenance that is a list": with_about(about(STORED) | {"provenance": []}),
    "no vocabulary size": with_about(about(STORED) | {"config": {}}),
    "an unknown setting": with_config(**{"\x1b[31mexec\n": 1}),
    "a hidden size of true": with_config(hidden=True),
    "a hidden size of 2.0": with_config(hidden=2.0),
    "no layers": with_config(layers=0),
    "negative layers": with_config(layers=-1),
    "another cell": with_config(cell="\x1b]8;;http://x\x07"),
    "a cell that is a list": with_config(cell=["lstm"]),
    "another nonlinearity": with_config(nonlinearity="sigmoid"),
    "dropout of one": with_config(dropout=1),
    "dropout of text": with_config(dropout="0"),
    "another size": with_config(hidden=3),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused(content, tmp_path):
    assert content != WHOLE
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    refused(path)


def test_overlaps_and_holes_are_refused(tmp_path):
    """Two tensors of one size at one place, the other place left empty."""
    a, b = "rnn.bias_ih_l0", "rnn.bias_hh_l0"
    path = tmp_path / "model.safetensors"
    path.write_bytes(framed(HEADER | {a: HEADER[b]}))
    refused(path)
    path.write_bytes(framed(HEADER | {a: HEADER[b], b: HEADER[a]}))
    assert read_model(path).config == STORED.config  # exchanged places are neither


@pytest.mark.parametrize("cut", range(0, len(WHOLE), 37))
def test_a_file_cut_short_is_refused(cut, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(WHOLE[:cut])
    refused(path)


def test_what_is_no_file_is_refused(tmp_path):
    refused(tmp_path / "missing.safetensors", "No such file")
    refused(tmp_path)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    refused(loop)
    refused(tmp_path / ("x" * 300))
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file" / "below")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
def test_a_fifo_or_a_device_is_refused_without_waiting(tmp_path):
    fifo = tmp_path / "model.safetensors"
    os.mkfifo(fifo)
    refused(fifo, "not a regular file")
    link = tmp_path / "device"
    link.symlink_to("/dev/zero")
    refused(link, "not a regular file")


def test_a_name_with_a_nul_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="null"):
        read_model(tmp_path / "a\0b")


def test_nothing_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "struck"),)

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    refused(path)
    assert not (tmp_path / "struck").exists()


def test_a_bomb_is_refused_before_it_is_allocated(tmp_path):
    """A sparse file of 60 GB, which the configuration doesn't account for."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(WHOLE)
    os.truncate(path, 60 << 30)
    refused(path, "its header describes")


mutations = st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(mutations=mutations, cut=st.none() | st.integers(0, len(WHOLE)))
def test_mutations_raise_nothing_else(mutations, cut, tmp_path_factory):
    """Row 19, in short: only CharnnError ever comes out."""
    content = bytearray(WHOLE)
    for place, byte in mutations:
        content[place] = byte
    path = tmp_path_factory.getbasetemp() / "mutated.safetensors"
    path.write_bytes(content[:cut])
    try:
        read_model(path)
    except CharnnError as error:
        assert str(error).isprintable()


LARGE = ModelConfig(vocab_size=9, hidden=512)  # over a million parameters


def test_a_large_model_is_stored_in_half_precision(tmp_path):
    stored = random_model(LARGE)
    path = written(tmp_path, stored)
    assert path.stat().st_size < 0.51 * sum(weight.nbytes for weight in stored.weights.values())
    for name, weight in read_model(path).weights.items():
        np.testing.assert_allclose(weight, stored.weights[name], rtol=1e-3, atol=1e-6)


def test_what_half_precision_cannot_hold_is_stored_whole(tmp_path):
    stored = random_model(LARGE)
    weights = {**stored.weights, "output.bias": np.full(9, 1e5, np.float32)}
    path = written(tmp_path, replace(stored, weights=weights))
    np.testing.assert_array_equal(read_model(path).weights["output.bias"], weights["output.bias"])


# What is written can be read


def test_weights_that_could_not_be_read_again_are_never_written(tmp_path):
    stored = random_model(ModelConfig(vocab_size=9, hidden=8))
    for bad in (2e6, np.inf, np.nan):
        weights = {**stored.weights, "output.bias": np.full(9, bad, np.float32)}
        with pytest.raises(CharnnError, match=r"output\.bias has values that are not finite, or beyond"):
            written(tmp_path, replace(stored, weights=weights))
    assert list(tmp_path.iterdir()) == []


def test_a_header_that_could_not_be_read_again_is_never_written(tmp_path):
    many = "".join(map(chr, range(0x10000, 0x10000 + 300_000)))
    config = ModelConfig(vocab_size=len(many), hidden=1)
    stored = random_model(config)
    with pytest.raises(InputError, match=r"300,000 different characters are too many; .*--max-vocab"):
        written(tmp_path, replace(stored, vocabulary=Vocabulary(many)))
    assert list(tmp_path.iterdir()) == []


def test_a_vocabulary_of_150_000_characters_is_written_and_read(tmp_path):
    many = "".join(map(chr, [*range(0xD800), *range(0xE000, 0xE000 + 150_000 - 0xD800)]))
    stored = replace(random_model(ModelConfig(vocab_size=150_000, hidden=1)), vocabulary=Vocabulary(many))
    assert read_model(written(tmp_path, stored)).vocabulary.characters == many


def test_too_many_symbols_of_pairs_have_a_remedy_of_their_own():
    stored = random_pair_model()
    symbols = tuple(f"{number:0200}" for number in range(6_000))
    pairs = PairVocabulary("abcd", "", symbols, Separators())
    with pytest.raises(InputError, match=r"12 different symbols are too many; check the separators"):
        check_readable(replace(stored, pairs=pairs))
