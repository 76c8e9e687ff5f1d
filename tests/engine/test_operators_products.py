"""Products, sums over labels, soft-max and losses of models, against NumPy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, bfloat16, one, run

if TYPE_CHECKING:
    from tests.conftest import Seeded

FLOATS = (np.float16, bfloat16, np.float32, np.float64)


def ways(rand: Seeded) -> Ways:
    return Ways(rand.getrandbits(32), plain=False)


def drawn(rand: Seeded, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    values = [rand.randint(-8, 8) for _ in range(math.prod(shape))]
    least = 0 if np.dtype(dtype).kind == "u" else -8
    return np.maximum(np.array(values, np.float64), least).astype(dtype).reshape(shape)


# ---- Products -------------------------------------------------------------------


SHAPES = (
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((2, 1, 4, 3), (5, 3, 2)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 4)),
)


def test_products_of_matrices(rand: Seeded) -> None:
    for dtype in (np.int32, np.int64, np.uint32, *FLOATS):
        for left, right in SHAPES:
            a, b = drawn(rand, left, dtype), drawn(rand, right, dtype)
            wide = np.matmul(a.astype(np.float64), b.astype(np.float64))
            with np.errstate(over="ignore"):
                agree(one("MatMul", a, b, ways=ways(rand)), np.asarray(wide).astype(dtype))
    for left, right in (((2, 3), (4, 3)), ((), (3,)), ((2, 2, 3), (3, 3, 2))):
        with pytest.raises(ValueError, match=r"\w"):
            one("MatMul", np.zeros(left, np.float32), np.zeros(right, np.float32))


def test_products_with_what_is_added(rand: Seeded) -> None:
    for dtype in (np.int32, *FLOATS):
        for turn_a in (0, 1):
            for turn_b in (0, 1):
                a, b = drawn(rand, (3, 5), dtype), drawn(rand, (5, 4), dtype)
                product = a.astype(np.float64) @ b.astype(np.float64)
                a, b = (a.T if turn_a else a), (b.T if turn_b else b)
                turned = {"transA": turn_a, "transB": turn_b}
                agree(one("Gemm", a, b, ways=ways(rand), **turned), product.astype(dtype))
                for shape in ((), (1,), (4,), (1, 4), (3, 1), (3, 4)):
                    c = drawn(rand, shape, dtype)
                    wanted = (product + c.astype(np.float64)).astype(dtype)
                    agree(one("Gemm", a, b, c, ways=ways(rand), **turned), wanted)
                    scaled = (product / 2 + c.astype(np.float64) * 3).astype(dtype)
                    if np.dtype(dtype).kind == "i":
                        continue
                    got = one("Gemm", a, b, c, alpha=0.5, beta=3.0, ways=ways(rand), **turned)
                    agree(got, scaled, 4e-2 if dtype is bfloat16 else None)


EQUATIONS = (
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("ij,jk", ((2, 3), (3, 4))),
    ("ba,cb", ((2, 3), (4, 2))),
    ("i,i->", ((5,), (5,))),
    ("i,j->ij", ((2,), (3,))),
    ("ii->i", ((3, 3),)),
    ("ii", ((3, 3),)),
    ("iji->j", ((3, 2, 3),)),
    ("ij->ji", ((2, 3),)),
    ("ij->", ((2, 3),)),
    ("...ij,...jk->...ik", ((4, 2, 3), (4, 3, 5))),
    ("...ij,jk->...ik", ((6, 4, 2, 3), (3, 5))),
    ("bhqd,bhkd->bhqk", ((2, 3, 4, 5), (2, 3, 6, 5))),
    ("bhqk,bhkd->bqhd", ((2, 3, 4, 6), (2, 3, 6, 5))),
    ("abc,cd,ab->d", ((2, 3, 4), (4, 5), (2, 3))),
    ("ij,j->ij", ((2, 3), (3,))),
    ("ijk,jil->kl", ((2, 3, 4), (3, 2, 5))),
    ("a...,a...->...", ((2, 3, 1), (2, 1, 4))),
    ("ij,ij,ij->i", ((2, 3), (2, 3), (2, 3))),
    ("Ab,bA->", ((2, 3), (3, 2))),
    ("i,->i", ((3,), ())),
    (" i j , j k -> i k ", ((2, 0), (0, 3))),
)


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
def test_sums_over_labels(equation: str, shapes: Any, rand: Seeded) -> None:
    for dtype in (np.int32, np.float32, np.float64):
        inputs = [drawn(rand, shape, dtype) for shape in shapes]
        wanted = np.einsum(equation.replace(" ", ""), *inputs)
        agree(one("Einsum", *inputs, equation=equation, ways=ways(rand)), wanted)


def test_equations_that_are_none() -> None:
    x = np.zeros((2, 3), np.float32)
    for equation in ("ijk->i", "ij->k", "ij->ii", "i$->i", "ij,j->i", "ij->ij->i", "", "ii->i"):
        with pytest.raises(ValueError, match="equation"):
            one("Einsum", x, equation=equation)


def test_determinants(rand: Seeded) -> None:
    for dtype in (np.float16, np.float32, np.float64):
        for shape in ((3, 3), (2, 4, 4), (2, 3, 1, 1)):
            x = (drawn(rand, shape, np.float64) + 10 * np.eye(shape[-1])).astype(dtype)
            wanted = np.linalg.det(x.astype(np.float64)).astype(dtype)
            agree(one("Det", x, ways=ways(rand)), wanted, 1e-2 if dtype == np.float16 else 1e-4)
    with pytest.raises(ValueError, match="square"):
        one("Det", np.zeros((2, 3), np.float32))


# ---- Scores ---------------------------------------------------------------------


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    wide = x.astype(np.float64)
    power = np.exp(wide - wide.max(axis, keepdims=True))
    return np.asarray(power / power.sum(axis, keepdims=True))


def test_softmax(rand: Seeded) -> None:
    for dtype in FLOATS:
        for shape in ((5,), (2, 3), (2, 3, 4), (2, 1, 3, 2), (2, 3000)):
            x = drawn(rand, shape, dtype)
            for axis in {0, len(shape) - 1, -1}:
                wanted = softmax(x, axis)
                agree(one("Softmax", x, axis=axis, ways=ways(rand)), wanted.astype(dtype))
                got = one("LogSoftmax", x, axis=axis, ways=ways(rand))
                agree(got, np.log(wanted).astype(dtype), 4e-2 if dtype is bfloat16 else 4e-3)
    for empty in ((0, 3), (3, 0)):
        assert one("Softmax", np.zeros(empty, np.float32)).shape == empty


def test_softmax_of_what_follows_the_axis(rand: Seeded) -> None:
    """Before version 13 all dimensions from the axis on are one."""
    x = drawn(rand, (2, 3, 4))
    for axis in (0, 1, 2, -1):
        flat = x.reshape(math.prod(x.shape[:axis]) if axis else 1, -1)
        wanted = softmax(flat, 1).reshape(x.shape)
        agree(one("Softmax", x, opset=11, axis=axis, ways=ways(rand)), wanted.astype(np.float32))
    wanted = np.log(softmax(x.reshape(2, -1), 1)).reshape(x.shape).astype(np.float32)
    agree(one("LogSoftmax", x, opset=7), wanted)


def test_softmax_of_the_large_and_the_missing() -> None:
    x = np.array([[1e30, 1e30], [-np.inf, 0], [np.nan, 0], [-1e30, 1e30]], np.float32)
    wanted = np.array([[0.5, 0.5], [0, 1], [np.nan, np.nan], [0, 1]], np.float32)
    agree(one("Softmax", x), wanted)


def test_hardmax(rand: Seeded) -> None:
    for dtype in FLOATS:
        x = drawn(rand, (3, 4, 2), dtype)
        for axis in (0, 1, -1):
            first = np.argmax(x, axis, keepdims=True)
            wanted = np.zeros_like(x)
            np.put_along_axis(wanted, first, np.array(1, dtype), axis)
            agree(one("Hardmax", x, axis=axis, ways=ways(rand)), wanted)
        flat = np.zeros((3, 8), dtype)
        flat[np.arange(3), np.argmax(x.reshape(3, 8), 1)] = 1
        agree(one("Hardmax", x, opset=11), flat.reshape(x.shape))


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 2, 2)])
def test_losses(shape: tuple[int, ...], rand: Seeded) -> None:
    scores = drawn(rand, shape)
    places = (shape[0], *shape[2:])
    targets = np.array([rand.randrange(3) for _ in range(math.prod(places))]).reshape(places)
    weights = np.array([0.5, 1, 2], np.float32)
    log_p = np.log(softmax(scores, 1))
    for weighted in (False, True):
        for ignored in (None, 1):
            own = weights[targets] if weighted else np.ones(places)
            if ignored is not None:
                own = own * (targets != ignored)
            picked = np.take_along_axis(log_p, targets[:, None], 1)[:, 0]
            each = -picked * own
            mean = each.sum() / own.sum() if own.sum() else np.nan
            options = {} if ignored is None else {"ignore_index": ignored}
            extra = (weights,) if weighted else ()
            for how, wanted in (("none", each), ("sum", each.sum()), ("mean", mean)):
                got = run("SoftmaxCrossEntropyLoss", scores, targets, *extra, outputs=2,
                          reduction=how, ways=ways(rand), **options)  # fmt: skip
                agree(got[0], np.asarray(wanted).astype(np.float32), 1e-5)
                agree(got[1], log_p.astype(np.float32), 1e-5)
                args = (log_p.astype(np.float32), targets.astype(np.int32), *extra)
                got = run("NegativeLogLikelihoodLoss", *args, reduction=how, ways=ways(rand),
                          **options)  # fmt: skip
                agree(got[0], np.asarray(wanted).astype(np.float32), 1e-5)
    with pytest.raises((ValueError, IndexError), match="classes"):
        one("SoftmaxCrossEntropyLoss", scores, targets + 3)
    with pytest.raises(ValueError, match="scores"):
        one("SoftmaxCrossEntropyLoss", scores, targets[:1])
