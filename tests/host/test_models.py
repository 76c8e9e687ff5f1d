"""Models as tasks see them, in VMs and under ordinary Python."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import polyvm
from polyvm.host import dev
from polyvm.host.admission import Policy
from polyvm.host.embedded import Host, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = """
import polyvm

add = polyvm.model("add.onnx")

def run(payload):
    if payload.get("named"):
        told = add(b=payload["b"], a=payload["a"])
    else:
        told = add(payload["a"], payload["b"])
    return told | {"inputs": add.inputs, "shown": repr(add)}
"""


def content(*outputs: str, op: str = "Add") -> bytes:
    """a + b, of any length; and a - b, if so many outputs are wanted."""
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n"]) for n in ("a", "b")]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n"]) for n in outputs]
    nodes = [
        helper.make_node(kind, ["a", "b"], [name])
        for kind, name in zip((op, "Sub"), outputs, strict=False)
    ]
    graph = helper.make_graph(nodes, "sums", ports, ends)
    opset = helper.make_opsetid("", 17)
    made: bytes = helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    return made


@pytest.fixture
def folder(make_task: Callable[..., Path]) -> Path:
    made = make_task("sums", SOURCE)
    (made / "add.onnx").write_bytes(content("sum", "difference"))
    return made


@pytest.fixture
def host(folder: Path, tmp_path: Path) -> Iterator[Host]:
    options = Options(
        tasks=folder.parent,
        workers=2,
        packed=tmp_path / "packed",
        policy=Policy(keys=tmp_path / "keys", state=tmp_path / "state"),
    )
    with Host(options) as made:
        yield made


def check(told: dict[str, Any]) -> None:
    assert np.asarray(told["sum"]).tolist() == [4, 6]
    assert np.asarray(told["difference"]).tolist() == [-2, -2]
    assert told["inputs"] == [["a", "float32", ["n"]], ["b", "float32", ["n"]]]
    assert told["shown"] == "<model of a, b to sum, difference>"


@pytest.mark.parametrize("named", [True, False])
def test_a_task_calls_its_model(host: Host, folder: Path, named: bool) -> None:
    payload = {"a": [1.0, 2.0], "b": [3.0, 4.0], "named": named}
    check(host.submit("sums", payload).result())
    with dev.opened(folder) as task:
        answer = task(payload)
    assert answer.failure is None
    check(answer.value)


def test_many_vms_call_one_model(host: Host) -> None:
    payloads = [{"a": [float(n)] * n, "b": [1.0] * n} for n in range(1, 200)]
    told = host.map("sums", payloads)
    for n, each in enumerate(told, 1):
        assert np.asarray(each["sum"]).tolist() == [n + 1.0] * n


def test_one_output_is_an_array() -> None:
    model = polyvm.model(content("sum"))
    told = model(np.ones(3, np.float32), [1.0, 2.0, 3.0])
    assert np.asarray(told).tolist() == [2, 3, 4]


def test_threads_share_a_model() -> None:
    model = polyvm.model(content("sum"))
    wrong: list[int] = []

    def call(n: int) -> None:
        array = np.full(n, n, np.float32)
        told = [np.asarray(model(array, array)).tolist() for _ in range(200)]
        wrong.extend(n for each in told if each != [2.0 * n] * n)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("arrays", "named", "said"),
    [
        ((), {"a": [1.0]}, "the model's input 'b' is missing; its inputs are a, b"),
        (([1.0],), {"a": [1.0]}, "the model was given its input 'a' twice"),
        (([1.0],), {"c": [1.0]}, "the model has no input 'c'; its inputs are a, b"),
        (([1.0],) * 3, {"a": [1.0]}, "the model was given 3 inputs and more"),
        (([1.0],), {}, "the model takes 2 inputs, and 1 were given"),
    ],
)
def test_wrong_inputs_are_named(arrays: Any, named: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        polyvm.model(content("sum"))(*arrays, **named)


def test_what_is_no_model_and_what_is_not_there(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="Frobnicate"):
        polyvm.model(content("sum", op="Frobnicate"))
    with pytest.raises((RuntimeError, ValueError)):
        polyvm.model(b"no model at all")
    with pytest.raises(ValueError, match="precision"):
        polyvm.model(content("sum"), precision="vague")
    (folder / "main.py").write_text("import polyvm\nmodel = polyvm.model('gone.onnx')\n")
    with pytest.raises(FileNotFoundError, match=r"no asset 'gone\.onnx'"), dev.opened(folder):
        pass
