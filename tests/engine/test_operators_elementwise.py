"""Elementwise operators of models against NumPy: types, shapes, layouts, edges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, bfloat16, one, onnx_type, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Seeded

INTS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
FLOATS = (np.float16, bfloat16, np.float32, np.float64)
SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (7,), (0, 3), (3, 5), (2, 3, 4), (2, 1, 3, 2))


def numbers(rand: Seeded, shape: tuple[int, ...], dtype: Any, low: float = -4) -> np.ndarray:
    """Halves from low to 4, which all float types hold exactly; whole for integers."""
    count = math.prod(shape)
    if np.dtype(dtype) == np.bool_:
        return np.array([rand.random() < 0.5 for _ in range(count)], bool).reshape(shape)
    least = max(low, 0) if np.dtype(dtype).kind == "u" else low
    drawn = [rand.randint(int(2 * least), 8) / 2 for _ in range(count)]
    return np.array(drawn, np.float64).astype(dtype).reshape(shape)


def wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64)


UNARY: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "Abs": (np.abs, -4),
    "Acos": (lambda x: np.arccos(x / 8), -4),
    "Atan": (np.arctan, -4),
    "Ceil": (np.ceil, -4),
    "Cos": (np.cos, -4),
    "Erf": (np.vectorize(math.erf, otypes=[float]), -4),
    "Exp": (np.exp, -4),
    "Floor": (np.floor, -4),
    "Log": (np.log, 1),
    "Neg": (np.negative, -4),
    "Reciprocal": (np.reciprocal, 1),
    "Round": (np.rint, -4),
    "Sigmoid": (lambda x: 1 / (1 + np.exp(-x)), -4),
    "Sign": (np.sign, -4),
    "Sin": (np.sin, -4),
    "Sinh": (np.sinh, -4),
    "Sqrt": (np.sqrt, 0),
    "Tan": (np.tan, -1),
    "Tanh": (np.tanh, -4),
    "Celu": (lambda x: np.maximum(x, 0) + np.minimum(0, np.expm1(x)), -4),
    "Elu": (lambda x: np.where(x < 0, np.expm1(x), x), -4),
    "Gelu": (lambda x: x / 2 * (1 + np.vectorize(math.erf, otypes=[float])(x / 2**0.5)), -4),
    "HardSigmoid": (lambda x: np.clip(np.float32(0.2) * x + 0.5, 0, 1), -4),
    "HardSwish": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), -4),
    "LeakyRelu": (lambda x: np.where(x < 0, np.float32(0.01) * x, x), -4),
    "Mish": (lambda x: x * np.tanh(np.log1p(np.exp(x))), -4),
    "Relu": (lambda x: np.maximum(x, 0), -4),
    "Selu": (
        lambda x: 1.05070102214813232 * np.where(x > 0, x, 1.67326319217681885 * np.expm1(x)),
        -4,
    ),
    "Shrink": (lambda x: np.where(np.abs(x) > 0.5, x, 0), -4),
    "Softplus": (lambda x: np.log1p(np.exp(x)), -4),
    "Softsign": (lambda x: x / (1 + np.abs(x)), -4),
    "ThresholdedRelu": (lambda x: np.where(x > 1, x, 0), -4),
}


@pytest.mark.parametrize("op", sorted(UNARY))
def test_functions_of_each_element(op: str, rand: Seeded) -> None:
    function, low = UNARY[op]
    for dtype in FLOATS:
        for shape in SHAPES:
            x = numbers(rand, shape, dtype, low)
            if op == "Acos":
                got = one(op, (wide(x) / 8).astype(dtype), ways=Ways(rand.getrandbits(32), False))
            else:
                got = one(op, x, ways=Ways(rand.getrandbits(32), False))
            agree(got, function(wide(x)).astype(dtype), 4e-2 if dtype is bfloat16 else None)


def test_long_activations_in_pieces(rand: Seeded) -> None:
    x = np.linspace(-30, 30, 40001, dtype=np.float32)
    for op in ("Elu", "Gelu", "Mish", "Softplus", "Celu", "HardSwish"):
        for part in (x, x[::-3], np.repeat(x[:501, None], 3, axis=1)[:, 1:]):
            agree(one(op, part), UNARY[op][0](wide(part)).astype(np.float32), 1e-5)
    assert rand.start >= 0


def test_activations_beyond_the_ordinary() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0], np.float32)
    agree(one("Relu", x), np.array([np.nan, np.inf, 0, 1e30, 0, 0], np.float32))
    agree(one("Softplus", x), np.array([np.nan, np.inf, 0, 1e30, 0, math.log(2)], np.float32))
    agree(one("Elu", x), np.array([np.nan, np.inf, -1, 1e30, -1, 0], np.float32))
    assert np.isnan(one("Mish", x)[0])
    agree(one("Mish", x)[3:4], x[3:4])
    agree(one("Gelu", x[3:], approximate="tanh"), np.array([1e30, 0, 0], np.float32))


BINARY: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "Add": (np.add, "number"),
    "Sub": (np.subtract, "number"),
    "Mul": (np.multiply, "number"),
    "Max": (np.maximum, "number"),
    "Min": (np.minimum, "number"),
    "Equal": (np.equal, "predicate"),
    "Less": (np.less, "predicate"),
    "LessOrEqual": (np.less_equal, "predicate"),
    "Greater": (np.greater, "predicate"),
    "GreaterOrEqual": (np.greater_equal, "predicate"),
    "And": (np.logical_and, "bool"),
    "Or": (np.logical_or, "bool"),
    "Xor": (np.logical_xor, "bool"),
    "BitwiseAnd": (np.bitwise_and, "bits"),
    "BitwiseOr": (np.bitwise_or, "bits"),
    "BitwiseXor": (np.bitwise_xor, "bits"),
}
PAIRS = (
    ((), ()),
    ((3,), ()),
    ((2, 3), (3,)),
    ((4, 1), (1, 5)),
    ((0, 3), (1, 3)),
    ((2, 3, 4), (3, 1)),
    ((2, 3), (2, 3)),
)


@pytest.mark.parametrize("op", sorted(BINARY))
def test_two_operands_broadcast(op: str, rand: Seeded) -> None:
    function, kind = BINARY[op]
    types = {"bool": (np.bool_,), "bits": INTS}.get(kind, (*INTS, *FLOATS))
    for dtype in types:
        for shapes in PAIRS:
            a, b = (numbers(rand, shape, dtype) for shape in shapes)
            wanted = function(a, b)
            agree(one(op, a, b, ways=Ways(rand.getrandbits(32), False)), wanted)


def test_quotients_are_cut_towards_zero(rand: Seeded) -> None:
    for dtype in INTS:
        a = numbers(rand, (3, 50), dtype)
        b = numbers(rand, (50,), dtype)
        b[b == 0] = 3
        wanted = np.trunc(wide(a) / wide(b)).astype(dtype)
        agree(one("Div", a, b, ways=Ways(rand.getrandbits(32), False)), wanted)
    least = np.array([np.iinfo(np.int64).min, 5, -5], np.int64)
    agree(one("Div", least, np.array([-1, 0, 2], np.int64)), np.array([least[0], 0, -2]))


def test_remainders(rand: Seeded) -> None:
    for dtype in INTS:
        a, b = numbers(rand, (40,), dtype), numbers(rand, (40,), dtype)
        b[b == 0] = 2
        agree(one("Mod", a, b), np.mod(a, b))
        agree(one("Mod", a, b, fmod=1), np.fmod(a, b))
    x, y = numbers(rand, (40,), np.float32), numbers(rand, (40,), np.float32, 1)
    agree(one("Mod", x, y, fmod=1), np.fmod(x, y))


def test_powers_of_mixed_types(rand: Seeded) -> None:
    for base in (np.int32, np.int64, np.float16, np.float32, np.float64):
        for exponent in (np.int32, np.int64, np.float32, np.float64):
            x = np.abs(numbers(rand, (3, 4), base, 1)) + np.array(1, base)
            for y in (numbers(rand, (4,), exponent, 0), np.array(2, exponent)):
                wanted = np.power(wide(x), wide(y)).astype(base)
                agree(one("Pow", x, y, ways=Ways(rand.getrandbits(32), False)), wanted, 4e-3)
    got = one("Pow", np.array([2, 1, -1, 4], np.int32), np.array([-1, -5, -3, 0], np.int64))
    agree(got, np.array([0, 1, -1, 1], np.int32))
    halves = np.array([4.0, 9.0], np.float32)
    for power in (0.5, -1.0, 1.0, 2.0, 3.0):
        agree(one("Pow", halves, np.float32(power)), halves ** np.float32(power))


def test_any_number_of_operands(rand: Seeded) -> None:
    for count in (1, 2, 5):
        parts = [numbers(rand, shape, np.float32) for shape in ((3, 1), (4,), (1,), (), (3, 4))]
        parts = parts[:count]
        ways = Ways(rand.getrandbits(32), False)
        wanted = parts[0]
        for part in parts[1:]:
            wanted = wanted + part
        agree(one("Sum", *parts, ways=ways), wanted)
        agree(one("Mean", *parts, ways=ways), (wanted / np.float32(count)).astype(np.float32))
        agree(one("Max", *parts, ways=ways), np.max(np.broadcast_arrays(*parts), axis=0))


def test_bits_are_shifted() -> None:
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
        x, y = np.array([1, 200, 16], dtype), np.array([1, 2, 3], dtype)
        agree(one("BitShift", x, y, direction="LEFT"), x << y)
        agree(one("BitShift", x, y, direction="RIGHT"), x >> y)
    with pytest.raises(ValueError, match="direction"):
        one("BitShift", np.array([1], np.uint8), np.array([1], np.uint8), direction="UP")


def test_limits(rand: Seeded) -> None:
    for dtype in (*INTS, *FLOATS):
        x = numbers(rand, (3, 5), dtype)
        low, high = np.array(1, dtype), np.array(3, dtype)
        ways = Ways(rand.getrandbits(32), False)
        agree(one("Clip", x, low, high, ways=ways), np.minimum(np.maximum(x, low), high))
        agree(one("Clip", x, None, high, ways=ways), np.minimum(x, high))
        agree(one("Clip", x, low, ways=ways), np.maximum(x, low))
        agree(one("Clip", x, high, low, ways=ways), np.full_like(x, low))
        agree(one("Clip", x, ways=ways), x)
    x = numbers(rand, (7,), np.float32)
    agree(one("Clip", x, opset=6, min=-1.0, max=2.0), np.clip(x, -1, 2).astype(np.float32))
    with pytest.raises(ValueError, match="one element"):
        one("Clip", x, np.zeros(2, np.float32))


def test_choices(rand: Seeded) -> None:
    for dtype in (np.bool_, *INTS, *FLOATS, np.complex64, np.complex128):
        condition = numbers(rand, (3, 1), np.bool_)
        a, b = numbers(rand, (3, 4), dtype), numbers(rand, (1,), dtype)
        got = one("Where", condition, a, b, ways=Ways(rand.getrandbits(32), False))
        agree(got, np.where(condition, a, b))


def test_slopes(rand: Seeded) -> None:
    for dtype in (np.int32, np.int64, np.uint32, *FLOATS):
        x = numbers(rand, (2, 3, 4), dtype)
        for shape in ((), (4,), (3, 1), (2, 3, 4)):
            slope = numbers(rand, shape, dtype)
            wanted = np.where(x < np.array(0, dtype), slope * x, x).astype(dtype)
            agree(one("PRelu", x, slope, ways=Ways(rand.getrandbits(32), False)), wanted)
    x, slope = numbers(rand, (2, 3, 4), np.float32), numbers(rand, (3,), np.float32)
    agree(one("PRelu", x, slope, opset=6), np.where(x < 0, slope[:, None] * x, x))


def test_operands_at_an_axis_before_version_7(rand: Seeded) -> None:
    a, b = numbers(rand, (2, 3, 4, 5), np.float32), numbers(rand, (3, 4), np.float32)
    agree(one("Add", a, b, opset=6, axis=1, broadcast=1), a + b[:, :, None])
    agree(one("Sub", a, b[:, 0], opset=6, axis=1, broadcast=1), a - b[:, 0][:, None, None])
    with pytest.raises(ValueError, match="dimensions"):
        one("Mul", a, b, opset=6, axis=3, broadcast=1)


def test_casts(rand: Seeded) -> None:
    types = (np.bool_, *INTS, *FLOATS)
    for source in types:
        x = numbers(rand, (3, 4), source, 0)
        for target in types:
            ways = Ways(rand.getrandbits(32), False)
            agree(one("Cast", x, to=onnx_type(target), ways=ways), x.astype(target))
            agree(one("CastLike", x, np.zeros((), target), ways=ways), x.astype(target))
    ties = np.array([1 + 2**-8, 1 + 3 * 2**-8, 3.4e38, np.nan, -np.inf], np.float32)
    agree(one("Cast", ties, to=onnx_type(bfloat16)), ties.astype(bfloat16), 1e-9)
    with pytest.raises((ValueError, RuntimeError, TypeError, NotImplementedError), match="type"):
        one("Cast", ties, to=8)


def test_predicates() -> None:
    for dtype in FLOATS:
        x = np.array([np.nan, np.inf, -np.inf, 0, -1], np.float32).astype(dtype)
        agree(one("IsNaN", x), np.isnan(wide(x)))
        agree(one("IsInf", x), np.isinf(wide(x)))
        agree(one("IsInf", x, detect_negative=0), wide(x) == np.inf)
        agree(one("IsInf", x, detect_positive=0), wide(x) == -np.inf)
        agree(one("IsInf", x, detect_positive=0, detect_negative=0), np.zeros(5, bool))
    agree(one("Not", np.array([True, False])), np.array([False, True]))
    agree(one("BitwiseNot", np.array([1, 200], np.uint8)), np.array([254, 55], np.uint8))


def test_dropout(rand: Seeded) -> None:
    x = np.ones((50, 40), np.float32)
    y, mask = run("Dropout", x, outputs=2, ways=Ways(rand.getrandbits(32), False))
    agree(y, x)
    agree(mask, np.ones(x.shape, bool))
    ratio, training = np.float32(0.25), np.array(True)
    y, mask = run("Dropout", x, ratio, training, outputs=2)
    assert np.array_equal(y != 0, mask)
    agree(y[mask], np.full(int(mask.sum()), 4 / 3, np.float32))
    assert 1300 < mask.sum() < 1700
    again = [run("Dropout", x, ratio, training, outputs=2, seed=7)[1] for _ in range(2)]
    assert np.array_equal(*again)
    with pytest.raises(ValueError, match="ratio"):
        one("Dropout", x, np.float32(1.5), training)
