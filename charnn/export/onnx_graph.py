"""An ONNX graph while it is made: nodes in the order in which they compute, and the constants they read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charnn.errors import InputError
from charnn.version import __version__

OPSET = 17
IR_VERSION = 8  # of that opset's time, so that runtimes of the last years read it
MAX_BYTES = 2_000_000_000  # of numbers: protocol buffers end at 2 GiB

Shapes = dict[str, tuple[int | str, ...]]


class Graph:
    """Nodes and constants by the names of their outputs. Needs the onnx package."""

    def __init__(self) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._as_tensor = helper, numpy_helper.from_array
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def node(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Add a node; the name of its output."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self.nodes(operator, inputs, [name], **attributes)
        return name

    def nodes(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Add a node with several outputs; an input or output that isn't wanted is called ""."""
        self._nodes.append(self._helper.make_node(operator, list(inputs), list(outputs), **attributes))

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants.append(self._as_tensor(np.ascontiguousarray(value), name))
        return name

    def numbers(self, name: str, *values: int) -> str:
        """A constant vector of int64."""
        return self.constant(name, np.array(values, np.int64))

    def column(self, name: str, values: Sequence[int]) -> str:
        """The same, (N, 1)."""
        return self.constant(name, np.array(values, np.int64)[:, None])

    def file(
        self, inputs: Shapes, outputs: Shapes, integers: Sequence[str], properties: Mapping[str, str]
    ) -> bytes:
        """The whole as a file's bytes. Its inputs and outputs are float32, those among `integers` int64.

        Raises InputError for one that no such file can hold.
        """
        from onnx import TensorProto

        if sum(len(one.raw_data) for one in self._constants) > MAX_BYTES:
            raise InputError("the model is too large for an ONNX graph, which holds 2 GB; leave out --onnx")

        def values(shapes: Shapes) -> list[Any]:
            return [
                self._helper.make_tensor_value_info(
                    name, TensorProto.INT64 if name in integers else TensorProto.FLOAT, shape
                )
                for name, shape in shapes.items()
            ]

        made = self._helper.make_graph(
            self._nodes, "charnn_step", values(inputs), values(outputs), self._constants
        )
        whole = self._helper.make_model(
            made,
            opset_imports=[self._helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="charnn",
            producer_version=__version__,
        )
        self._helper.set_model_props(whole, dict(properties))
        content: bytes = whole.SerializeToString()
        return content
