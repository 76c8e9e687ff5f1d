"""The section on models: what is compared with what, and what is told of what cannot be."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.contender import Contender
from bench.models.graph import Graph
from bench.sections import models


def told(per_second: float, difference: float = 0.0) -> dict[str, Any]:
    return {"per_second": [per_second, per_second, per_second], "difference": difference}


def data(**exact: Any) -> dict[str, Any]:
    fast = {"polyvm": told(9), "openvino": told(6, 5e-3), "mnn": {"cannot": "no"}}
    return {
        "versions": "some",
        "settings": dict.fromkeys(("polyvm", "onnxruntime", "openvino", "mnn", "litert"), "best"),
        "models": {"net": {"exact": exact, "fast": fast}},
        "missing": {"other": "it is gone"},
        "different": [],
        "vms": {"resnet18": {"1": [10.0, 10.0], "2": [19.0, 20.0]}},
    }


def test_the_best_peer_is_the_fastest_whose_results_are_right() -> None:
    found = data(
        polyvm=told(30, 3e-6),
        onnxruntime=told(20),
        openvino=told(25, 1e-4),
        mnn=told(99, 2e-3),
        litert={"cannot": "reads no ONNX"},
    )
    one, mean, fast, vms = models.rows(found)
    assert (vms.ratio, vms.good) == (1.95, True)
    assert (one.reference, one.ratio, one.good) == ("OpenVINO, the best", 1.2, True)
    assert mean.ratio == pytest.approx(1.2)
    assert fast.ratio == 1.5
    exact, lower, in_vms = models.tables(found)
    assert in_vms.lines == [["resnet18", "10", "20", "1.95"]]
    assert exact.columns == [
        "model",
        "PolyVM",
        "ONNX Runtime",
        "OpenVINO",
        "MNN",
        "against the best",
    ]
    assert exact.lines[0][-2:] == ["10.1 ms, off by 2e-03", "1.20"]
    assert "LiteRT cannot run any: reads no ONNX." in exact.note
    assert "PolyVM's differ most for net, by 3.0e-06." in exact.note
    assert "Not measured: other, it is gone." in exact.note
    assert lower.columns == ["model", "PolyVM", "OpenVINO", "against OpenVINO"]


def test_without_ours_there_is_nothing_to_promise() -> None:
    found = data(onnxruntime=told(20), polyvm={"cannot": "no such operator"})
    assert [row.what for row in models.rows(found)] == [
        "1 models, bfloat16 arithmetic, geometric mean",
        "tasks that call resnet18, 2 VMs on 2 cores",
    ]


def test_differences_are_shares_of_the_greatest_value() -> None:
    truth = {"y": np.array([[4.0, 2.0]])}
    assert models._difference({"y": np.array([4.0, 2.2])}, truth) == pytest.approx(0.05)
    assert models._difference({"y": np.zeros(3)}, truth) == 1e9
    assert models._difference({}, truth) == 1e9
    assert models._difference({"y": np.array([4.0, np.nan])}, truth) == 1e9


def test_a_contender_runs_a_model_and_says_why_it_cannot(tmp_path: Path) -> None:
    graph = Graph("small", 17, 1)
    x = graph.input("x", np.float32, ["n", 3])
    graph.output("y", graph.add("Relu", x), np.float32, ["n", 3])
    model, inputs, outputs = (str(tmp_path / name) for name in ("m.onnx", "i.npz", "o.npz"))
    Path(model).write_bytes(graph.model().SerializeToString())
    given = np.array([[-1, 0, 2]], np.float32)
    np.savez(inputs, x=given)
    files = {"model": model, "inputs": inputs, "outputs": outputs, "cpus": []}
    with Contender("test models", [sys.executable], "bench.contenders.models") as contender:
        wanted = {"callers": 2}
        told = contender.ask("open", runtime="polyvm", wanted=wanted, **files)
        assert told["load_ns"] > 0
        np.testing.assert_array_equal(np.load(outputs)["y"], np.maximum(given, 0))
        assert contender.ask("measure", seconds=0.01)["per_second"] > 0
        contender.ask("close")
        Path(model).write_bytes(b"no model")
        assert contender.ask("open", runtime="polyvm", wanted={}, **files)["cannot"]
