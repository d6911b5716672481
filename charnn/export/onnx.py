"""One step of a language model's network as an ONNX graph: ids and the state in, logits and the state out.

    id (B,) int64 · h (L, B, H) · c (L, B, H), of the LSTM · recent (n − 1, B) int64, with n-grams
    → logits (B, V) · next_h · next_c · next_recent

The recurrent layers are ONNX's own operators. The state of a text that hasn't begun is zeros, `recent` −1. The rows of
n-grams are hashed inside of the graph, with products below 2⁶³: x_k·C mod 2⁶⁴ is taken apart into halves of 32 bits, of
which a row is the upper one (`charnn.model.ngrams`). The id x_k ≥ −1 is x_k + 1 there, so that nothing is negative.
The graph's metadata say what the vocabulary is.
"""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charnn.config import GATES, ModelConfig, to_json
from charnn.errors import InputError, ModelFileError
from charnn.export.onnx_graph import Graph, Shapes
from charnn.model.kinds import kind_of
from charnn.model.ngrams import BEFORE_TEXT, hash_factors, history
from charnn.storage.model_file import ModelFile
from charnn.storage.model_tensors import Weight, dense
from charnn.storage.quantized_table import QuantizedTable

_INTEGERS = ("id", "recent", "next_recent")
_FLOAT = 1  # TensorProto.FLOAT
_WORD = 1 << 32
_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}  # of PyTorch's, in ONNX's order


def graph(model: ModelFile) -> bytes:
    """The graph as a file's bytes.

    Raises ModelFileError for a kind of model that writes no text, InputError where the onnx package is missing.
    """
    if "sample" not in kind_of(model.config).capabilities:
        raise ModelFileError(
            f"--onnx is for models that write text; this is {kind_of(model.config).described}: leave out --onnx"
        )
    if find_spec("onnx") is None:
        raise InputError("--onnx needs onnx: pip install 'charnn[onnx]'")
    return _Step(model).built()


class _Step:
    """What makes the graph of one model's step."""

    def __init__(self, model: ModelFile) -> None:
        self._model, self._config = model, model.config
        self._graph = Graph()

    def built(self) -> bytes:
        first = self._input()
        hidden = self._layers(first)
        top = self._graph.node("Concat", [hidden, first], axis=1) if self._has_skip else hidden
        weight = self._graph.constant("output.weight", dense(self._model.weights["output.weight"]))
        bias = self._graph.constant("output.bias", dense(self._model.weights["output.bias"]))
        self._graph.node("Gemm", [top, weight, bias], output="logits", transB=1)
        inputs, outputs = _signature(self._config)
        return self._graph.file(inputs, outputs, _INTEGERS, _properties(self._model))

    @property
    def _has_skip(self) -> bool:
        return self._config.skip_connection == "input"

    # The input.

    def _input(self) -> str:
        """The first layer's input (B, width)."""
        config, weights = self._config, self._model.weights
        if not config.embedding:
            values = self._graph.constant("one_hot.values", np.array([0, 1], np.float32))
            size = self._graph.numbers("one_hot.size", config.vocab_size)
            return self._graph.node("OneHot", ["id", size, values], axis=-1)
        table = self._graph.constant("embedding.weight", dense(weights["embedding.weight"]))
        embedded = self._graph.node("Gather", [table, "id"], axis=0)
        if not config.ngrams:
            return embedded
        taken = self._rows(weights["ngrams.weight"], self._ngram_rows())
        summed = self._graph.node("ReduceSum", [taken, self._graph.numbers("orders", 0)], keepdims=0)
        return self._graph.node("Add", [embedded, summed])

    def _ngram_rows(self) -> str:
        """(n − 1, B): the row of each n-gram that ends at the character."""
        taps = self._taps()
        factors = hash_factors(self._config)
        lower = self._graph.column("hash.lower", [factor % _WORD for factor in factors])
        upper = self._graph.column("hash.upper", [factor // _WORD for factor in factors])
        word = self._graph.numbers("word", _WORD)
        products = self._graph.node("Mul", [taps, lower])
        carried = self._graph.node("Div", [products, word])
        uppers = self._graph.node("Add", [self._graph.node("Mul", [taps, upper]), carried])
        lowers = self._graph.node("Mod", [products, word])
        sums = [self._prefix_sums(one, name) for one, name in ((uppers, "upper"), (lowers, "lower"))]
        hashes = self._graph.node("Add", [sums[0], self._graph.node("Div", [sums[1], word])])
        rows = self._config.ngram_rows
        row = self._graph.node("Mod", [hashes, self._graph.numbers("rows", rows)])
        return self._graph.node(
            "Add", [row, self._graph.column("order.begin", range(0, history(self._config) * rows, rows))]
        )

    def _taps(self) -> str:
        """(n, B): the ids 0, 1, … characters back, one more each; of them the later `recent` is made too."""
        unsqueezed = self._graph.node("Unsqueeze", ["id", self._graph.numbers("first", 0)])
        taps = self._graph.node("Concat", [unsqueezed, "recent"], axis=0)
        begin, end = (
            self._graph.numbers("recent.begin", 0),
            self._graph.numbers("recent.end", history(self._config)),
        )
        self._graph.node("Slice", [taps, begin, end], output="next_recent")
        return self._graph.node("Add", [taps, self._graph.numbers("one", -BEFORE_TEXT)])

    def _prefix_sums(self, halves: str, name: str) -> str:
        """Halves (n, B) → the sums of those of each n-gram (n − 1, B), less what the ones were too many."""
        axis = self._graph.constant(f"{name}.axis", np.array(0, np.int64))
        sums = self._graph.node("CumSum", [halves, axis])
        begin, end = (
            self._graph.numbers(f"{name}.begin", 1),
            self._graph.numbers(f"{name}.end", history(self._config) + 1),
        )
        totals = np.cumsum(np.array(hash_factors(self._config), dtype=object))[1:]
        offsets = [-int(total) % (1 << 64) for total in totals]
        parts = [one // _WORD if name == "upper" else one % _WORD for one in offsets]
        ngrams = self._graph.node("Slice", [sums, begin, end])
        return self._graph.node("Add", [ngrams, self._graph.column(f"{name}.offset", parts)])

    def _rows(self, table: Weight, rows: str) -> str:
        """Rows (n − 1, B) of a table → (n − 1, B, E); of 8-bit rows as the model file has them."""
        if not isinstance(table, QuantizedTable):
            return self._graph.node(
                "Gather", [self._graph.constant("ngrams.weight", dense(table).astype(np.float32)), rows]
            )
        parts = table.parts()
        is_there = np.unpackbits(parts.mask, count=table.shape[0], bitorder="little").astype(bool)
        nothing = len(parts.values)  # the place of a row of zeros behind the others
        places = np.where(is_there, np.cumsum(is_there) - 1, nothing).astype(np.int32)
        values = np.concatenate([parts.values, np.zeros((1, table.shape[1]), np.int8)])
        scales = np.append(parts.scales, np.float32(0))[:, None]
        at = self._graph.node("Gather", [self._graph.constant("ngrams.places", places), rows])
        taken = self._graph.node("Gather", [self._graph.constant("ngrams.weight", values), at])
        floats = self._graph.node("Cast", [taken], to=_FLOAT)
        return self._graph.node(
            "Mul", [floats, self._graph.node("Gather", [self._graph.constant("ngrams.scales", scales), at])]
        )

    # The recurrent layers.

    def _layers(self, below: str) -> str:
        """What the last layer's hidden state is, (B, H); the states are put together as outputs."""
        count, parts = self._config.layers, self._state_parts
        states = {part: self._split(part, count) for part in parts}
        after: dict[str, list[str]] = {part: [] for part in parts}
        for index in range(count):
            names = [f"{part}_{index}" for part in parts]
            self._recurrent(index, below, [states[part][index] for part in parts], names)
            for part, name in zip(parts, names, strict=True):
                after[part].append(name)
            below = self._graph.node("Squeeze", [names[0], self._graph.numbers(f"layer.{index}.axis", 0)])
        for part in parts:
            self._graph.node("Concat", after[part], output=f"next_{part}", axis=0)
        return below

    @property
    def _state_parts(self) -> tuple[str, ...]:
        return ("h", "c") if self._config.cell == "lstm" else ("h",)

    def _split(self, part: str, count: int) -> list[str]:
        """Each layer's part of a state, (1, B, H)."""
        names = [f"before_{part}_{index}" for index in range(count)]
        lengths = self._graph.numbers(f"{part}.lengths", *[1] * count)
        self._graph.nodes("Split", [part, lengths], names, axis=0)
        return names

    def _recurrent(self, index: int, below: str, before: Sequence[str], after: Sequence[str]) -> None:
        """A layer's operator, for a sequence of one step."""
        config = self._config
        step = self._graph.node("Unsqueeze", [below, self._graph.numbers(f"step.{index}.axis", 0)])
        names = [
            self._graph.constant(f"rnn.{part}_{index}", self._gates(part, index)[None])
            for part in ("weight_ih", "weight_hh")
        ]
        biases = [self._gates(part, index) for part in ("bias_ih", "bias_hh")]
        bias = self._graph.constant(f"rnn.bias_{index}", np.concatenate(biases)[None])
        attributes: dict[str, Any] = {"hidden_size": config.hidden}
        if config.cell == "gru":
            attributes["linear_before_reset"] = 1
        if config.cell == "rnn":
            attributes["activations"] = ["Relu" if config.nonlinearity == "relu" else "Tanh"]
        inputs = [step, *names, bias, "", *before]
        self._graph.nodes(config.cell.upper(), inputs, ["", *after], **attributes)

    def _gates(self, part: str, index: int) -> NDArray[np.float32]:
        """A layer's weights, its gates in ONNX's order."""
        weight = dense(self._model.weights[f"rnn.{part}_l{index}"]).astype(np.float32, copy=False)
        gates = np.split(weight, GATES[self._config.cell])
        return np.concatenate([gates[gate] for gate in _GATES[self._config.cell]])


def _signature(config: ModelConfig) -> tuple[Shapes, Shapes]:
    """Names and shapes of what goes in and comes out, B streams."""
    parts = ("h", "c") if config.cell == "lstm" else ("h",)
    state: Shapes = dict.fromkeys(parts, (config.layers, "B", config.hidden))
    if config.ngrams:
        state["recent"] = (history(config), "B")
    after = {f"next_{name}": shape for name, shape in state.items()}
    return {"id": ("B",), **state}, {"logits": ("B", config.vocab_size), **after}


def _properties(model: ModelFile) -> dict[str, str]:
    vocabulary = model.vocabulary
    return {
        "characters": json.dumps(vocabulary.characters),
        "has_unknown": json.dumps(vocabulary.has_unknown),
        "has_end": json.dumps(vocabulary.has_end),
        "config": json.dumps(to_json(model.config)),
    }
