"""What runs a model: PolyVM's engine, or another to hold it against.

An engine is a function from a model's bytes to a function from named inputs to a list of outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Run = Callable[[Mapping[str, Any]], list[Any]]
Engine = Callable[[bytes], Run]


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


ENGINES: Mapping[str, Engine] = {"onnxruntime": onnxruntime, "reference": reference}
