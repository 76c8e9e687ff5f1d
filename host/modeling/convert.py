"""Simplifying a file, and storing its weights in 16 bits."""

from __future__ import annotations

from typing import Any

from polyvm import np
from polyvm.host.modeling import files
from polyvm.models import Model

MAX_FOLDED = 1 << 22  # elements of a result that may become a constant
_RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli"}
_RANDOM |= {"Multinomial", "Dropout"}


def simplify(proto: Any) -> dict[str, int]:
    """Fold constants, fuse batch normalisations into convolutions, drop what nobody reads.

    Changes the ModelProto; returns how often each was done.
    """
    graph = proto.graph
    folded = _fold(proto)
    fused = _fuse_batch_norms(graph)
    return {"constants folded": folded, "normalisations fused": fused, "dropped": _drop(graph)}


def _fold(proto: Any) -> int:
    """Nodes whose inputs are all constants are run by the engine, one at a time, in order."""
    onnx = files.package()
    helper, graph = onnx.helper, proto.graph
    constants = {item.name: item for item in graph.initializer}
    kept, folded = [], 0
    for node in graph.node:
        known = all(not name or name in constants for name in node.input)
        inner = any(a.type in {a.GRAPH, a.GRAPHS} for a in node.attribute)
        if not known or inner or node.op_type in _RANDOM or not any(node.output):
            kept.append(node)
            continue
        ends = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        single = helper.make_graph(
            [node], "constant", [], ends, [constants[name] for name in set(node.input) if name]
        )
        alone = helper.make_model(
            single, opset_imports=proto.opset_import, ir_version=proto.ir_version
        )
        try:
            told = Model(alone.SerializeToString(), budget=-1.0)()
        except (ValueError, TypeError, RuntimeError, NotImplementedError, MemoryError):
            kept.append(node)
            continue
        results = told if isinstance(told, dict) else {ends[0].name: told}
        if any(array.size > MAX_FOLDED for array in results.values()):
            kept.append(node)
            continue
        for name, array in results.items():
            constants[name] = make_tensor(name, array)
        folded += 1
    del graph.node[:]
    graph.node.extend(kept)
    del graph.initializer[:]
    graph.initializer.extend(constants.values())
    return folded


def make_tensor(name: str, array: Any) -> Any:
    """Return an array of the engine's as a TensorProto."""
    onnx = files.package()
    kinds = {"bool": 9, "int8": 3, "int16": 5, "int32": 6, "int64": 7, "uint8": 2, "uint16": 4}
    kinds |= {"uint32": 12, "uint64": 13, "float16": 10, "bfloat16": 16, "float32": 1}
    kinds |= {"float64": 11, "complex64": 14, "complex128": 15}
    content = np.ascontiguousarray(array).tobytes()
    return onnx.TensorProto(
        name=name, data_type=kinds[array.dtype.name], dims=array.shape, raw_data=content
    )


def array_of(tensor: Any) -> Any:
    """Return an initializer of float32 as an array of the engine's."""
    numpy_helper = files.package("onnx.numpy_helper")
    return np.asarray(numpy_helper.to_array(tensor))


def _fuse_batch_norms(graph: Any) -> int:
    """A BatchNormalization right behind a Conv is in the Conv's weights and bias."""
    constants = {item.name: item for item in graph.initializer}
    readers: dict[str, int] = {end.name: 1 for end in graph.output}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    makers = {name: node for node in graph.node for name in node.output}
    fused = 0
    for norm in list(graph.node):
        conv = makers.get(norm.input[0]) if norm.op_type == "BatchNormalization" else None
        if conv is None or conv.op_type != "Conv" or readers[norm.input[0]] != 1:
            continue
        names = [*norm.input[1:5], *conv.input[1:]]
        if len(norm.output) != 1 or not all(name in constants for name in names):
            continue
        weights = array_of(constants[conv.input[1]])
        if any(a.name == "training_mode" and a.i for a in norm.attribute):
            continue
        if weights.dtype.name != "float32" or readers[conv.input[1]] != 1:
            continue
        epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
        scale, shift, mean, variance = (
            array_of(constants[name]).astype("float64") for name in norm.input[1:5]
        )
        factor = scale / np.sqrt(variance + epsilon)
        bias = array_of(constants[conv.input[2]]).astype("float64") if len(conv.input) > 2 else 0.0
        wide = factor.reshape(-1, *[1] * (weights.ndim - 1))
        names = [f"{norm.output[0]}/{part}" for part in ("weights", "bias")]
        made = [weights.astype("float64") * wide, (bias - mean) * factor + shift]
        for name, array in zip(names, made, strict=True):
            graph.initializer.append(make_tensor(name, array.astype("float32")))
        inputs = [conv.input[0], *names]
        del conv.input[:]
        conv.input.extend(inputs)
        conv.output[0] = norm.output[0]
        graph.node.remove(norm)
        fused += 1
    return fused


def _drop(graph: Any) -> int:
    """Nodes and constants that nothing leads from to an output."""
    before = len(graph.node) + len(graph.initializer)
    wanted = {end.name for end in graph.output}
    kept = []
    for node in reversed(graph.node):
        inner = any(a.type in {a.GRAPH, a.GRAPHS} for a in node.attribute)
        if inner or wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
            wanted.update(_captured(node))
    del graph.node[:]
    graph.node.extend(reversed(kept))
    constants = [item for item in graph.initializer if item.name in wanted]
    del graph.initializer[:]
    graph.initializer.extend(constants)
    return before - len(graph.node) - len(graph.initializer)


def _captured(node: Any) -> set[str]:
    """Names that graphs within a node read."""
    found: set[str] = set()
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                found.update(inner.input)
                found |= _captured(inner)
            found.update(end.name for end in graph.output)
    return found


def halve(proto: Any, kind: str) -> int:
    """Store float32 weights as "float16" or "bfloat16", and cast them back where they are read.

    Computing stays in float32: half of the file, the weights rounded. Returns how many.
    """
    onnx = files.package()
    graph = proto.graph
    changed = files.weights(graph)
    casts = []
    for name, (tensor, _) in changed.items():
        stored = f"{name}/{kind}"
        halved = make_tensor(stored, array_of(tensor).astype(kind))
        graph.initializer.remove(tensor)
        graph.initializer.append(halved)
        casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    _put_first(graph, casts)
    return len(changed)


def _put_first(graph: Any, nodes: list[Any]) -> None:
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
