"""Small ONNX models for the tests of graphs, and running them by the engine and by NumPy's hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from polyvm import np as pnp
from polyvm.engine import _tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Shape = "Sequence[int | str | None] | None"


def port(name: str, dtype: Any = np.float32, shape: Any = None) -> onnx.ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, shape)


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """Inputs and outputs are names apart by spaces; "-" is one that is left out."""
    names = [["" if name == "-" else name for name in text.split()] for text in (inputs, outputs)]
    domain = attributes.pop("domain", "")
    return helper.make_node(kind, *names, domain=domain, **attributes)


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Mapping[str, Any] | None = None,
    name: str = "tested",
) -> onnx.GraphProto:
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    return helper.make_graph(nodes, name, inputs, outputs, initializer=tensors)


def model(*arguments: Any, opset: int = 20, functions: Any = (), **more: Any) -> bytes:
    """The bytes of a model of one graph: arguments as `graph` takes them."""
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    made = helper.make_model(
        graph(*arguments, **more), opset_imports=imports, functions=list(functions)
    )
    return bytes(made.SerializeToString())


def load(source: Any, **options: Any) -> Any:
    return _tensor.Model(source, **options)


def call(loaded: Any, *inputs: Any) -> list[np.ndarray]:
    """Run it on NumPy's arrays."""
    return [np.array(result) for result in loaded.run(*map(pnp.asarray, inputs))]


def run(source: Any, *inputs: Any, **options: Any) -> list[np.ndarray]:
    return call(load(source, **options), *inputs)


def steps(loaded: Any, *inputs: Any) -> list[str]:
    """What the plan for these inputs does, by operators: "Conv+Relu"."""
    text = loaded.describe(0, *map(pnp.asarray, inputs))
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("step")) + 1
    return [line[6:38].strip() for line in lines[start:-1]]
