"""Plans: shapes that come and go, memory that is shared, views, control flow, sizes from data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from polyvm import np as pnp
from tests.engine.graphs import call, graph, load, model, node, port, run, steps

if TYPE_CHECKING:
    from random import Random

FREE = ["n", "m"]


def random_array(rand: Random, *shape: int) -> np.ndarray:
    return np.random.default_rng(rand.getrandbits(32)).normal(size=shape).astype(np.float32)


def test_every_shape_has_its_plan(rand: Random) -> None:
    nodes = [
        node("Shape", "x", "s"),
        node("ReduceProd", "s", "count", keepdims=1),
        node("Reshape", "x count", "flat"),
        node("MatMul", "x w", "p"),
        node("Softmax", "p", "y"),
    ]
    w = random_array(rand, 4, 5)
    ports = [port("y"), port("flat")]
    loaded = load(model(nodes, [port("x", shape=["n", 4])], ports, {"w": w}, opset=17))
    for n in [*range(1, 60), *range(1, 60, 7)]:  # more than plans are kept
        x = random_array(rand, n, 4)
        y, flat = call(loaded, x)
        e = np.exp(x @ w - (x @ w).max(1, keepdims=True))
        np.testing.assert_allclose(y, e / e.sum(1, keepdims=True), rtol=1e-5)
        np.testing.assert_array_equal(flat, x.reshape(-1))


def test_shape_arithmetic_is_done_beforehand() -> None:
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "rows"),
        node("Mul", "rows two", "half"),
        node("Concat", "half rest", "target", axis=0),
        node("Reshape", "x target", "t"),
        node("Relu", "t", "y"),
    ]
    constants = {"zero": [0], "two": [2], "rest": [-1]}
    loaded = load(model(nodes, [port("x", shape=FREE)], [port("y")], constants))
    x = np.ones((3, 4), np.float32)
    assert steps(loaded, x) == ["Relu"]
    assert call(loaded, x)[0].shape == (6, 2)


def test_views_cost_no_step_and_results_are_their_own(rand: Random) -> None:
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0]),
        node("Unsqueeze", "t axis", "u"),
        node("Neg", "u", "v"),
        node("Squeeze", "v axis", "w"),
        node("Identity", "x", "same"),
    ]
    outputs = [port(name) for name in ("w", "v", "t", "same", "x")]
    loaded = load(model(nodes, [port("x", shape=FREE)], outputs, {"axis": [0]}))
    x = random_array(rand, 3, 4)
    given = pnp.asarray(x)
    results = loaded.run(given)
    assert steps(loaded, x) == ["Neg"]
    expected = [-x.T, -x.T[None], x.T, x, x]
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(np.array(result), wanted)
    for i, result in enumerate(results):  # nothing is shared, neither among them nor with x
        result[...] = i
    np.testing.assert_array_equal(np.array(given), x)
    for i, result in enumerate(results):
        assert (np.array(result) == i).all()


def test_values_share_memory_only_when_they_may(rand: Random) -> None:
    """Long chains with early values read late, x + x^T beside x: all against NumPy."""
    for _ in range(30):
        values: dict[str, np.ndarray] = {"x": random_array(rand, 4, 4)}
        nodes = []
        for i in range(rand.randrange(2, 25)):
            a, b = rand.choice(list(values)), rand.choice(list(values))
            kind = rand.choice(["Add", "Mul", "Neg", "Relu", "Transpose", "Max", "Reshape", "Tanh"])
            name = f"v{i}"
            if kind in ("Add", "Mul", "Max"):
                nodes.append(node(kind, f"{a} {b}", name))
                op = {"Add": np.add, "Mul": np.multiply, "Max": np.maximum}[kind]
                values[name] = op(values[a], values[b])
            elif kind == "Transpose":
                nodes.append(node(kind, a, name, perm=[1, 0]))
                values[name] = values[a].T
            elif kind == "Reshape":
                nodes.append(node(kind, f"{a} shape", name))
                values[name] = values[a].reshape(4, 4)
            else:
                nodes.append(node(kind, a, name))
                one: Any = {"Neg": np.negative, "Tanh": np.tanh}.get(kind)
                values[name] = np.maximum(values[a], 0) if one is None else one(values[a])
        wanted = [name for name in values if name != "x" and rand.random() < 0.3] or ["v0"]
        outputs = [port(name) for name in wanted]
        source = model(nodes, [port("x", shape=FREE)], outputs, {"shape": [4, 4]})
        loaded = load(source)
        for _ in range(2):
            for name, result in zip(wanted, call(loaded, values["x"]), strict=True):
                np.testing.assert_allclose(result, values[name], rtol=1e-4, atol=1e-6)


def test_sizes_that_depend_on_elements() -> None:
    nodes = [
        node("NonZero", "x", "places"),
        node("Transpose", "places", "rows", perm=[1, 0]),
        node("GatherND", "x rows", "found"),
        node("Shape", "found", "count"),
        node("Expand", "one count", "ones"),
        node("Sub", "found ones", "y"),
        node("Reshape", "x shape", "z"),
    ]
    inputs = [port("x", shape=FREE), port("shape", np.int64, ["k"])]
    loaded = load(model(nodes, inputs, [port("y"), port("z")], {"one": np.float32(1)}))
    for x in (np.eye(3, dtype=np.float32), np.zeros((2, 2), np.float32), np.ones((4, 1), "f4")):
        y, z = call(loaded, x, np.array([1, -1]))
        np.testing.assert_array_equal(y, x[x != 0] - 1)
        assert z.shape == (1, x.size)
    with pytest.raises(ValueError, match="Reshape"):
        call(loaded, np.ones((2, 2), np.float32), np.array([3, -1]))


def test_loops_and_branches_see_values_around_them() -> None:
    body = graph(
        [
            node("Identity", "on", "on_out"),
            node(
                "If",
                "big",
                "next",
                then_branch=graph([node("Add", "state x", "t")], [], [port("t")], name="then"),
                else_branch=graph([node("Sub", "state x", "e")], [], [port("e")], name="else"),
            ),
            node("Identity", "next", "seen"),
        ],
        [port("i", np.int64, []), port("on", np.bool_, []), port("state")],
        [port("on_out", np.bool_, []), port("next"), port("seen")],
        name="body",
    )
    nodes = [
        node("ReduceSum", "x", "total", keepdims=0),
        node("Greater", "total zero", "big"),
        node("Loop", "trips - x", "last all", body=body),
    ]
    inputs = [port("x", shape=["n"]), port("trips", np.int64, [])]
    loaded = load(model(nodes, inputs, [port("last"), port("all")], {"zero": np.float32(0)}))
    for x in (np.array([1, 2], "f4"), np.array([-1, -2, -3], "f4")):
        for trips in (0, 1, 4):
            last, seen = call(loaded, x, np.array(trips))
            sign = 1 if x.sum() > 0 else -1
            states = [x + sign * (i + 1) * x for i in range(trips)]
            np.testing.assert_allclose(last, states[-1] if states else x)
            assert len(seen) == trips
            if trips:
                np.testing.assert_allclose(seen, states)


def test_common_and_dead_parts_are_computed_once_or_never() -> None:
    nodes = [
        node("Exp", "x", "a"),
        node("Exp", "x", "b"),
        node("Log", "x", "dead"),
        node("Add", "a b", "y"),
    ]
    loaded = load(model(nodes, [port("x", shape=FREE)], [port("y")]))
    x = np.zeros((2, 2), np.float32)
    assert steps(loaded, x) == ["Exp", "Add"]
    np.testing.assert_array_equal(call(loaded, x)[0], np.full((2, 2), 2))


def test_models_without_nodes_and_with_constant_results() -> None:
    (y,) = run(model([], [port("x", shape=["n"])], [port("x")]), np.ones(3, np.float32))
    np.testing.assert_array_equal(y, np.ones(3))
    loaded = load(model([node("Neg", "c", "y")], [], [port("y")], {"c": np.float32([1, 2])}))
    first = loaded.run()[0]
    first[...] = 9
    np.testing.assert_array_equal(call(loaded)[0], [-1, -2])


def test_empty_inputs(rand: Random) -> None:
    nodes = [node("MatMul", "x w", "p"), node("Relu", "p", "y")]
    loaded = load(
        model(nodes, [port("x", shape=["n", 3])], [port("y")], {"w": random_array(rand, 3, 2)})
    )
    assert call(loaded, np.zeros((0, 3), np.float32))[0].shape == (0, 2)
    assert call(loaded, np.zeros((2, 3), np.float32))[0].shape == (2, 2)
