"""Models of one node, built for a test and run by the engine.

Inputs are NumPy arrays, bfloat16 ones of the type that the package `onnx` uses. How they reach the
node is drawn by `Ways`: as inputs or as constants, as they lie or through a Transpose, which is a
view; sizes are known when the model is loaded, or not.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from ml_dtypes import bfloat16
from onnx import TensorProto, helper, numpy_helper

from polyvm import np as xp
from polyvm.engine._tensor import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

OPSET = 22


@dataclass(frozen=True)
class Ways:
    """How inputs get to the node. A seed that is printed makes them again."""

    seed: int = 0
    plain: bool = True

    def draw(self) -> random.Random:
        return random.Random(self.seed)


PLAIN = Ways()


def onnx_type(dtype: Any) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def to_engine(array: np.ndarray) -> Any:
    """The engine's array, in the same strides where NumPy's buffers allow it."""
    if array.dtype != bfloat16:
        return xp.asarray(array)
    bits = xp.asarray(np.array(array, order="C").view(np.uint16).astype(np.uint32) << 16)
    flat = np.asarray(bits).view(np.float32).reshape(array.shape)
    return xp.asarray(flat).astype(xp.bfloat16)


def to_numpy(array: Any) -> np.ndarray:
    if array.dtype.name != "bfloat16":
        return np.asarray(array)
    return np.asarray(array.astype(xp.float32)).astype(bfloat16)


def model_bytes(graph: Any, opset: int = OPSET) -> bytes:
    domains = {node.domain for node in graph.node} - {""}
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=imports)
    model.ir_version = 10
    return bytes(model.SerializeToString())


def run_graph(graph: Any, *inputs: np.ndarray, opset: int = OPSET) -> list[np.ndarray]:
    """Run a whole graph, its inputs in order."""
    return [to_numpy(y) for y in Model(model_bytes(graph, opset)).run(*map(to_engine, inputs))]


def run(
    op: str,
    *inputs: np.ndarray | None,
    outputs: int = 1,
    opset: int = OPSET,
    ways: Ways = PLAIN,
    constant: Sequence[int] = (),
    **attributes: Any,
) -> list[np.ndarray]:
    """Run one node. None: an input left out. constant: inputs that must be constants."""
    draw = ways.draw()
    nodes, ports, weights, names, given = [], [], [], [], []
    for i, x in enumerate(inputs):
        if x is None:
            names.append("")
            continue
        array = np.asarray(x)
        name = f"x{i}"
        names.append(name)
        turned = not ways.plain and array.ndim > 1 and draw.random() < 0.4
        if turned:
            order = draw.sample(range(array.ndim), array.ndim)
            back = [int(k) for k in np.argsort(order)]
            nodes.append(helper.make_node("Transpose", [f"t{i}"], [name], perm=back))
            name, array = f"t{i}", np.array(array.transpose(order), order="C")
        if i in constant or (not ways.plain and draw.random() < 0.3):
            weights.append(numpy_helper.from_array(np.array(array, order="C"), name))
            continue
        known = ways.plain or draw.random() < 0.5
        shape = [size if known else f"{name}.{k}" for k, size in enumerate(array.shape)]
        ports.append(helper.make_tensor_value_info(name, onnx_type(array.dtype), shape))
        given.append(array)
    results = [f"y{i}" for i in range(outputs)]
    nodes.append(helper.make_node(op, names, results, **attributes))
    # What the outputs are is inferred, not told.
    ends = [helper.make_empty_tensor_value_info(name) for name in results]
    graph = helper.make_graph(nodes, "one", ports, ends, weights)
    return run_graph(graph, *given, opset=opset)


def one(op: str, *inputs: np.ndarray | None, **options: Any) -> np.ndarray:
    """Run one node that has one output."""
    return run(op, *inputs, **options)[0]


def agree(got: np.ndarray, wanted: Any, rtol: float | None = None) -> None:
    """Same type, shape and elements; floats within some units of the type's last place."""
    wanted = np.asarray(wanted)
    assert got.dtype == wanted.dtype, (got.dtype, wanted.dtype)
    assert got.shape == wanted.shape, (got.shape, wanted.shape)
    if wanted.dtype.kind not in "fcV" and wanted.dtype != bfloat16:
        assert np.array_equal(got, wanted), (got, wanted)
        return
    wide = np.complex128 if wanted.dtype.kind == "c" else np.float64
    units = {2: 2e-3, 4: 2e-6, 8: 1e-12, 16: 1e-12}[wanted.dtype.itemsize]
    if wanted.dtype == bfloat16:
        units = 2e-2
    limit = rtol or units
    np.testing.assert_allclose(
        got.astype(wide), wanted.astype(wide), rtol=limit, atol=limit, equal_nan=True
    )


def tensor(array: np.ndarray) -> TensorProto:
    """An attribute's value."""
    return numpy_helper.from_array(np.asarray(array))


__all__ = ["PLAIN", "Ways", "agree", "bfloat16", "helper", "one", "onnx", "run", "run_graph"]
__all__ += ["onnx_type", "tensor", "to_engine"]
