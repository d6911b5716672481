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
from charnn.model.kinds import kind_of
from charnn.model.ngrams import BEFORE_TEXT, hash_factors, history
from charnn.storage.model_file import ModelFile
from charnn.storage.model_tensors import Weight, dense
from charnn.storage.quantized_table import QuantizedTable
from charnn.version import __version__

OPSET = 17
IR_VERSION = 8  # of that opset's time, so that runtimes of the last years read it
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
    """The graph while it is made: nodes, and the constants they read."""

    def __init__(self, model: ModelFile) -> None:
        from onnx import TensorProto, helper, numpy_helper

        self._model, self._config = model, model.config
        self._helper, self._types, self._as_tensor = helper, TensorProto, numpy_helper.from_array
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def built(self) -> bytes:
        first = self._input()
        hidden = self._layers(first)
        top = self._node("Concat", [hidden, first], axis=1) if self._has_skip else hidden
        weight = self._constant("output.weight", dense(self._model.weights["output.weight"]))
        bias = self._constant("output.bias", dense(self._model.weights["output.bias"]))
        self._node("Gemm", [top, weight, bias], output="logits", transB=1)
        return self._finished()

    @property
    def _has_skip(self) -> bool:
        return self._config.skip_connection == "input"

    def _finished(self) -> bytes:
        inputs, outputs = _signature(self._config)
        made = self._helper.make_graph(
            self._nodes,
            "charnn_step",
            [self._value(name, shape) for name, shape in inputs.items()],
            [self._value(name, shape) for name, shape in outputs.items()],
            self._constants,
        )
        opset = self._helper.make_opsetid("", OPSET)
        whole = self._helper.make_model(
            made,
            opset_imports=[opset],
            ir_version=IR_VERSION,
            producer_name="charnn",
            producer_version=__version__,
        )
        self._helper.set_model_props(whole, _properties(self._model))
        content: bytes = whole.SerializeToString()
        return content

    def _value(self, name: str, shape: Sequence[int | str]) -> Any:
        is_id = name == "id" or name.endswith("recent")
        kind = self._types.INT64 if is_id else self._types.FLOAT
        return self._helper.make_tensor_value_info(name, kind, shape)

    def _node(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Add a node; the name of its output."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants.append(self._as_tensor(np.ascontiguousarray(value), name))
        return name

    def _number(self, name: str, *values: int) -> str:
        return self._constant(name, np.array(values, np.int64))

    # The input.

    def _input(self) -> str:
        """The first layer's input (B, width)."""
        config, weights = self._config, self._model.weights
        if not config.embedding:
            values = self._constant("one_hot.values", np.array([0, 1], np.float32))
            size = self._number("one_hot.size", config.vocab_size)
            return self._node("OneHot", ["id", size, values], axis=-1)
        table = self._constant("embedding.weight", dense(weights["embedding.weight"]))
        embedded = self._node("Gather", [table, "id"], axis=0)
        if not config.ngrams:
            return embedded
        taken = self._rows(weights["ngrams.weight"], self._ngram_rows())
        summed = self._node("ReduceSum", [taken, self._number("orders", 0)], keepdims=0)
        return self._node("Add", [embedded, summed])

    def _ngram_rows(self) -> str:
        """(n − 1, B): the row of each n-gram that ends at the character."""
        taps = self._taps()
        factors = hash_factors(self._config)
        lower = self._column("hash.lower", [factor % _WORD for factor in factors])
        upper = self._column("hash.upper", [factor // _WORD for factor in factors])
        word = self._number("word", _WORD)
        products = self._node("Mul", [taps, lower])
        carried = self._node("Div", [products, word])
        uppers = self._node("Add", [self._node("Mul", [taps, upper]), carried])
        lowers = self._node("Mod", [products, word])
        sums = [self._prefix_sums(one, name) for one, name in ((uppers, "upper"), (lowers, "lower"))]
        hashes = self._node("Add", [sums[0], self._node("Div", [sums[1], word])])
        rows = self._config.ngram_rows
        row = self._node("Mod", [hashes, self._number("rows", rows)])
        return self._node(
            "Add", [row, self._column("order.begin", range(0, history(self._config) * rows, rows))]
        )

    def _taps(self) -> str:
        """(n, B): the ids 0, 1, … characters back, one more each; of them the later `recent` is made too."""
        unsqueezed = self._node("Unsqueeze", ["id", self._number("first", 0)])
        taps = self._node("Concat", [unsqueezed, "recent"], axis=0)
        begin, end = self._number("recent.begin", 0), self._number("recent.end", history(self._config))
        self._node("Slice", [taps, begin, end], output="next_recent")
        return self._node("Add", [taps, self._number("one", -BEFORE_TEXT)])

    def _prefix_sums(self, halves: str, name: str) -> str:
        """Halves (n, B) → the sums of those of each n-gram (n − 1, B), less what the ones were too many."""
        axis = self._constant(f"{name}.axis", np.array(0, np.int64))
        sums = self._node("CumSum", [halves, axis])
        begin, end = self._number(f"{name}.begin", 1), self._number(f"{name}.end", history(self._config) + 1)
        totals = np.cumsum(np.array(hash_factors(self._config), dtype=object))[1:]
        offsets = [-int(total) % (1 << 64) for total in totals]
        parts = [one // _WORD if name == "upper" else one % _WORD for one in offsets]
        ngrams = self._node("Slice", [sums, begin, end])
        return self._node("Add", [ngrams, self._column(f"{name}.offset", parts)])

    def _column(self, name: str, values: Sequence[int]) -> str:
        return self._constant(name, np.array(values, np.int64)[:, None])

    def _rows(self, table: Weight, rows: str) -> str:
        """Rows (n − 1, B) of a table → (n − 1, B, E); of 8-bit rows as the model file has them."""
        if not isinstance(table, QuantizedTable):
            return self._node(
                "Gather", [self._constant("ngrams.weight", dense(table).astype(np.float32)), rows]
            )
        parts = table.parts()
        is_there = np.unpackbits(parts.mask, count=table.shape[0], bitorder="little").astype(bool)
        nothing = len(parts.values)  # the place of a row of zeros behind the others
        places = np.where(is_there, np.cumsum(is_there) - 1, nothing).astype(np.int32)
        values = np.concatenate([parts.values, np.zeros((1, table.shape[1]), np.int8)])
        scales = np.append(parts.scales, np.float32(0))[:, None]
        at = self._node("Gather", [self._constant("ngrams.places", places), rows])
        taken = self._node("Gather", [self._constant("ngrams.weight", values), at])
        floats = self._node("Cast", [taken], to=self._types.FLOAT)
        return self._node(
            "Mul", [floats, self._node("Gather", [self._constant("ngrams.scales", scales), at])]
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
            below = self._node("Squeeze", [names[0], self._number(f"layer.{index}.axis", 0)])
        for part in parts:
            self._node("Concat", after[part], output=f"next_{part}", axis=0)
        return below

    @property
    def _state_parts(self) -> tuple[str, ...]:
        return ("h", "c") if self._config.cell == "lstm" else ("h",)

    def _split(self, part: str, count: int) -> list[str]:
        """Each layer's part of a state, (1, B, H)."""
        names = [f"before_{part}_{index}" for index in range(count)]
        lengths = self._number(f"{part}.lengths", *[1] * count)
        self._nodes.append(self._helper.make_node("Split", [part, lengths], names, axis=0))
        return names

    def _recurrent(self, index: int, below: str, before: Sequence[str], after: Sequence[str]) -> None:
        """A layer's operator, for a sequence of one step."""
        config = self._config
        step = self._node("Unsqueeze", [below, self._number(f"step.{index}.axis", 0)])
        names = [
            self._constant(f"rnn.{part}_{index}", self._gates(part, index)[None])
            for part in ("weight_ih", "weight_hh")
        ]
        biases = [self._gates(part, index) for part in ("bias_ih", "bias_hh")]
        bias = self._constant(f"rnn.bias_{index}", np.concatenate(biases)[None])
        attributes: dict[str, Any] = {"hidden_size": config.hidden}
        if config.cell == "gru":
            attributes["linear_before_reset"] = 1
        if config.cell == "rnn":
            attributes["activations"] = ["Relu" if config.nonlinearity == "relu" else "Tanh"]
        inputs = [step, *names, bias, "", *before]
        node = self._helper.make_node(config.cell.upper(), inputs, ["", *after], **attributes)
        self._nodes.append(node)

    def _gates(self, part: str, index: int) -> NDArray[np.float32]:
        """A layer's weights, its gates in ONNX's order."""
        weight = dense(self._model.weights[f"rnn.{part}_l{index}"]).astype(np.float32, copy=False)
        gates = np.split(weight, GATES[self._config.cell])
        return np.concatenate([gates[gate] for gate in _GATES[self._config.cell]])


Shapes = dict[str, tuple[int | str, ...]]


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
