"""`charnn export --onnx`: one step of the network, computed by onnxruntime, against the NumPy engine."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli import piped
from helpers import ALPHABET, loaded, random_model, written
from pair_helpers import random_pair_model

from charnn.config import ModelConfig
from charnn.errors import InputError, ModelFileError
from charnn.export import onnx, onnx_graph
from charnn.inference.engine import Engine
from charnn.model.ngrams import BEFORE_TEXT
from charnn.storage.model_file import ModelFile, read_model
from charnn.storage.model_tensors import QUANTIZED_FROM

V = len(ALPHABET)
EXAMPLE = Path(__file__).parent.parent / "docs/export.md"
NETWORKS = {
    "lstm": ModelConfig(V, hidden=12),
    "lstm of two layers": ModelConfig(V, layers=2, hidden=8, embedding=5),
    "gru of two layers": ModelConfig(V, cell="gru", layers=2, hidden=9),
    "tanh": ModelConfig(V, cell="rnn", hidden=7, embedding=3),
    "relu": ModelConfig(V, cell="rnn", nonlinearity="relu", hidden=7),
    "2-grams": ModelConfig(V, hidden=8, embedding=4, ngrams=2, ngram_rows=64),
    "16-grams": ModelConfig(V, hidden=8, embedding=4, ngrams=16, ngram_rows=256),
    "skip connection": ModelConfig(
        V, hidden=8, embedding=6, ngrams=4, ngram_rows=64, skip_connection="input"
    ),
}
STEPS, B = 12, 3


def run(content: bytes, config: ModelConfig, ids: np.ndarray) -> list[np.ndarray]:
    """The logits after each of ids (T, B)."""
    runtime = pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install 'charnn[onnx]'")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    width = ids.shape[1]
    state = {
        name: np.full((config.ngrams - 1, width), BEFORE_TEXT)
        if name == "recent"
        else np.zeros((config.layers, width, config.hidden), np.float32)
        for name in (one.name for one in session.get_inputs())
        if name != "id"
    }
    logits = []
    for step in ids:
        out = dict(zip(names, session.run(None, {"id": step, **state}), strict=True))
        logits.append(out.pop("logits"))
        state = {name.removeprefix("next_"): value for name, value in out.items()}
    return logits


def agrees(stored: ModelFile) -> None:
    ids = np.random.default_rng(1).integers(0, len(stored.vocabulary), (STEPS, B))
    engine = Engine(stored.config, stored.weights)
    state, buffers = engine.initial(B), engine.buffers(B)
    for step, logits in zip(ids, run(onnx.graph(stored), stored.config, ids), strict=True):
        expected, state = engine.step(step, state, buffers)
        np.testing.assert_allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("config", NETWORKS.values(), ids=NETWORKS)
def test_a_step_is_the_engines(config: ModelConfig) -> None:
    pytest.importorskip("onnx", reason="no onnx: pip install 'charnn[onnx]'")
    agrees(random_model(config))


def test_so_it_is_with_rows_of_8_bits(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="no onnx: pip install 'charnn[onnx]'")
    config = ModelConfig(V, hidden=5, embedding=64, ngrams=2, ngram_rows=QUANTIZED_FROM // 64)
    stored = random_model(config)
    stored.weights["ngrams.weight"][1::2] = 0  # rows that aren't stored
    agrees(read_model(written(tmp_path, stored)))


def test_the_command_writes_a_graph_that_says_what_its_ids_mean(tmp_path: Path) -> None:
    library = pytest.importorskip("onnx", reason="no onnx: pip install 'charnn[onnx]'")
    model = written(tmp_path, random_model(NETWORKS["lstm"]))
    out = tmp_path / "step.onnx"
    done = piped("export", str(model), "--onnx", "-o", str(out))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    made = library.load(str(out))
    library.checker.check_model(made, full_check=True)
    about = {one.key: json.loads(one.value) for one in made.metadata_props}
    assert about["characters"] == ALPHABET and not about["has_end"] and about["config"]["hidden"] == 12
    assert loaded(read_model(model)).vocabulary.characters == about["characters"]


def test_the_example_of_the_docs_writes_as_the_library_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"no {name}: pip install 'charnn[onnx]'")
    stored = random_model(NETWORKS["16-grams"])
    (tmp_path / "step.onnx").write_bytes(onnx.graph(stored))
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall("```python\n(.*?)```", EXAMPLE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(compile(code, "docs/export.md", "exec"), names)
    assert names["text"] == "\n" + loaded(stored).sample(length=100, temperature=0)


def test_models_that_write_no_text_are_refused() -> None:
    with pytest.raises(ModelFileError, match="an encoder-decoder model: leave out --onnx"):
        onnx.graph(random_pair_model())
    with pytest.raises(ModelFileError, match="a bidirectional model"):
        onnx.graph(random_model(ModelConfig(V, hidden=4, kind="bidirectional")))


def test_a_model_that_no_graph_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="no onnx: pip install 'charnn[onnx]'")
    monkeypatch.setattr(onnx_graph, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="too large for an ONNX graph"):
        onnx.graph(random_model(NETWORKS["lstm"]))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'charnn\[onnx\]'"):
        onnx.graph(random_model(NETWORKS["lstm"]))
