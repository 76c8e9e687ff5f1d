"""If, Loop and Scan: graphs within models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import agree, helper, onnx_type, run_graph, tensor

if TYPE_CHECKING:
    from tests.conftest import Seeded

FLOAT, INT, BOOL = onnx_type(np.float32), onnx_type(np.int64), onnx_type(np.bool_)


def port(name: str, kind: int = FLOAT, shape: Any = None) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    return helper.make_node(op, inputs, outputs, **attributes)


def constant(name: str, value: Any) -> Any:
    return node("Constant", [], [name], value=tensor(np.asarray(value)))


def test_branches_read_values_around_them() -> None:
    inner = helper.make_graph(
        [node("Mul", ["x", "scale"], ["inner"])], "inner", [], [port("inner")]
    )
    other = helper.make_graph([node("Neg", ["x"], ["outer"])], "other", [], [port("outer")])
    nested = helper.make_graph(
        [node("If", ["deep"], ["n"], then_branch=inner, else_branch=other)], "n", [], [port("n")]
    )
    flat = helper.make_graph(
        [node("Reshape", ["x", "minus"], ["f"]), constant("unused", 1.0)], "f", [], [port("f")]
    )
    nodes = [
        constant("minus", [-1]),
        node("Add", ["x", "x"], ["scale"]),
        node("If", ["which"], ["y"], then_branch=nested, else_branch=flat),
        node("Abs", ["y"], ["z"]),
    ]
    inputs = [port("x", shape=["a", "b"]), port("which", BOOL, []), port("deep", BOOL, [])]
    graph = helper.make_graph(nodes, "g", inputs, [port("z")])
    x = np.array([[1, -2], [3, 4]], np.float32)
    for which in (True, False):
        for deep in (True, False):
            wanted = (x * (x + x) if deep else -x) if which else x.reshape(-1)
            (got,) = run_graph(graph, x, np.array(which), np.array(deep))
            agree(got, np.abs(wanted))


def loop_graph(with_count: bool, with_condition: bool) -> Any:
    """x doubles and a total grows while it is below a limit; both pile up."""
    body = helper.make_graph(
        [
            node("Add", ["state", "state"], ["next"]),
            node("Concat", ["seen", "part"], ["more"], axis=0),
            node("Cast", ["i"], ["number"], to=FLOAT),
            node("Add", ["next", "number"], ["given"]),
            node("ReduceMax", ["next"], ["most"], keepdims=0),
            node("Less", ["most", "limit"], ["on"]),
            node("Identity", ["i"], ["count"]),
        ],
        "body",
        [port("i", INT, []), port("c", BOOL, []), port("state", shape=["n"]), port("seen")],
        [port("on", BOOL, []), port("next"), port("more"), port("given"), port("count", INT)],
    )
    names = ["times" if with_count else "", "start" if with_condition else "", "x", "first"]
    nodes = [
        node("Slice", ["x", "zero", "two"], ["part"]),
        node("Loop", names, ["a", "b", "c", "d"], body=body),
    ]
    weights = [("zero", [0]), ("two", [2])]
    inputs = [port("x", shape=["n"]), port("first", shape=["k"]), port("limit", shape=[])]
    if with_count:
        inputs.append(port("times", INT, []))
    if with_condition:
        inputs.append(port("start", BOOL, []))
    outputs = [port("a"), port("b"), port("c"), port("d", INT)]
    made = [constant(name, np.array(value, np.int64)) for name, value in weights]
    return helper.make_graph([*made, *nodes], "g", inputs, outputs)


@pytest.mark.parametrize("times", [0, 1, 5])
@pytest.mark.parametrize("start", [True, False, None])
def test_loops(times: int, start: bool | None) -> None:
    graph = loop_graph(with_count=True, with_condition=start is not None)
    x, first = np.array([1, 2, 3], np.float32), np.zeros(0, np.float32)
    state, seen, given = x, first, []
    rounds = times if start is not False else 0
    for i in range(rounds):
        state, seen = state + state, np.concatenate([seen, x[:2]])
        given.append(state + np.float32(i))
        if start is not None and not state.max() < 10:
            break
    extra = [np.array(start)] if start is not None else []
    got = run_graph(graph, x, first, np.float32(10), np.array(times), *extra)
    agree(got[0], state)
    agree(got[1], seen)
    if given:
        agree(got[2], np.stack(given))
    else:
        assert got[2].shape[0] == 0
    agree(got[3], np.arange(len(given)))


def test_a_loop_ends_by_its_condition_alone() -> None:
    graph = loop_graph(with_count=False, with_condition=True)
    x = np.array([1, 2, 3], np.float32)
    got = run_graph(graph, x, x, np.float32(1000), np.array(True))
    agree(got[0], x * 2**9)
    assert got[2].shape == (9, 3)


def test_what_piles_up_has_one_shape() -> None:
    body = helper.make_graph(
        [node("Concat", ["s", "s"], ["t"], axis=0), node("Identity", ["c"], ["d"])],
        "body",
        [port("i", INT, []), port("c", BOOL, []), port("s")],
        [port("d", BOOL), port("t"), port("t")],
    )
    nodes = [node("Loop", ["m", "", "x"], ["a", "b"], body=body)]
    inputs = [port("m", INT, []), port("x", shape=["n"])]
    graph = helper.make_graph(nodes, "g", inputs, [port("a"), port("b")])
    x = np.ones(2, np.float32)
    agree(run_graph(graph, np.array(1), x)[1], np.ones((1, 4), np.float32))
    with pytest.raises(ValueError, match="shape"):
        run_graph(graph, np.array(2), x)


def scan_body() -> Any:
    return helper.make_graph(
        [
            node("Add", ["s", "x"], ["t"]),
            node("Mul", ["t", "z"], ["y"]),
            node("Identity", ["t"], ["o"]),
        ],
        "body",
        [port("s", shape=[2]), port("x", shape=[2]), port("z", shape=[2])],
        [port("t", shape=[2]), port("y", shape=[2]), port("o", shape=[2])],
    )


def test_scans(rand: Seeded) -> None:
    start = np.array([1, 2], np.float32)
    for _ in range(6):
        back_x, back_z = rand.randint(0, 1), rand.randint(0, 1)
        back_y, axis_y, axis_z = rand.randint(0, 1), rand.randint(-2, 1), rand.randint(0, 1)
        length = rand.choice((1, 2, 5))
        x = np.arange(2 * length).reshape(length, 2).astype(np.float32)
        z = x[::-1] + 1
        scanned = node("Scan", ["s", "x", "z"], ["t", "y", "o"], body=scan_body(),
                       num_scan_inputs=2, scan_input_axes=[0, axis_z],
                       scan_input_directions=[back_x, back_z], scan_output_axes=[axis_y, 0],
                       scan_output_directions=[back_y, 0])  # fmt: skip
        inputs = [port("s", shape=["k"]), port("x", shape=["n", 2]), port("z", shape=["a", "b"])]
        graph = helper.make_graph([scanned], "g", inputs, [port("t"), port("y"), port("o")])
        state, products, states = start, [], []
        for i in range(length):
            state = state + x[length - 1 - i if back_x else i]
            products.append(state * z[length - 1 - i if back_z else i])
            states.append(state)
        given = z if axis_z == 0 else np.array(z.T, order="C")
        got = run_graph(graph, start, x, given)
        agree(got[0], state)
        agree(got[1], np.stack(products[::-1] if back_y else products, axis_y % 2))
        agree(got[2], np.stack(states))


def test_scans_of_sequences_in_version_8() -> None:
    scanned = node("Scan", ["lengths", "s", "x", "z"], ["t", "y", "o"], body=scan_body(),
                   num_scan_inputs=2, directions=[0, 1])  # fmt: skip
    inputs = [port("lengths", INT, [2]), port("s", shape=[2, 2]), port("x", shape=[2, 3, 2])]
    inputs.append(port("z", shape=[2, 3, 2]))
    graph = helper.make_graph([scanned], "g", inputs, [port("t"), port("y"), port("o")])
    s = np.array([[1, 2], [3, 4]], np.float32)
    x = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    z = x + 1
    got = run_graph(graph, np.array([2, 3]), s, x, z, opset=8)
    final, products = np.zeros((2, 2), np.float32), np.zeros((2, 3, 2), np.float32)
    for b, length in enumerate((2, 3)):
        state = s[b]
        for i in range(length):
            state = state + x[b, i]
            products[b, i] = state * z[b, length - 1 - i]
        final[b] = state
    agree(got[0], final)
    agree(got[1], products)


def test_graphs_that_do_not_fit() -> None:
    nodes = [node("Scan", ["s", "x"], ["t", "y", "o"], body=scan_body(), num_scan_inputs=1)]
    graph = helper.make_graph(nodes, "g", [port("s"), port("x")], [port("t"), port("y"), port("o")])
    with pytest.raises(ValueError, match="graph takes 3"):
        run_graph(graph, np.zeros(2, np.float32), np.zeros((1, 2), np.float32))
