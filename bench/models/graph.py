"""An ONNX graph that is built node by node, its weights drawn from a seeded generator."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(np.bool_): TensorProto.BOOL,
}
Shape = Sequence[int | str]
"""A dimension is a number, or the name of one that is known at run time only."""


class Graph:
    """One model in the making. Values are known by their names, as in the file."""

    def __init__(self, name: str, opset: int, seed: int) -> None:
        self.name = name
        self.opset = opset
        self.random = np.random.default_rng(seed)
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._count = 0

    def input(self, name: str, dtype: Any, shape: Shape) -> str:
        """Declare an input; its name."""
        kind = TYPES[np.dtype(dtype)]
        self._inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def output(self, name: str, value: str, dtype: Any, shape: Shape) -> None:
        """Declare an output, which `value` becomes."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        kind = TYPES[np.dtype(dtype)]
        self._outputs.append(helper.make_tensor_value_info(name, kind, list(shape)))

    def constant(self, values: Any, dtype: Any = None) -> str:
        """An initializer; its name."""
        name = self._fresh("w")
        array = np.ascontiguousarray(values, dtype) if np.ndim(values) else np.array(values, dtype)
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def normal(self, shape: Sequence[int], spread: float, mean: float = 0.0) -> str:
        """An initializer of float32, normally distributed; its name."""
        values = self.random.standard_normal(shape, np.float32)
        return self.constant(values * np.float32(spread) + np.float32(mean))

    def uniform(self, shape: Sequence[int], low: float, high: float) -> str:
        """An initializer of float32, between `low` and `high`; its name."""
        return self.constant(self.random.uniform(low, high, shape).astype(np.float32))

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output; its name."""
        return self.add_many(op, 1, *inputs, **attributes)[0]

    def add_many(self, op: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """A node with `count` outputs; their names."""
        outputs = [self._fresh("v") for _ in range(count)]
        self._nodes.append(helper.make_node(op, list(inputs), outputs, **attributes))
        return outputs

    def model(self) -> Any:
        """The model that was built, checked."""
        graph = helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, self._weights
        )
        opset = helper.make_opsetid("", self.opset)
        # Version 8 of the format: what today's exporters write, and older runtimes still read.
        made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        onnx.checker.check_model(made)
        return made

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"
