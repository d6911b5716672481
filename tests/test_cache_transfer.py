"""A cached text that is sent arrives as it was, in another machine's cache."""

from pathlib import Path

import pytest

from charnn.data.cache import entry_folder, open_encoded
from charnn.data.cache_transfer import receive_texts, send_texts
from charnn.data.document_table import TABLE_FILES
from charnn.data.encode import encode_text
from charnn.errors import CharnnError


@pytest.mark.parametrize("documents", ["none", "lines"])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_text_that_is_sent_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, documents: str, wanted: bool
) -> None:
    (tmp_path / "names.txt").write_text("ada\ngrace\nada\nédith\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    text = encode_text([str(tmp_path / "names.txt")], documents=documents)
    files = {path.name: path.read_bytes() for path in entry_folder(text.sha256).iterdir()}
    assert set(TABLE_FILES) <= set(files) if documents == "lines" else not set(TABLE_FILES) & set(files)
    sent: list[object] = []
    send_texts(text.sha256, sent.append, sent.append)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    came = iter(sent)
    receive_texts(lambda _: next(came), lambda _: next(came), wanted=wanted)
    assert next(came, None) is None
    if not wanted:
        assert open_encoded(text.sha256) is None
        return
    arrived = open_encoded(text.sha256)
    assert arrived is not None
    assert arrived.sha256 == text.sha256
    for name in {*files} - {"meta.json"}:
        assert (entry_folder(text.sha256) / name).read_bytes() == files[name]


def test_a_text_that_comes_damaged_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other ids of the same number and kind: only the hash of what was sent tells."""
    (tmp_path / "a.txt").write_text("abcabcabc")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    text = encode_text([str(tmp_path / "a.txt")])
    ids = (entry_folder(text.sha256) / "ids.bin").read_bytes()
    sent: list[object] = []
    send_texts(text.sha256, sent.append, sent.append)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    came = iter([ids[::-1] if one == ids else one for one in sent])
    with pytest.raises(CharnnError, match="came damaged from rank 0"):
        receive_texts(lambda _: next(came), lambda _: next(came), wanted=True)
    assert open_encoded(text.sha256) is None
