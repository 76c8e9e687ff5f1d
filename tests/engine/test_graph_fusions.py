"""What is put together, and that it stays right where it must not be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.engine.graphs import call, load, model, node, port, steps

if TYPE_CHECKING:
    from random import Random


def numbers(rand: Random, *shape: int) -> np.ndarray:
    return np.random.default_rng(rand.getrandbits(32)).normal(size=shape).astype(np.float32)


def erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf)(x.astype(np.float64))


def convolved(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """One by one."""
    return np.einsum("nihw,oi->nohw", x, w[:, :, 0, 0], dtype=np.float64)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("channels", [3, 16, 24])
def test_batch_norm_residual_and_activation(rand: Random, bias: bool, channels: int) -> None:
    w, b = numbers(rand, channels, channels, 1, 1), numbers(rand, channels)
    scale, shift, mean = (numbers(rand, channels) for _ in range(3))
    variance = numbers(rand, channels) ** 2 + 0.5
    nodes = [
        node("Conv", "x w b" if bias else "x w", "c"),
        node("BatchNormalization", "c scale shift mean variance", "n", epsilon=1e-3),
        node("Add", "n x", "s"),
        node("Relu", "s", "r"),
        node("Sigmoid", "r", "y"),
    ]
    constants = {"w": w, "scale": scale, "shift": shift, "mean": mean, "variance": variance}
    if bias:
        constants["b"] = b
    ports = [port("x", shape=["n", channels, "h", "w"])]
    loaded = load(model(nodes, ports, [port("y")], constants))
    x = numbers(rand, 2, channels, 5, 3)
    c = convolved(x, w) + (b[:, None, None] if bias else 0)
    over = [v[:, None, None].astype(np.float64) for v in (scale, shift, mean, variance)]
    n = (c - over[2]) / np.sqrt(over[3] + 1e-3) * over[0] + over[1]
    wanted = 1 / (1 + np.exp(-np.maximum(n + x, 0)))
    np.testing.assert_allclose(call(loaded, x)[0], wanted, rtol=2e-5, atol=2e-6)
    assert any(step.startswith("Conv+Add+Relu") for step in steps(loaded, x))


def test_what_others_read_is_not_taken_over(rand: Random) -> None:
    w = numbers(rand, 4, 4, 1, 1)
    nodes = [
        node("Conv", "x w", "c"),
        node("Relu", "c", "r"),
        node("Add", "c r", "y"),
    ]
    loaded = load(model(nodes, [port("x", shape=[1, 4, 3, 3])], [port("y"), port("r")], {"w": w}))
    x = numbers(rand, 1, 4, 3, 3)
    c = convolved(x, w)
    y, r = call(loaded, x)
    np.testing.assert_allclose(r, np.maximum(c, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y, c + np.maximum(c, 0), rtol=1e-5, atol=1e-6)


def test_images_in_blocks_through_pooling_and_joining(rand: Random) -> None:
    """Whatever layouts are chosen, the numbers are the same."""
    w = [numbers(rand, 32, 32, 3, 3), numbers(rand, 48, 32, 1, 1), numbers(rand, 20, 80, 3, 3)]
    nodes = [
        node("Conv", "x w0", "a", pads=[1] * 4),
        node("MaxPool", "a", "p", kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4),
        node("Conv", "p w1", "b"),
        node("Concat", "a b", "j", axis=1),
        node("Tanh", "j", "t"),
        node("Conv", "t w2", "c", pads=[1] * 4),
        node("HardSwish", "c", "h"),
        node("GlobalAveragePool", "h", "g"),
        node("Mul", "h g", "y"),
    ]
    constants = {f"w{i}": one / 8 for i, one in enumerate(w)}
    source = model(nodes, [port("x", shape=["n", 32, "h", "w"])], [port("y"), port("p")], constants)
    x = numbers(rand, 2, 32, 9, 7)
    import onnx
    from onnx.reference import ReferenceEvaluator

    wanted = ReferenceEvaluator(onnx.load_from_string(source)).run(None, {"x": x})
    for options in ({"budget": -1.0}, {"budget": 0.5}, {"backends": "portable"}):
        for got, one in zip(call(load(source, **options), x), wanted, strict=True):
            np.testing.assert_allclose(got, one, rtol=2e-4, atol=2e-5)


def layer_norm(form: str) -> list[Any]:
    centre = [node("ReduceMean", "x axis", "m"), node("Sub", "x m", "d")]
    square = [node("Mul", "d d", "q") if form == "product" else node("Pow", "d two", "q")]
    if form == "twice":
        centre.append(node("Sub", "x m", "d2"))
        square = [node("Pow", "d2 two", "q")]
    end = [
        node("ReduceMean", "q axis", "v"),
        node("Add", "v eps", "ve"),
        node("Sqrt", "ve", "s"),
        node("Div", "d s", "n"),
        node("Mul", "n scale", "sc"),
        node("Add", "sc shift", "y"),
    ]
    return [*centre, *square, *end]


@pytest.mark.parametrize("form", ["power", "product", "twice"])
def test_layer_norm(rand: Random, form: str) -> None:
    scale, shift = numbers(rand, 8), numbers(rand, 8)
    constants = {
        "axis": [-1],
        "two": np.float32(2),
        "eps": np.float32(1e-5),
        "scale": scale,
        "shift": shift,
    }
    loaded = load(model(layer_norm(form), [port("x", shape=["n", 8])], [port("y")], constants))
    x = numbers(rand, 3, 8)
    assert steps(loaded, x) == ["LayerNormalization"]
    wide = x.astype(np.float64)
    centred = wide - wide.mean(1, keepdims=True)
    wanted = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * scale + shift
    np.testing.assert_allclose(call(loaded, x)[0], wanted, rtol=1e-5, atol=1e-6)
    # another axis is another thing
    other = load(
        model(layer_norm(form), [port("x", shape=[8, 8])], [port("y")], {**constants, "axis": [0]})
    )
    square = numbers(rand, 8, 8)
    assert "LayerNormalization" not in steps(other, square)


GELU_FORMS = {
    "half last": ["Div x root a", "Erf a b", "Add b one c", "Mul x c d", "Mul d half y"],
    "half first": ["Mul x half h", "Div x root a", "Erf a b", "Add one b c", "Mul h c y"],
    "factor": ["Mul inverse x a", "Erf a b", "Add b one c", "Mul c half d", "Mul d x y"],
}


@pytest.mark.parametrize("form", GELU_FORMS)
def test_gelu(rand: Random, form: str) -> None:
    nodes = []
    for line in GELU_FORMS[form]:
        kind, *names = line.split()
        nodes.append(node(kind, " ".join(names[:-1]), names[-1]))
    root = math.sqrt(2)
    constants = {"root": root, "inverse": 1 / root, "half": 0.5, "one": 1.0}
    loaded = load(
        model(
            nodes,
            [port("x", shape=["n", "m"])],
            [port("y")],
            {name: np.float32(value) for name, value in constants.items()},
        )
    )
    x = numbers(rand, 5, 7)
    assert steps(loaded, x) == ["Gelu"]
    np.testing.assert_allclose(
        call(loaded, x)[0], x / 2 * (1 + erf(x / root)), rtol=1e-5, atol=1e-6
    )


def test_gelu_by_tanh(rand: Random) -> None:
    nodes = [
        node("Pow", "x three", "c"),
        node("Mul", "c k", "kc"),
        node("Add", "x kc", "i"),
        node("Mul", "i root", "ri"),
        node("Tanh", "ri", "t"),
        node("Add", "t one", "t1"),
        node("Mul", "x t1", "xt"),
        node("Mul", "xt half", "y"),
    ]
    k = {"three": 3, "k": 0.044715, "root": math.sqrt(2 / math.pi), "one": 1, "half": 0.5}
    constants = {name: np.float32(value) for name, value in k.items()}
    loaded = load(model(nodes, [port("x", shape=["n"])], [port("y")], constants))
    x = numbers(rand, 50)
    assert steps(loaded, x) == ["Gelu"]
    wanted = x / 2 * (1 + np.tanh(k["root"] * (x + 0.044715 * x.astype(np.float64) ** 3)))
    np.testing.assert_allclose(call(loaded, x)[0], wanted, rtol=1e-5, atol=1e-6)


def test_swish_and_hard_swish(rand: Random) -> None:
    nodes = [
        node("Sigmoid", "x", "s"),
        node("Mul", "x s", "a"),
        node("Add", "x three", "t"),
        node("Clip", "t zero six", "c"),
        node("Mul", "x c", "m"),
        node("Div", "m six", "b"),
        node("HardSigmoid", "x", "h", alpha=1 / 6, beta=0.5),
        node("Mul", "h x", "d"),
        node("HardSigmoid", "x", "g", alpha=0.2, beta=0.5),
        node("Mul", "g x", "e"),
    ]
    constants = {"three": np.float32(3), "zero": np.float32(0), "six": np.float32(6)}
    outputs = [port(name) for name in "abde"]
    loaded = load(model(nodes, [port("x", shape=["n"])], outputs, constants))
    x = numbers(rand, 64) * 4
    a, b, d, e = call(loaded, x)
    np.testing.assert_allclose(a, x / (1 + np.exp(-x.astype(np.float64))), rtol=1e-5, atol=1e-6)
    for one in (b, d):
        np.testing.assert_allclose(one, x * np.clip(x + 3, 0, 6) / 6, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(e, x * np.clip(0.2 * x + 0.5, 0, 1), rtol=1e-5, atol=1e-6)
    done = steps(loaded, x)
    assert done.count("Swish") == 1
    assert done.count("HardSwish") == 2
    assert done.count("HardSigmoid") == 1


def test_products_take_factor_bias_residual_and_activation(rand: Random) -> None:
    w, b = numbers(rand, 6, 5), numbers(rand, 5)
    nodes = [
        node("MatMul", "x w", "p"),
        node("Div", "p four", "q"),
        node("Add", "q b", "r"),
        node("Add", "z r", "s"),
        node("Gelu", "s", "y"),
    ]
    ports = [port("x", shape=["n", "m", 6]), port("z", shape=["n", "m", 5])]
    loaded = load(model(nodes, ports, [port("y")], {"w": w, "b": b, "four": np.float32(4)}))
    x, z = numbers(rand, 2, 3, 6), numbers(rand, 2, 3, 5)
    s = x.astype(np.float64) @ w / 4 + b + z
    np.testing.assert_allclose(
        call(loaded, x, z)[0], s / 2 * (1 + erf(s / 2**0.5)), rtol=1e-5, atol=1e-5
    )
    assert steps(loaded, x, z) == ["MatMul+Div+Add+Add+Gelu"]


@pytest.mark.parametrize("scaled", ["Div", "Mul", None])
@pytest.mark.parametrize("masked", [False, True])
def test_attention(rand: Random, scaled: str | None, masked: bool) -> None:
    nodes = [node("Transpose", "k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q kt", "s0")]
    if scaled:
        nodes.append(node(scaled, "s0 factor", "s1"))
    last = "s1" if scaled else "s0"
    if masked:
        nodes.append(node("Add", f"mask {last}", "s2"))
        last = "s2"
    nodes += [node("Softmax", last, "p", axis=-1), node("MatMul", "p v", "y")]
    names = ["q", "k", "v", *(["mask"] if masked else [])]
    ports = [port(name, shape=["b", "h", "n" if name == "q" else "m", "d"]) for name in names[:3]]
    ports += [port("mask", shape=["b", 1, 1, "m"])] if masked else []
    factor = np.float32(3 if scaled == "Div" else 0.4)
    loaded = load(model(nodes, ports, [port("y")], {"factor": factor}))
    q, k, v = numbers(rand, 2, 3, 5, 8), numbers(rand, 2, 3, 7, 8), numbers(rand, 2, 3, 7, 8)
    mask = np.where(np.arange(7) < [[[[4]]], [[[7]]]], 0, -10000).astype(np.float32)
    inputs = [q, k, v, *([mask] if masked else [])]
    scores = np.einsum("bhnd,bhmd->bhnm", q, k, dtype=np.float64)
    scores = scores / factor if scaled == "Div" else scores * factor if scaled else scores
    scores = scores + mask if masked else scores
    e = np.exp(scores - scores.max(-1, keepdims=True))
    wanted = e / e.sum(-1, keepdims=True) @ v
    np.testing.assert_allclose(call(loaded, *inputs)[0], wanted, rtol=1e-5, atol=1e-5)
    assert steps(loaded, *inputs) == ["Attention"]


def test_attention_as_exporters_write_it(rand: Random) -> None:
    """q and k are scaled; rows that see nothing become zeros by a test for NaN."""
    nodes = [
        node("Mul", "q factor", "qs"),
        node("Transpose", "k", "kt", perm=[0, 1, 3, 2]),
        node("Mul", "factor kt", "ks"),
        node("MatMul", "qs ks", "s0"),
        node("Add", "s0 mask", "s1"),
        node("Softmax", "s1", "p", axis=-1),
        node("IsNaN", "p", "none"),
        node("Where", "none zero p", "seen"),
        node("MatMul", "seen v", "y"),
    ]
    constants = {"factor": np.float32(0.5), "zero": np.float32(0)}
    ports = [port(name, shape=["b", "h", "m", "d"]) for name in "qkv"]
    ports.append(port("mask", shape=["b", 1, "m", "m"]))
    q, k, v = (numbers(rand, 2, 3, 6, 8) for _ in range(3))
    mask = np.zeros((2, 1, 6, 6), np.float32)
    mask[..., 4:] = -np.inf
    mask[1, 0, 2] = -np.inf
    scores = 0.25 * np.einsum("bhnd,bhmd->bhnm", q, k, dtype=np.float64) + mask
    with np.errstate(invalid="ignore"):
        e = np.exp(scores - scores.max(-1, keepdims=True))
        wanted = np.nan_to_num(e / e.sum(-1, keepdims=True)) @ v
    loaded = load(model(nodes, ports, [port("y")], constants))
    np.testing.assert_allclose(call(loaded, q, k, v, mask)[0], wanted, rtol=1e-5, atol=1e-5)
    assert steps(loaded, q, k, v, mask) == ["Attention"]
    # who reads the weights otherwise still gets them
    other = load(model(nodes, ports, [port("y"), port("p")], constants))
    np.testing.assert_allclose(call(other, q, k, v, mask)[0], wanted, rtol=1e-5, atol=1e-5)
    assert "Attention" not in steps(other, q, k, v, mask)
    constants["zero"] = np.float32(1)
    other = load(model(nodes, ports, [port("y")], constants))
    assert "Attention" not in steps(other, q, k, v, mask)


def test_weights_that_are_computed_are_weights(rand: Random) -> None:
    nodes = [
        node("ConstantOfShape", "shape", "w"),
        node("Conv", "x w", "c"),
        node("Relu", "c", "y"),
    ]
    loaded = load(
        model(nodes, [port("x", shape=[1, 4, 5, 5])], [port("y")], {"shape": [8, 4, 1, 1]})
    )
    x = numbers(rand, 1, 4, 5, 5)
    assert steps(loaded, x) == ["Conv+Relu"]
    assert not call(loaded, x)[0].any()


def test_constants_that_cannot_be_computed_fail_in_a_run() -> None:
    nodes = [node("Reshape", "c shape", "r"), node("Add", "x r", "y")]
    constants = {"c": np.ones(6, np.float32), "shape": [4, -1]}
    with pytest.raises(ValueError, match="Reshape"):
        call(load(model(nodes, [port("x", shape=["n"])], [port("y")], constants)), np.ones(4, "f4"))


@pytest.mark.parametrize("shape", [(8, 1, 1), (1, 8, 1, 1), (1, 1, 1, 4), (8, 1, 4)])
def test_factors_of_channels(rand: Random, shape: tuple[int, ...]) -> None:
    w, factor, shift = numbers(rand, 8, 4, 1, 1), numbers(rand, *shape), numbers(rand, 8, 1, 1)
    nodes = [
        node("Conv", "x w", "c"),
        node("Mul", "factor c", "m"),
        node("Add", "m shift", "s"),
        node("Relu", "s", "y"),
    ]
    constants = {"w": w, "factor": factor, "shift": shift}
    loaded = load(model(nodes, [port("x", shape=["n", 4, "h", 4])], [port("y")], constants))
    x = numbers(rand, 2, 4, 3, 4)
    wanted = np.maximum(convolved(x, w) * factor + shift, 0)
    np.testing.assert_allclose(call(loaded, x)[0], wanted, rtol=1e-5, atol=1e-5)
    assert (steps(loaded, x) == ["Conv+Add+Relu"]) == (shape[-1] == 1)
