"""The standard's tests: models with inputs and the outputs that must come of them.

Most are made in memory by the package `onnx`, some lie in it as files; nothing is downloaded.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")
NEWEST_OPSET = 22
DOMAINS = {"", "ai.onnx"}
TYPES = {
    TensorProto.BOOL,
    TensorProto.INT8,
    TensorProto.INT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.UINT8,
    TensorProto.UINT16,
    TensorProto.UINT32,
    TensorProto.UINT64,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.COMPLEX64,
    TensorProto.COMPLEX128,
}
DataSet = tuple[list[Any], list[Any]]
"""Inputs, and the outputs expected, in the order of the graph."""


@dataclass(frozen=True)
class Case:
    """One test. scope: "" if an engine for arrays can be asked it, or which rule leaves it out."""

    name: str
    kind: str
    model: Any
    data: list[DataSet]
    rtol: float
    atol: float
    scope: str

    @property
    def inputs(self) -> list[str]:
        """The names of what must be given."""
        given = {weight.name for weight in self.model.graph.initializer}
        return [value.name for value in self.model.graph.input if value.name not in given]


def load(kinds: Iterable[str] = KINDS) -> list[Case]:
    """All tests of these kinds, by name."""
    from onnx.backend.test.loader import load_model_tests

    found: list[Case] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of tests that overflow on purpose while they are made
        for kind in kinds:
            for test in sorted(load_model_tests(kind=kind), key=lambda test: test.name):
                model, data = (
                    (test.model, [_arrays(pair) for pair in test.data_sets])
                    if test.model is not None
                    else _from_files(test)
                )
                found.append(Case(test.name, kind, model, data, test.rtol, test.atol, scope(model)))
    return found


def scope(model: Any) -> str:
    """Which rule leaves the model out, a key of `report.SCOPES`; "" if none does."""
    opsets = {item.domain: item.version for item in model.opset_import}
    for function in model.functions:
        opsets |= {item.domain: item.version for item in function.opset_import}
    local = {function.domain for function in model.functions}
    used = {node.domain for node in _nodes(model)} - local
    if not used <= DOMAINS:
        return "domain"
    if max(opsets.get("", 0), opsets.get("ai.onnx", 0)) > NEWEST_OPSET:
        return "opset"
    types = [value.type for graph in _graphs(model) for value in _values(graph)]
    kinds = {kind.WhichOneof("value") for kind in types} - {None}
    if kinds - {"tensor_type"} or any(_is_sequence(node.op_type) for node in _nodes(model)):
        return "sequences"
    elements = {kind.tensor_type.elem_type for kind in types} - {TensorProto.UNDEFINED}
    elements |= {tensor.data_type for graph in _graphs(model) for tensor in graph.initializer}
    if TensorProto.STRING in elements:
        return "strings"
    return "" if elements <= TYPES else "types"


def _is_sequence(op: str) -> bool:
    return "Sequence" in op or op.startswith("Optional")


def _values(graph: Any) -> Iterator[Any]:
    for values in (graph.input, graph.output, graph.value_info):
        yield from values


def _graphs(model: Any) -> Iterator[Any]:
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting += [inner for node in graph.node for inner in _inner(node)]


def _nodes(model: Any) -> Iterator[Any]:
    for graph in _graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def _inner(node: Any) -> list[Any]:
    return [
        graph
        for attribute in node.attribute
        for graph in ([attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs)
    ]


def _arrays(pair: Any) -> DataSet:
    inputs, outputs = pair
    return [_array(value) for value in inputs], [_array(value) for value in outputs]


def _array(value: Any) -> Any:
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, onnx.SequenceProto):
        return numpy_helper.to_list(value)
    if isinstance(value, onnx.OptionalProto):
        return numpy_helper.to_optional(value)
    if isinstance(value, np.generic):
        return np.asarray(value)
    return value


def _from_files(test: Any) -> tuple[Any, list[DataSet]]:
    if test.model_dir is None:
        return _light(Path(onnx.__file__).parent.parent / test.url)
    folder = Path(test.model_dir)
    model = onnx.load(folder / "model.onnx")
    data: list[DataSet] = []
    for place in sorted(folder.glob("test_data_set_*")):
        sides = [
            [
                _read(place / f"{side}_{index}.pb", value.type)
                for index, value in enumerate(values)
                if (place / f"{side}_{index}.pb").is_file()
            ]
            for side, values in (("input", model.graph.input), ("output", model.graph.output))
        ]
        data.append((sides[0], sides[1]))
    return model, data


def _read(path: Path, declared: Any) -> Any:
    classes = {
        "sequence_type": onnx.SequenceProto,
        "optional_type": onnx.OptionalProto,
        "tensor_type": TensorProto,
    }
    made = classes[declared.WhichOneof("value")]()
    made.ParseFromString(path.read_bytes())
    return _array(made)


def _light(path: Path) -> tuple[Any, list[DataSet]]:
    """A net whose outputs lie beside it; its input counts from 0 to nearly 1."""
    model = onnx.load(path)
    weights = {weight.name for weight in model.graph.initializer}
    inputs = []
    for value in model.graph.input:
        if value.name not in weights:
            shape = [size.dim_value or 1 for size in value.type.tensor_type.shape.dim]
            count = int(np.prod(shape))
            inputs.append((np.arange(count).reshape(shape) / count).astype(np.float32))
    stem = os.fspath(path.with_suffix(""))
    outputs = [
        _read(Path(f"{stem}_output_{index}.pb"), value.type)
        for index, value in enumerate(model.graph.output)
    ]
    return model, [(inputs, outputs)]
