"""`polyvm model`: plans, precisions, and files that are rewritten and still right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import polyvm
from polyvm.host.cli import main

if TYPE_CHECKING:
    from pathlib import Path

GENERATOR = np.random.default_rng(20260101)


def weights(*shape: int) -> np.ndarray:
    return (GENERATOR.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def network(opset: int = 17) -> Any:
    """Conv, BatchNormalization, Relu, pool, a Reshape by computed sizes, Gemm, an unused node."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "cw", "cb"], ["c"], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c", "s", "t", "m", "v"], ["n"], epsilon=1e-3),
        node("Relu", ["n"], ["r"]),
        node("GlobalAveragePool", ["r"], ["p"]),
        node("Mul", ["one", "minus"], ["rest"]),
        node("Concat", ["one", "rest"], ["shape"], axis=0),
        node("Reshape", ["p", "shape"], ["f"]),
        node("Gemm", ["f", "gw", "gb"], ["y"], transB=1),
        node("Sqrt", ["r"], ["nobody reads"]),
    ]
    constants = {
        "cw": weights(16, 8, 3, 3),
        "cb": weights(16),
        "s": np.abs(weights(16)) + 0.5,
        "t": weights(16),
        "m": weights(16),
        "v": np.abs(weights(16)) + 0.5,
        "one": np.array([1], np.int64),
        "minus": np.array([-1], np.int64),
        "gw": weights(20, 16),
        "gb": weights(20),
    }
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 20])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "network.onnx"
    onnx.save(network(), str(made))
    return made


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    made = tmp_path / "samples.npz"
    np.savez(made, x=GENERATOR.standard_normal((6, 1, 8, 10, 12)).astype(np.float32))
    return made


def run(path: Path, x: np.ndarray) -> np.ndarray:
    return np.asarray(polyvm.model(str(path))(x))


@pytest.fixture
def x() -> np.ndarray:
    return GENERATOR.standard_normal((1, 8, 10, 12)).astype(np.float32)


def test_plan_and_check(path: Path, samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "plan", str(path), "--shape", "x=1,8,10,12", "--rounds", "2"]) == 0
    assert "Conv" in capsys.readouterr().out
    assert main(["model", "check", str(path), "--samples", str(samples)]) == 0
    said = capsys.readouterr().out
    assert "samples   6" in said
    rows = {line.split()[0]: line.split() for line in said.splitlines() if "%" in line}
    assert set(rows) == {"exact", "fast", "small"}
    assert float(rows["exact"][2]) == 0
    assert float(rows["small"][3]) < 0.1


def test_convert(path: Path, x: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    out = path.with_name("out.onnx")
    assert main(["model", "convert", str(path), "-o", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["constants", "folded", "2"]
    assert said[1].split() == ["normalisations", "fused", "1"]
    kinds = [node.op_type for node in onnx.load(str(out)).graph.node]
    assert kinds == ["Conv", "Relu", "GlobalAveragePool", "Reshape", "Gemm"]
    onnx.checker.check_model(str(out))
    np.testing.assert_allclose(run(out, x), run(path, x), atol=1e-5)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_weights_in_16_bits(path: Path, x: np.ndarray, kind: str) -> None:
    out = path.with_name("out.onnx")
    assert main(["model", "convert", str(path), "-o", str(out), "--weights", kind]) == 0
    assert out.stat().st_size < 0.75 * path.stat().st_size
    onnx.checker.check_model(str(out))
    np.testing.assert_allclose(run(out, x), run(path, x), atol=2e-2)


@pytest.mark.parametrize("calibrate", [False, True])
def test_quantize(path: Path, samples: Path, x: np.ndarray, calibrate: bool) -> None:
    out = path.with_name("out.onnx")
    more = ["--calibrate"] if calibrate else []
    arguments = ["model", "quantize", str(path), "-o", str(out), "--samples", str(samples)]
    assert main([*arguments, *more]) == 0
    assert out.stat().st_size < 0.6 * path.stat().st_size
    onnx.checker.check_model(str(out))
    kinds = [node.op_type for node in onnx.load(str(out)).graph.node]
    assert kinds.count("DequantizeLinear") == (4 if calibrate else 2)
    assert kinds.count("QuantizeLinear") == (2 if calibrate else 0)
    np.testing.assert_allclose(run(out, x), run(path, x), atol=5e-2)


@pytest.mark.parametrize("channels", [False, True])
def test_prune(path: Path, channels: bool) -> None:
    out = path.with_name("out.onnx")
    more = ["--channels"] if channels else []
    arguments = ["model", "prune", str(path), "-o", str(out), "--fraction", "0.25"]
    assert main([*arguments, *more]) == 0
    before, after = (
        {t.name: numpy_helper.to_array(t) for t in onnx.load(str(each)).graph.initializer}
        for each in (path, out)
    )
    for name in ("cw", "gw"):
        kept = after[name] != 0
        assert (after[name][kept] == before[name][kept]).all()
        assert kept.mean() == pytest.approx(0.75)
        if channels:
            whole = kept.reshape(kept.shape[0], -1)
            assert (whole.all(1) | ~whole.any(1)).all()
        else:
            assert np.abs(before[name][~kept]).max() <= np.abs(before[name][kept]).min()
    assert (after["cb"] == before["cb"]).all()


def test_samples_line_by_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = path.with_name("samples.jsonl")
    one = json.dumps({"x": np.zeros((1, 8, 3, 3)).tolist()})
    lines.write_text(f"{one}\n\n{one}\n")
    assert main(["model", "check", str(path), "--samples", str(lines)]) == 0
    assert "samples   2" in capsys.readouterr().out


def test_what_cannot_be(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    (tmp_path / "bad.jsonl").write_text('{"y": 1}\n')
    (tmp_path / "list.jsonl").write_text("[1]\n")
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "x.csv").write_text("1")
    old = network(opset=12)
    onnx.save(old, str(tmp_path / "old.onnx"))
    check, bad = ["model", "check", str(path)], str(tmp_path / "bad.onnx")
    output = ["-o", str(tmp_path / "no folder" / "out.onnx")]
    for arguments, code, sentence in (
        (["model", "plan", str(tmp_path / "gone.onnx")], 66, "there is no such file"),
        (["model", "plan", bad], 65, "bad.onnx: this is no ONNX model"),
        ([*check, "--shape", "z=1"], 65, "no input 'z'"),
        ([*check, "--shape", "x=1,9,4,4"], 65, "'x' should have the shape"),
        ([*check, "--samples", str(tmp_path / "bad.jsonl")], 65, "nothing for the input 'x'"),
        ([*check, "--samples", str(tmp_path / "list.jsonl")], 65, "no object of inputs"),
        ([*check, "--samples", str(tmp_path / "empty.jsonl")], 65, "no samples in it"),
        ([*check, "--samples", str(tmp_path / "x.csv")], 65, ".npz or a .jsonl"),
        ([*check, "--samples", str(tmp_path / "gone.npz")], 65, "no samples can be read"),
        (["model", "quantize", str(tmp_path / "old.onnx"), *output], 65, "of opset 12"),
        (["model", "convert", str(path), *output], 74, "cannot be written"),
    ):
        assert main(arguments) == code, arguments
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "no folder").exists()


def test_unknown_operators_are_all_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = network()
    model.graph.node[2].op_type, model.graph.node[3].op_type = "Frobnicate", "Grumble"
    onnx.save(model, str(tmp_path / "odd.onnx"))
    assert main(["model", "check", str(tmp_path / "odd.onnx")]) == 65
    said = capsys.readouterr().err
    assert "Frobnicate" in said
    assert "Grumble" in said
