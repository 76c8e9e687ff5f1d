"""Reading ONNX: order, names, functions, constants in all their forms, and what is refused."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from polyvm import np as pnp
from polyvm.engine import _tensor
from tests.engine.graphs import call, graph, load, model, node, port, run

if TYPE_CHECKING:
    from pathlib import Path

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def chain() -> bytes:
    nodes = [node("Relu", "x", "a"), node("Add", "a one", "b"), node("Neg", "b", "y")]
    return model(nodes, [port("x", shape=["n", 3])], [port("y", shape=["n", 3])], {"one": X[:1]})


def test_ports_say_what_is_known() -> None:
    loaded = load(chain())
    assert loaded.inputs == (("x", "float32", ("n", 3)),)
    assert loaded.outputs == (("y", "float32", ("n", 3)),)
    assert loaded.nbytes > 0


def test_nodes_may_come_in_any_order() -> None:
    nodes = [node("Neg", "b", "y"), node("Add", "a a", "b"), node("Relu", "x", "a")]
    (y,) = run(model(nodes, [port("x", shape=[2, 3])], [port("y")]), X)
    np.testing.assert_array_equal(y, -2 * X)


def test_cycles_are_named() -> None:
    nodes = [node("Add", "x c", "b"), node("Relu", "b", "c")]
    with pytest.raises(ValueError, match=r"cycle: the node for '[bc]'"):
        load(model(nodes, [port("x")], [port("c")]))


def test_missing_and_repeated_names() -> None:
    with pytest.raises(ValueError, match="reads 'nothing', which nothing gives"):
        load(model([node("Relu", "nothing", "y")], [port("x")], [port("y")]))
    with pytest.raises(ValueError, match="output 'z' is given by nothing"):
        load(model([node("Relu", "x", "y")], [port("x")], [port("z")]))
    with pytest.raises(ValueError, match="'y' is given twice"):
        load(model([node("Relu", "x", "y"), node("Neg", "x", "y")], [port("x")], [port("y")]))
    with pytest.raises(ValueError, match="no graph"):
        load(onnx.ModelProto().SerializeToString())


def test_all_unknown_operators_are_named_at_once() -> None:
    nodes = [
        node("Frobnicate", "x", "a"),
        node("Other", "a", "b", domain="own"),
        node("Frobnicate", "b", "y"),
    ]
    with pytest.raises(RuntimeError) as caught:
        load(model(nodes, [port("x")], [port("y")], opset=17))
    assert str(caught.value).endswith("Frobnicate (version 17), own.Other (version 1)")


def test_functions_stand_for_their_nodes() -> None:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    scaled = helper.make_function(
        "own",
        "Scaled",
        ["given", "left_out"],
        ["made", "given_again"],
        [
            helper.make_node("Constant", [], ["by"], value=numpy_helper.from_array(X[:1, 1:2])),
            helper.make_node("Mul", ["given", "by"], ["t"]),
            node("LeakyRelu", "t", "made"),
            helper.make_node("Identity", ["given"], ["given_again"]),
        ],
        imports,
        ["alpha"],
    )
    reference = scaled.node[2].attribute.add()
    reference.name, reference.ref_attr_name = "alpha", "alpha"
    reference.type = onnx.AttributeProto.FLOAT
    twice = helper.make_function(
        "own",
        "Twice",
        ["x"],
        ["y"],
        [
            node("Scaled", "x", "t unused", domain="own", alpha=0.5),
            node("Scaled", "t", "y", domain="own", alpha=0.25),
        ],
        imports,
    )
    made = model(
        [node("Twice", "x", "y", domain="own")],
        [port("x", shape=[2, 3])],
        [port("y")],
        functions=[twice, scaled],
    )
    (y,) = run(made, X - 3)
    np.testing.assert_allclose(y, np.where(X < 3, (X - 3) * 0.125, X - 3))


def test_functions_that_call_themselves_end() -> None:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    forever = helper.make_function(
        "own", "Ever", ["x"], ["y"], [node("Ever", "x", "y", domain="own")], imports
    )
    doubling = [
        helper.make_function(
            "own",
            f"F{i}",
            ["x"],
            ["y"],
            [
                node(f"F{i + 1}", "x", "t", domain="own"),
                node(f"F{i + 1}", "t", "y", domain="own"),
            ],
            imports,
        )
        for i in range(30)
    ]
    last = helper.make_function("own", "F30", ["x"], ["y"], [node("Neg", "x", "y")], imports)
    for first, functions in (("Ever", [forever]), ("F0", [*doubling, last])):
        call_it = [node(first, "x", "y", domain="own")]
        with pytest.raises(ValueError, match="more than"):
            load(model(call_it, [port("x")], [port("y")], functions=functions))


def field(number: int, content: bytes) -> bytes:
    """One field of a protocol buffer, as protobuf's own library stops at a hundred levels."""
    size, length = len(content), b""
    while size >= 128:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


@pytest.mark.parametrize("deep", [10, 1000, 20000])
def test_graphs_within_graphs_end(deep: int) -> None:
    output = field(12, port("y").SerializeToString())
    inner = field(1, node("Neg", "x", "y").SerializeToString()) + output
    for _ in range(deep):
        branches = b"".join(
            field(5, field(1, name) + field(6, inner) + b"\xa0\x01\x05")
            for name in ((b"then_branch", b"else_branch") if deep < 20 else (b"then_branch",))
        )
        inner = field(1, field(1, b"go") + field(2, b"y") + field(4, b"If") + branches) + output
    ports = [port("x", shape=[2]), port("go", np.bool_, [])]
    inner += b"".join(field(11, one.SerializeToString()) for one in ports)
    source = field(8, b"\x10\x14") + field(7, inner)
    if deep < 20:
        (y,) = run(source, np.ones(2, np.float32), np.array([True])[0])
        np.testing.assert_array_equal(y, [-1, -1])
    else:
        with pytest.raises(ValueError, match="deep"):
            load(source)


DTYPES = (np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32)
DTYPES += (np.uint64, np.float16, np.float32, np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants_in_fields_and_as_bytes(dtype: type) -> None:
    values = np.array([[0, 1, 2], [3, 4, 127]]).astype(dtype)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    typed = helper.make_tensor("c", kind, [2, 3], values.flatten().tolist())
    assert not typed.HasField("raw_data")
    for tensor in (typed, numpy_helper.from_array(values, "c")):
        made = graph([node("Identity", "c", "y")], [], [port("y", dtype)])
        made.initializer.append(tensor)
        (y,) = run(helper.make_model(made).SerializeToString())
        assert y.dtype == values.dtype
        np.testing.assert_array_equal(y, values)


@pytest.mark.parametrize(
    ("dims", "sentence"),
    [
        ([10**6, 10**6], "has fewer|should have"),
        ([2**40, 2**40], "too large"),
        ([-1, 2], "is negative"),
        ([1] * 33, "more than 32 dimensions"),
        ([1], "should have|more elements"),
    ],
)
def test_constants_of_impossible_sizes(dims: list[int], sentence: str) -> None:
    for raw in (True, False):
        tensor = TensorProto(name="c", data_type=TensorProto.FLOAT, dims=dims)
        if raw:
            tensor.raw_data = b"12345678"
        else:
            tensor.float_data.extend([1.0, 2.0])
        made = graph([node("Identity", "c", "y")], [], [port("y")])
        made.initializer.append(tensor)
        with pytest.raises(ValueError, match=sentence):
            load(helper.make_model(made).SerializeToString())


def external(folder: Path, **entries: str) -> Path:
    """A model whose constant `c` of eight bytes lies where the entries say."""
    tensor = TensorProto(name="c", data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    made = graph([node("Identity", "c", "y")], [], [port("y")])
    made.initializer.append(tensor)
    path = folder / "model.onnx"
    path.write_bytes(helper.make_model(made).SerializeToString())
    return path


def test_external_data_lies_in_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "model"
    (inner / "deep").mkdir(parents=True)
    data = np.array([7, 1.5, 2.5, 9], np.float32).tobytes()
    (inner / "deep" / "weights.bin").write_bytes(data)
    (tmp_path / "outside.bin").write_bytes(data)
    path = external(inner, location="deep/weights.bin", offset="4", length="8")
    np.testing.assert_array_equal(run(os.fspath(path))[0], [1.5, 2.5])
    source = path.read_bytes()
    np.testing.assert_array_equal(run(source, folder=os.fspath(inner))[0], [1.5, 2.5])
    with pytest.raises(ValueError, match="without a folder"):
        load(source)
    (inner / "within").symlink_to("deep/weights.bin")
    path = external(inner, location="within", offset="4", length="8")
    np.testing.assert_array_equal(run(os.fspath(path))[0], [1.5, 2.5])


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"location": "../outside.bin"}, "no path within"),
        ({"location": "a/../../outside.bin"}, "no path within"),
        ({"location": "/etc/passwd"}, "no path within"),
        ({}, "no path within"),
        ({"location": "leads_out"}, "cannot be opened"),
        ({"location": "folder_out/outside.bin"}, "cannot be opened"),
        ({"location": "missing"}, "cannot be opened"),
        ({"location": "."}, "no plain file|cannot be opened"),
        ({"location": "pipe"}, "no plain file|cannot be opened"),
        ({"location": "w", "offset": "12", "length": "8"}, "fewer than the model says"),
        ({"location": "w", "offset": "99999999999999999999"}, "no valid number"),
        ({"location": "w", "offset": "-8"}, "no valid number"),
        ({"location": "w", "length": "18446744073709551615"}, "no valid number"),
        ({"location": "w", "offset": "0", "length": "4"}, "should have 8 bytes"),
    ],
)
def test_external_data_that_is_refused(
    tmp_path: Path, entries: dict[str, str], sentence: str
) -> None:
    inner = tmp_path / "model"
    inner.mkdir()
    (tmp_path / "outside.bin").write_bytes(b"12345678")
    (inner / "w").write_bytes(b"1234567812345678")
    (inner / "leads_out").symlink_to("../outside.bin")
    (inner / "folder_out").symlink_to("..")
    os.mkfifo(inner / "pipe")
    with pytest.raises(ValueError, match=sentence):
        load(os.fspath(external(inner, **entries)))


def test_external_data_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = external(tmp_path, location="w")
    (tmp_path / "w").write_bytes(np.array([1, 2], np.float32).tobytes())
    first = load(os.fspath(path))
    (tmp_path / "new").write_bytes(np.array([3, 4], np.float32).tobytes())
    (tmp_path / "new").replace(tmp_path / "w")
    second = load(os.fspath(path))
    np.testing.assert_array_equal(call(second)[0], [3, 4])
    np.testing.assert_array_equal(call(first)[0], [1, 2])


def test_inputs_that_do_not_fit_are_named() -> None:
    loaded = load(chain())
    with pytest.raises(TypeError, match="takes 1 inputs, and 2 were given"):
        loaded.run(pnp.asarray(X), pnp.asarray(X))
    with pytest.raises(TypeError, match="'x' should be of float32, and is of float64"):
        loaded.run(pnp.asarray(X.astype(np.float64)))
    with pytest.raises(ValueError, match=r"'x' should have the shape \(n, 3\), and has \(3, 2\)"):
        loaded.run(pnp.asarray(np.ascontiguousarray(X.T)))
    np.testing.assert_array_equal(call(loaded, X[::-1, ::-1])[0], -(X[::-1, ::-1] + X[:1]))


def test_what_is_no_model() -> None:
    for source in (b"", b"\x00", b"\xff" * 20, b"hello world", os.urandom(64)):
        with pytest.raises((ValueError, RuntimeError, TypeError)):
            load(source)
    for path in ("/nonexistent.onnx", "/", "/dev/null"):
        with pytest.raises(ValueError, match=f"the model {path} "):
            load(path)


def test_many_threads_load_one_model() -> None:
    source = chain()
    results: list[object] = []

    def work() -> None:
        loaded = load(source)
        results.append(call(loaded, X)[0].tolist())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [results[0]] * 8


def test_operators_are_listed() -> None:
    listed = _tensor._operators()
    assert ("", "Relu") in {(domain, kind) for domain, kind, _, _ in listed}
    assert all(since >= 1 and (until == 0 or until >= since) for _, _, since, until in listed)
