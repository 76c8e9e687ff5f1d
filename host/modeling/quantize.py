"""8-bit weights, and inputs of products by ranges that samples showed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyvm import np
from polyvm.host.errors import ModelError
from polyvm.host.modeling import convert, files
from polyvm.models import Model

if TYPE_CHECKING:
    from polyvm.host.modeling.samples import Sample

_FIRST_OPSET = 13  # with scales for each channel


def quantize(proto: Any, samples: list[Sample] | None) -> int:
    """Store float32 weights as int8, one scale for each output channel.

    With samples the inputs of the same operators are rounded to 8 bits too, by the ranges that they
    have in runs with them. Changes the ModelProto; returns how many weights there are. Raises
    ModelError for an opset that cannot say so.
    """
    if files.opset(proto) < _FIRST_OPSET:
        raise ModelError(
            f"the model is of opset {files.opset(proto)}; 8-bit weights for each channel take "
            f"{_FIRST_OPSET} at least: convert it with onnx.version_converter first"
        )
    found = files.weights(proto.graph)
    ranges = _ranges(proto, found, samples) if samples is not None else {}
    nodes = [_store(proto.graph, tensor, axis) for tensor, axis in found.values()]
    nodes = [node for pair in nodes for node in pair]
    rest = list(proto.graph.node)
    rounded = _round_inputs(proto.graph, rest, found, ranges)
    del proto.graph.node[:]
    proto.graph.node.extend([*nodes, *rounded])
    return len(found)


def _store(graph: Any, tensor: Any, axis: int) -> list[Any]:
    helper = files.package().helper
    weights = convert.array_of(tensor)
    others = tuple(d for d in range(weights.ndim) if d != axis)
    scale = np.max(np.abs(weights), axis=others) / 127
    scale = np.where(scale > 0, scale, np.float32(1))
    wide = scale.reshape(*[-1 if d == axis else 1 for d in range(weights.ndim)])
    stored = np.clip(np.rint(weights / wide), -127, 127).astype("int8")
    names = [f"{tensor.name}/{part}" for part in ("int8", "scale")]
    name = tensor.name
    graph.initializer.remove(tensor)
    graph.initializer.append(convert.make_tensor(names[0], stored))
    graph.initializer.append(convert.make_tensor(names[1], scale.astype("float32")))
    return [helper.make_node("DequantizeLinear", names, [name], axis=axis)]


def _ranges(
    proto: Any, found: dict[str, Any], samples: list[Sample]
) -> dict[str, tuple[float, float]]:
    """Run the model with the inputs of its products as outputs, and look at them."""
    onnx = files.package()
    observed = onnx.ModelProto()
    observed.CopyFrom(proto)
    inputs = {port.name for port in proto.graph.input}
    wanted = [
        node.input[0] for node in proto.graph.node if len(node.input) > 1 and node.input[1] in found
    ]
    wanted = list(dict.fromkeys(wanted))
    made = [name for name in wanted if name not in inputs]
    present = {end.name for end in observed.graph.output}
    observed.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in made if name not in present
    )
    model = Model(observed.SerializeToString(), budget=-1.0)
    ranges: dict[str, tuple[float, float]] = {}
    for sample in samples:
        told = model(**sample)
        if not isinstance(told, dict):
            told = {model.outputs[0][0]: told}
        for name in wanted:
            array = told[name] if name in told else sample[name]
            low, high = ranges.get(name, (0.0, 0.0))
            if array.size:
                ranges[name] = min(low, float(np.min(array))), max(high, float(np.max(array)))
    return ranges


def _round_inputs(
    graph: Any, nodes: list[Any], found: dict[str, Any], ranges: dict[str, tuple[float, float]]
) -> list[Any]:
    """Put QuantizeLinear and DequantizeLinear before each product's input, once for each input."""
    helper = files.package().helper
    done: dict[str, str] = {}
    result = []
    for node in nodes:
        name = node.input[0] if len(node.input) > 1 and node.input[1] in found else ""
        if name in ranges:
            if name not in done:
                low, high = ranges[name]
                scale = (high - low) / 255 or 1.0
                zero = round(-low / scale)
                parts = [f"{name}/{part}" for part in ("uint8", "scale", "zero", "rounded")]
                scale_array = np.asarray(scale, dtype="float32")
                graph.initializer.append(convert.make_tensor(parts[1], scale_array))
                zero_array = np.asarray(min(255, max(0, zero)), dtype="uint8")
                graph.initializer.append(convert.make_tensor(parts[2], zero_array))
                result.append(helper.make_node("QuantizeLinear", [name, *parts[1:3]], [parts[0]]))
                result.append(helper.make_node("DequantizeLinear", parts[:3], [parts[3]]))
                done[name] = parts[3]
            node.input[0] = done[name]
        result.append(node)
    return result
