"""What runs a model: ours and its peers, each at its best settings. Imported by contenders.

Every runtime has the same shape: made from a file with `Wanted`, then called with named arrays.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Arrays = dict[str, Any]


class CannotError(Exception):
    """The runtime cannot run the model so; the text says why, in a few words."""


@dataclass(frozen=True)
class Wanted:
    """How a model is to be run. callers: threads that call at the same time.

    threads: what one call may use. precision: "exact" is float32 throughout, "fast" is bfloat16
    arithmetic where the processor has it.
    """

    precision: str = "exact"
    threads: int = 1
    callers: int = 1


class Session(Protocol):
    """A loaded model; one for each caller."""

    def __call__(self, inputs: Arrays) -> Arrays: ...


Open = Callable[[Path, Arrays, Wanted], list[Session]]
"""Loads a model for the shapes of these inputs; a session for each caller, which may be one."""


def _float32_only(wanted: Wanted, name: str) -> None:
    if wanted.precision != "exact":
        raise CannotError(f"{name} has no bfloat16 arithmetic for float32 models")


def onnxruntime(path: Path, inputs: Arrays, wanted: Wanted) -> list[Session]:
    """One session, which callers share: calls do not wait for each other."""
    import onnxruntime as runtime

    _float32_only(wanted, "ONNX Runtime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = wanted.threads
    options.inter_op_num_threads = 1
    shapes = runtime.InferenceSession(str(path), options).get_inputs()
    for port in shapes:
        for name, size in zip(port.shape, inputs[port.name].shape, strict=True):
            if isinstance(name, str):
                options.add_free_dimension_override_by_name(name, size)
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]

    def run(given: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, given), strict=True))

    return [run] * wanted.callers


def openvino(path: Path, inputs: Arrays, wanted: Wanted) -> list[Session]:
    """One model, compiled with a stream for each caller; a request for each."""
    import openvino as ov

    core = ov.Core()
    model = core.read_model(path)
    model.reshape({name: list(array.shape) for name, array in inputs.items()})
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY" if wanted.callers == 1 else "THROUGHPUT",
        "INFERENCE_NUM_THREADS": wanted.threads * wanted.callers,
        "NUM_STREAMS": wanted.callers,
        "INFERENCE_PRECISION_HINT": "f32" if wanted.precision == "exact" else "bf16",
    }
    if wanted.precision == "exact":
        settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0  # or 8-bit weights make 8-bit products
    compiled = core.compile_model(model, "CPU", settings)
    names = [port.get_any_name() for port in compiled.outputs]

    def session() -> Session:
        request = compiled.create_infer_request()

        def run(given: Arrays) -> Arrays:
            request.infer(given, share_inputs=True, share_outputs=True)
            return {name: request.get_output_tensor(at).data for at, name in enumerate(names)}

        return run

    return [session() for _ in range(wanted.callers)]


def mnn(path: Path, inputs: Arrays, wanted: Wanted) -> list[Session]:
    """The model converted by MNN's own converter; a module and its threads for each caller."""
    import MNN  # noqa: F401 - its parts want it first
    from MNN import expr, nn

    _float32_only(wanted, "MNN")
    convert_for_mnn(path)
    wants = {"int64": (np.int32, expr.int), "int32": (np.int32, expr.int)}
    kinds = {name: wants.get(a.dtype.name, (np.float32, expr.float)) for name, a in inputs.items()}
    outputs = _output_names(path)

    def session() -> Session:
        settings = {"backend": "CPU", "precision": "high", "numThread": wanted.threads}
        manager = nn.create_runtime_manager((settings | {"power": "high", "memory": "high"},))
        module = nn.load_module_from_file(
            str(path.with_suffix(".mnn")),
            *(list(inputs), outputs),
            runtime_manager=manager,
            dynamic=False,
            shape_mutable=False,
        )

        def run(given: Arrays) -> Arrays:
            values = [
                expr.const(
                    np.ascontiguousarray(given[name], dtype),
                    list(given[name].shape),
                    expr.NCHW,
                    kind,
                )
                for name, (dtype, kind) in kinds.items()
            ]
            made = module.forward(values)
            return {name: value.read() for name, value in zip(outputs, made, strict=True)}

        return run

    return [session() for _ in range(wanted.callers)]


def _output_names(path: Path) -> list[str]:
    import onnx

    return [port.name for port in onnx.load(path).graph.output]


def convert_for_mnn(path: Path) -> None:
    """Write the model in MNN's format beside it, unless it is there. CannotError.

    The converter is called below its command, which installs packages and sends what it was used
    for to its makers.
    """
    converted = path.with_suffix(".mnn")
    if converted.exists():
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        made = Path(place) / "model.mnn"
        code = "import sys, _tools; _tools.mnnconvert(sys.argv)"
        command = [sys.executable, "-s", "-P", "-c", code, "-f", "ONNX", "--bizCode", "bench"]
        command += ["--modelFile", str(path), "--MNNModel", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=place, check=False)
        if not made.is_file():
            said = [
                line for line in (done.stdout + done.stderr).splitlines() if "ot Support" in line
            ]
            reason = said[0].partition("] ")[2].partition(": ")[2] if said else "no reason given"
            raise CannotError(f"not converted: {reason.strip()}")
        os.replace(made, converted)


def litert(path: Path, inputs: Arrays, wanted: Wanted) -> list[Session]:
    """LiteRT reads its own format alone."""
    import ai_edge_litert  # noqa: F401 - so that what is not installed is not blamed

    del path, inputs, wanted
    raise CannotError("reads no ONNX; what converts it needs TensorFlow")


def polyvm(path: Path, inputs: Arrays, wanted: Wanted) -> list[Session]:
    """Ours: one model, which callers share, with the libraries that hosts load."""
    from polyvm.engine import _tensor, libraries

    libraries.load(_tensor)
    model = _tensor.Model(str(path), precision=wanted.precision, threads=wanted.threads)
    names = [name for name, _, _ in model.inputs]
    outputs = [name for name, _, _ in model.outputs]
    assert set(names) == set(inputs)

    def run(given: Arrays) -> Arrays:
        arrays = model.run(*(given[name] for name in names))
        return dict(zip(outputs, arrays, strict=True))

    return [run] * wanted.callers


RUNTIMES: Mapping[str, Open] = {
    "polyvm": polyvm,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "mnn": mnn,
    "litert": litert,
}
SETTINGS: Mapping[str, str] = {
    "polyvm": (
        "oneDNN and OpenBLAS beside its own kernels, as in hosts; float32 throughout as `exact`, "
        "bfloat16 arithmetic as `fast`"
    ),
    "onnxruntime": "all graph optimisations, sequential execution, dimensions fixed, arena on",
    "openvino": (
        "dimensions fixed, latency hint (throughput and a stream each for several callers), "
        "precision hint f32 and no dynamic quantisation as `exact`, bf16 as `fast`"
    ),
    "mnn": "converted by its own tool, module interface, precision, power and memory high",
    "litert": "none: no model could be loaded",
}
