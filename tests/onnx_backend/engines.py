"""What runs a model: PolyVM's engine, or another to hold it against.

An engine is a function from a model's bytes to a function from named inputs to a list of outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Run = Callable[[Mapping[str, Any]], list[Any]]
Engine = Callable[[bytes], Run]


def polyvm(content: bytes) -> Run:
    """Ours, in this process: exact precision, one thread."""
    from polyvm.engine import _tensor

    model = _tensor.Model(content)
    names = [name for name, _, _ in model.inputs]

    def run(inputs: Mapping[str, Any]) -> list[Any]:
        given = [_given(inputs[name]) for name in names]
        return [_taken(array) for array in model.run(*given)]

    return run


def _given(array: Any) -> Any:
    """NumPy has no bfloat16 of its own: it crosses as its bits."""
    from polyvm import np as ours

    if array.dtype.name == "bfloat16":
        return ours.asarray(array.view("uint16")).view(ours.bfloat16)
    return ours.asarray(array)


def _taken(array: Any) -> Any:
    import ml_dtypes

    from polyvm import np as ours

    if array.dtype == ours.bfloat16:
        return np.asarray(array.view(ours.uint16)).view(ml_dtypes.bfloat16)
    return np.asarray(array)


def onnxruntime(content: bytes) -> Run:
    """ONNX Runtime on the processor."""
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda inputs: list(session.run(None, dict(inputs)))


def reference(content: bytes) -> Run:
    """The standard's own evaluator, in Python."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    session = ReferenceEvaluator(onnx.load_model_from_string(content))
    return lambda inputs: list(session.run(None, dict(inputs)))


ENGINES: Mapping[str, Engine] = {
    "polyvm": polyvm,
    "onnxruntime": onnxruntime,
    "reference": reference,
}
