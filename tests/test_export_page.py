"""`charnn export`: what a page holds, without a browser."""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli import in_process, piped
from helpers import ALPHABET, random_model, written
from test_app import imported_by

from charnn.bundled import bundled_model
from charnn.cli.surprisal_colors import BOUNDS
from charnn.config import ModelConfig
from charnn.errors import InputError
from charnn.export import page as pages
from charnn.export.page import page
from charnn.export.weights import PackedArrays, packed, quantized
from charnn.storage.model_file import ModelFile, read_model
from charnn.storage.quantized_table import QuantizedTable, quantize

V = len(ALPHABET)
WEB = Path(__file__).parent.parent / "charnn/export/web"
HOSTILE = "</script><script>hurt()</script>"


class Page(HTMLParser):
    """The parts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.parts: list[tuple[str, dict[str, Any], str]] = []
        self.loads: list[Any] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append((tag, dict(attrs), ""))
        self.loads += [
            value for name, value in attrs if name in ("src", "href", "action", "style") or name[:2] == "on"
        ]

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(("", {}, ""))

    def handle_data(self, data: str) -> None:
        if self.parts:
            tag, attrs, text = self.parts[-1]
            self.parts[-1] = (tag, attrs, text + data)

    def texts(self, tag: str) -> list[str]:
        return [text for name, _, text in self.parts if name == tag]


def made(stored: ModelFile, name: str = "a model") -> str:
    return b"".join(page(stored, name)).decode()


def test_it_loads_nothing_and_its_policy_allows_its_own_script_and_style_alone() -> None:
    parsed = Page(made(random_model(ModelConfig(V, hidden=4))))
    data, script = parsed.texts("script")
    (style,) = parsed.texts("style")
    (policy,) = [
        attrs["content"]
        for _, attrs, _ in parsed.parts
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (script, style)]
    assert re.findall("'sha256-(.*?)'", policy) == hashes
    for directive in ("default-src", "connect-src", "img-src", "form-action", "base-uri"):
        assert f"{directive} 'none'" in policy
    assert "unsafe-inline" not in policy and "'unsafe-eval'" not in policy and "http" not in policy
    assert parsed.loads == [] and re.fullmatch("[A-Za-z0-9+/=]+", data)
    assert not re.search(r"innerHTML|insertAdjacent|document\.write|eval\(|new Function|https?:", script)


def test_no_text_of_the_models_is_markup() -> None:
    characters = "".join(dict.fromkeys("\n" + HOSTILE))
    stored = random_model(ModelConfig(len(characters), hidden=4), characters=characters)
    plain = made(stored)
    hostile = made(replace(stored, provenance={"corpus": {"name": HOSTILE, "opening": HOSTILE}}), HOSTILE)
    assert "hurt" not in hostile

    def markup(text: str) -> str:
        return re.sub('(id="model">)[^<]*', r"\1", text)

    assert markup(plain) == markup(hostile)


def unpacked(entry: dict[str, Any], content: bytes) -> np.ndarray:
    """The numbers of an entry, as the page reads them."""
    (rows, columns), stored = entry["shape"], entry["stored"]
    kind, size = entry["type"], entry["stored"] * entry["shape"][1]
    at = content[entry["values"] :]
    if kind == "int24":
        three = np.frombuffer(at, np.uint8, 3 * size).reshape(-1, 3)
        values = (np.concatenate([np.zeros((size, 1), np.uint8), three], axis=1).view("<i4") >> 8).astype(
            float
        )
    else:
        values = np.frombuffer(at, {"int8": "i1", "float16": "<f2"}[kind], size).astype(float)
    values = values.reshape(stored, columns)
    if "scales" in entry:
        values = values * np.frombuffer(content[entry["scales"] :], "<f4", stored)[:, None]
    if "mask" not in entry:
        return values
    mask = np.unpackbits(np.frombuffer(content[entry["mask"] :], np.uint8), count=rows, bitorder="little")
    whole = np.zeros((rows, columns))
    whole[mask.astype(bool)] = values
    return whole


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        ("int24", np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32) * 1e6),
        ("int24", np.random.default_rng(1).standard_normal(9).astype(np.float32)),
        ("float16", np.random.default_rng(2).standard_normal((6, 3)).astype(np.float16).astype(np.float32)),
        ("float16", np.zeros((2, 3), np.float32)),
    ],
)
def test_numbers_are_packed_without_loss(kind: str, weight: np.ndarray) -> None:
    arrays = PackedArrays()
    arrays.add(b"x")
    entry = packed({"w": weight}, arrays)["w"]
    matrix = weight if weight.ndim == 2 else weight[:, None]
    assert entry["type"] == kind
    found = unpacked(entry, b"".join(arrays))
    largest = np.abs(matrix).max(axis=1, keepdims=True)
    assert (np.abs(found - matrix) <= 2e-7 * largest).all()
    if kind == "float16":
        assert (found == matrix).all()


def test_rows_of_8_bits_stay_what_they_are() -> None:
    table = np.random.default_rng(3).standard_normal((50, 4)).astype(np.float32)
    table[::3] = 0
    stored = QuantizedTable.of(quantize(table), 50)
    arrays = PackedArrays()
    entry = packed({"ngrams.weight": stored}, arrays)["ngrams.weight"]
    assert entry["type"] == "int8" and entry["stored"] < 50
    np.testing.assert_allclose(unpacked(entry, b"".join(arrays)), stored.dense(), rtol=1e-6)
    assert QuantizedTable.of(stored.parts(), 50) == stored


def test_integers_keep_within_their_bits() -> None:
    values, scales = quantized(np.array([[1e-40, -1e-40], [3.0, -3.0], [0, 0]], np.float32))
    assert np.abs(values).max() < 1 << 23 and np.isfinite(scales).all()


def test_the_page_of_the_model_that_ships_is_under_1_4_times_its_file() -> None:
    file = bundled_model()
    size = sum(map(len, page(read_model(file), "shakespeare")))
    assert size < 1.4 * file.stat().st_size


def test_the_kernel_is_the_one_that_is_written_down() -> None:
    wasmtime = pytest.importorskip("wasmtime", reason="no wasmtime: pip install 'charnn[dev]'")
    text = (WEB / "product.wat").read_text(encoding="utf-8")
    assert bytes(wasmtime.wat2wasm(text)) == (WEB / "product.wasm").read_bytes()


def test_its_colours_begin_where_those_of_score_do() -> None:
    (bounds,) = re.findall(r"BOUNDS = (\[.*?\])", (WEB / "interface.js").read_text(encoding="utf-8"))
    assert json.loads(bounds) == list(BOUNDS)


def test_what_it_says_of_the_model_is_in_its_data() -> None:
    text = made(random_model(ModelConfig(V, cell="gru", layers=2, hidden=4)), "lantern")
    (data,) = re.findall('id="model">([^<]*)<', text)
    content = b64decode(data)
    described = json.loads(content[4 : 4 + int.from_bytes(content[:4], "little")])
    assert described["name"] == "lantern"
    assert described["about"] == "A GRU of 4 units in each of 2 layers that writes and scores text."
    assert "".join(described["vocabulary"]["symbols"]) == ALPHABET


def test_the_command_writes_a_page_named_after_the_run(tmp_path: Path) -> None:
    run = tmp_path / "lantern"
    run.mkdir()
    written(run, random_model(ModelConfig(V, hidden=4)))
    out = tmp_path / "page.html"
    done = piped("export", str(run), "-o", str(out))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert out.read_text(encoding="utf-8") == made(read_model(run / "model.safetensors"), "lantern")
    assert piped("export", str(run), "-o", "-").stdout == out.read_bytes()


def test_without_a_name_it_says_which_model_it_took(tmp_path: Path) -> None:
    model = written(tmp_path, random_model(ModelConfig(V, hidden=4)))
    done = piped("export", "-o", str(tmp_path / "page.html"), env={"CHARNN_MODEL": str(model)})
    assert done.returncode == 0 and b"from $CHARNN_MODEL" in done.stderr


def test_what_cant_be_exported_is_refused_in_a_line(tmp_path: Path) -> None:
    model = written(tmp_path, random_model(ModelConfig(V, hidden=4)))
    before = model.read_bytes()
    for arguments, said in (
        ((str(model), "-o", str(model)), b"is the model itself"),
        ((str(tmp_path / "none"), "-o", "x"), b"cannot read the model"),
        ((str(model), "-o", str(tmp_path)), b"it is a folder"),
    ):
        done = piped("export", *arguments)
        assert done.returncode == 2 and said in done.stderr and done.stderr.count(b"\n") == 1
    assert model.read_bytes() == before


def test_a_model_that_no_browser_holds_is_refused_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = written(tmp_path, random_model(ModelConfig(V, hidden=4)))
    monkeypatch.setattr(pages, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="a page holds 1,000"):
        in_process(capsys, "export", str(model), "-o", str(tmp_path / "page.html"))
    assert [path.name for path in tmp_path.iterdir()] == [model.name]


def test_neither_its_help_nor_a_page_needs_torch(tmp_path: Path) -> None:
    model = written(tmp_path, random_model(ModelConfig(V, hidden=4)))
    assert "numpy" not in imported_by("export", "--help")
    assert "torch" not in imported_by("export", str(model), "-o", str(tmp_path / "page.html"))
