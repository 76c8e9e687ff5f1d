"""Files in ONNX, read and written by the package `onnx`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from polyvm.host.errors import MissingError, ModelError, WriteError

if TYPE_CHECKING:
    from pathlib import Path

MIN_ELEMENTS = 256  # of a weight worth changing
_LARGEST = 2**31 - 2**20  # bytes of a file that protobuf can write


def package(name: str = "onnx") -> Any:
    """Return a module of `onnx`. Raises MissingError."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingError(
            "rewriting models takes the package onnx; install polyvm[models]"
        ) from None


def read(path: Path) -> Any:
    """Return the ModelProto, external data included. Raises ModelError."""
    onnx = package()
    try:
        return onnx.load(str(path))
    except Exception as error:  # noqa: BLE001 - protobuf and onnx raise many kinds
        raise ModelError(f"{path}: no model in ONNX: {error}") from None


def encode(proto: Any) -> bytes:
    """Return the file's bytes. Raises ModelError for a model that is too large for one file."""
    if proto.ByteSize() > _LARGEST:
        raise ModelError("the model is larger than 2 GB, and cannot be written into one file")
    content: bytes = proto.SerializeToString()
    return content


def write(content: bytes, path: Path) -> None:
    """Write it whole or not at all. Raises WriteError."""
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WriteError(f"{path}: cannot be written: {error.strerror or error}") from None


def weights(graph: Any) -> dict[str, tuple[Any, int]]:
    """Return float32 initializers that convolutions and products multiply by.

    By name: the TensorProto and the axis of its output channels.
    """
    float32 = package().TensorProto.FLOAT
    by_name = {item.name: item for item in graph.initializer if item.data_type == float32}
    found: dict[str, tuple[Any, int]] = {}
    for node in graph.node:
        if len(node.input) < 2 or node.input[1] not in by_name:
            continue
        tensor = by_name[node.input[1]]
        count = 1
        for size in tensor.dims:
            count *= size
        if count < MIN_ELEMENTS or len(tensor.dims) < 2:
            continue
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        axes = {"Conv": 0, "ConvTranspose": 1, "MatMul": len(tensor.dims) - 1}
        axes["Gemm"] = 0 if transposed else 1
        if node.op_type in axes:
            found[tensor.name] = (tensor, axes[node.op_type])
    return found


def opset(proto: Any) -> int:
    """Return the version of ONNX' own operators that the model is written for."""
    return next((item.version for item in proto.opset_import if item.domain in {"", "ai.onnx"}), 1)
