"""What commands read: texts that come in pieces, lines that come in bursts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charnn.cli.inputs import bursts_of, read_pieces
from charnn.errors import InputError


@given(st.binary(max_size=30), st.integers(1, 7))
def test_pieces_of_any_size_are_the_text(tmp_path_factory, data, size):
    path = tmp_path_factory.getbasetemp() / "pieces.txt"
    path.write_bytes(data)
    try:
        expected = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        with pytest.raises(InputError, match=f"offset {error.start};"):
            list(read_pieces(str(path), size))
    else:
        assert "".join(read_pieces(str(path), size)) == expected


@given(st.lists(st.text("ab\r\n", max_size=5)))
def test_lines_are_the_same_however_the_text_is_cut(pieces):
    text = "".join(pieces)
    expected = [line.removesuffix("\r") for line in text.split("\n")]
    if not text or text.endswith("\n"):
        expected.pop()
    bursts = list(bursts_of(pieces))
    assert [line for burst in bursts for line in burst] == expected
    assert all(bursts)
