"""Models in tasks: loaded from assets, shared, prepared by the manifest, refused when broken."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy  # noqa: ICN001 - np is polyvm.np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import polyvm
from polyvm import np
from polyvm.engine import onednn
from polyvm.host import manifest
from polyvm.host.admission import Policy
from polyvm.host.embedded import Host, Options
from polyvm.host.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEIGHTS = numpy.linspace(-1, 1, 40 * 24, dtype=numpy.float32).reshape(40, 24)


def dense(outputs: int = 1) -> bytes:
    """A layer: relu(x w + b); with two outputs also its sum."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["y"]),
        helper.make_node("ReduceSum", ["y"], ["total 1"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes[: outputs + 1],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 40])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 24]),
            helper.make_tensor_value_info("total 1", TensorProto.FLOAT, []),
        ][:outputs],
        [
            numpy_helper.from_array(WEIGHTS, "w"),
            numpy_helper.from_array(numpy.ones(24, numpy.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def expected(x: Any) -> numpy.ndarray:
    return numpy.maximum(numpy.asarray(x, numpy.float32) @ WEIGHTS + 1, 0)


TASK = """
import polyvm
from polyvm import np
model = polyvm.model("net/dense.onnx", precision="exact")
def run(payload):
    x = np.asarray(payload["x"], dtype=np.float32)
    return {"y": model(x=x).tolist(), "nbytes": model.nbytes}
"""


@pytest.fixture
def deploy(tmp_path: Path, make_task: Callable[..., Path]) -> Callable[..., Options]:
    def made(models: str = "", content: bytes | None = None, code: str = TASK) -> Options:
        folder = make_task("net", code)
        (folder / "net").mkdir()
        (folder / "net" / "dense.onnx").write_bytes(dense() if content is None else content)
        with (folder / "task.toml").open("a") as file:
            file.write(models)
        return Options(
            tasks=tmp_path / "tasks",
            workers=2,
            packed=tmp_path / "packed",
            policy=Policy(keys=tmp_path / "keys", state=tmp_path / "state"),
        )

    return made


PRELOAD = '\n[[models]]\nfile = "net/dense.onnx"\nshapes = [{ x = [3, 40] }, {}]\n'


@pytest.mark.parametrize("models", ["", PRELOAD])
def test_a_task_runs_its_model(deploy: Callable[..., Options], models: str) -> None:
    with Host(deploy(models)) as host:
        for rows in (1, 3, 2):
            x = numpy.random.default_rng(rows).standard_normal((rows, 40)).tolist()
            back = host.submit("net", {"x": x}).result()
            numpy.testing.assert_allclose(back["y"], expected(x), rtol=1e-5, atol=1e-5)
            assert back["nbytes"] >= WEIGHTS.nbytes
        many = host.map("net", [{"x": [[i / 40] * 40]} for i in range(40)])
        for i, back in enumerate(many):
            numpy.testing.assert_allclose(back["y"], expected([[i / 40] * 40]), atol=1e-4)


@pytest.mark.parametrize(
    ("models", "content", "sentence"),
    [
        (PRELOAD, dense()[:-100], "the model 'net/dense.onnx' cannot be used: "),
        (PRELOAD.replace("dense", "other"), None, "the bundle has no such file"),
        (PRELOAD.replace("x = [3, 40]", "z = [3, 40]"), None, "no input 'z'"),
        (PRELOAD.replace("[3, 40]", "[3, 41]"), None, "should have the shape"),
    ],
)
def test_a_broken_model_refuses_the_bundle(  # noqa: PLR0917
    deploy: Callable[..., Options],
    models: str,
    content: bytes | None,
    sentence: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Host(deploy(models, content)) as host, pytest.raises(Exception, match="net"):
        host.submit("net", {"x": [[0.0] * 40]}).result()
    said = caplog.text + "".join(capsys.readouterr())
    assert sentence in said


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('[[models]]\nfile = "a.onnx"\nprecision = "best"\n', "exact, fast, small"),
        ('[[models]]\nfile = "a.onnx"\nshapes = [{ x = [100000, 100000] }]\n', "too large"),
        ('[[models]]\nprecision = "fast"\n', "file"),
        ('[[models]]\nfile = "a.onnx"\nthreads = 0\n', "threads"),
    ],
)
def test_what_a_manifest_may_not_say(table: str, sentence: str) -> None:
    text = 'name = "a"\nversion = "1.0"\nentry = "m:f"\n' + table
    with pytest.raises(ManifestError, match=sentence):
        manifest.parse(text.encode(), "f")


def test_calls_under_ordinary_python(tmp_path: Path) -> None:
    path = tmp_path / "dense.onnx"
    path.write_bytes(dense(2))
    for model in (polyvm.model(str(path)), polyvm.model(path), polyvm.model(dense(2))):
        x = numpy.ones((2, 40), numpy.float32)
        for given in (model(x), model(x=x), model(x=x.tolist()), model(np.asarray(x))):
            assert list(given) == ["y", "total 1"]
            numpy.testing.assert_allclose(numpy.asarray(given["y"]), expected(x), rtol=1e-5)
            assert float(given["total 1"]) == pytest.approx(float(expected(x).sum()), rel=1e-5)
        assert model.inputs == (("x", "float32", ("batch", 40)),)
        assert model.outputs[1][1] == "float32"
        assert "Gemm" in model.plan(x)
        assert "took" in model.profile(x, rounds=2)
        model.prepare()
    threads = polyvm.model(path, threads=2, precision="fast")
    assert numpy.abs(numpy.asarray(threads(x)["y"]) - expected(x)).max() < 0.05


def write_safetensors(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        data += content
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_safetensors(tmp_path: Path) -> None:
    one, two = numpy.arange(6, dtype=numpy.float32), numpy.arange(-3, 3, dtype=numpy.int8)
    content = write_safetensors(
        {
            "one": ("F32", [2, 3], one.tobytes()),
            "two": ("I8", [6], two.tobytes()),
            "none": ("F16", [0, 4], b""),
            "half": ("BF16", [], b"\x80\x3f"),
        }
    )
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    for source in (content, path, str(path)):
        got = polyvm.safetensors(source)
        assert list(got) == ["one", "two", "none", "half"]
        assert numpy.array_equal(numpy.asarray(got["one"]), one.reshape(2, 3))
        assert numpy.array_equal(numpy.asarray(got["two"]), two)
        assert got["none"].shape == (0, 4)
        assert float(got["half"]) == 1.0
        with pytest.raises(ValueError, match="read-only"):
            got["one"][0, 0] = 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cut short"),
        (struct.pack("<Q", 2**60) + b"{}", "cut short"),
        (struct.pack("<Q", 2) + b"[]", "no JSON object"),
        (write_safetensors({"a": ("F32", [3], b"1234")}), "takes 12 bytes, and has 4"),
        (write_safetensors({"a": ("F99", [1], b"1234")}), "not one of a tensor"),
        (write_safetensors({"a": ("F32", [-1], b"")}), "outside of the file"),
        (write_safetensors({"a": ("F32", [1], b"1234")})[:-2], "outside of the file"),
    ],
)
def test_damaged_safetensors(content: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        polyvm.safetensors(content)


THREADS = TASK.replace('precision="exact"', 'precision="exact", threads=2')


def test_threads_in_vms(deploy: Callable[..., Options]) -> None:
    """Two workers whose calls may use two threads each: results are the same."""
    models = PRELOAD.replace("[[models]]\n", "[[models]]\nthreads = 2\n")
    with Host(deploy(models, code=THREADS)) as host:
        rows = numpy.random.default_rng(5).standard_normal((300, 40))
        for back in host.map("net", [{"x": rows.tolist()} for _ in range(8)]):
            numpy.testing.assert_allclose(back["y"], expected(rows), atol=1e-4)


def test_memory_of_a_run_is_charged(deploy: Callable[..., Options]) -> None:
    """A run whose arena is more than the limit ends as any other that is over its quota."""
    models = '\n[limits]\nmemory = "24MB"\n'
    code = TASK.replace('"y": model(x=x).tolist()', '"y": float(model(x=x).sum())').replace(
        'np.asarray(payload["x"], dtype=np.float32)',
        'np.broadcast_to(np.float32(1), (payload["rows"], 40))',
    )
    with Host(deploy(models, code=code)) as host:
        small = host.submit("net", {"rows": 10}).result()
        assert small["y"] == pytest.approx(10 * float(expected(numpy.ones((1, 40))).sum()))
        with pytest.raises(Exception, match=r"over its memory|quota|limit"):
            host.submit("net", {"rows": 10**6}).result()
        assert host.submit("net", {"rows": 10}).result() == small


GIVEN = """
import polyvm
from polyvm import np
model = polyvm.model("product.onnx", backends="onednn")
def run(payload):
    rows, inner, columns = payload["sizes"]
    a = np.ones((2, rows, inner), dtype=np.float32)
    b = np.ones((2, inner, columns), dtype=np.float32)
    plan = model.plan(a, b)
    return {"sum": float(model(a, b).sum()), "backend": "onednn" if "onednn" in plan else "none"}
"""


@pytest.mark.skipif(onednn.find() is None, reason="oneDNN is not installed")
def test_confined_workers_use_what_was_made_before(
    deploy: Callable[..., Options], make_task: Callable[..., Path]
) -> None:
    """oneDNN makes machine code, which workers may not: not even for sizes that come later."""
    options = deploy(PRELOAD)
    folder = make_task("given", GIVEN)
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["b", "i", "j"]) for n in "xyz"]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "y"], ["z"])], "given", ports[:2], ports[2:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "product.onnx").write_bytes(model.SerializeToString())
    with Host(options) as host:
        for sizes in ((1, 50, 70), (70, 50, 1), (3, 5, 4), (100, 300, 200), (33, 1, 65)):
            back = host.submit("given", {"sizes": sizes}).result()
            assert back["sum"] == 2 * sizes[0] * sizes[1] * sizes[2]
