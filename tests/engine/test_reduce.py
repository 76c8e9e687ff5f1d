"""Reductions against NumPy: every type, any axes and strides, special values, accuracy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Seeded
from tests.engine import direct
from tests.engine.direct import call
from tests.engine.test_copy import interesting

ISAS = direct.isas()
OPERATORS: dict[str, Any] = {
    "PVT_SUM": np.sum,
    "PVT_PROD": np.prod,
    "PVT_MAX": np.max,
    "PVT_MIN": np.min,
    "PVT_ANY": np.any,
    "PVT_ALL": np.all,
    "PVT_COUNT_NONZERO": lambda x, **how: np.sum(x != 0, dtype=np.int64, **how),
    "PVT_MEAN": np.mean,
}


def bits(axes: tuple[int, ...]) -> int:
    return sum(1 << axis for axis in axes)


def result_type(op: str, dtype: str) -> str:
    result = direct.ffi.new("pvt_dtype *")
    call("reduce_types", op, direct.DTYPES.index(dtype), result)
    return direct.DTYPES[result[0]]


def reduce(op: str, x: np.ndarray, axes: tuple[int, ...], dtype: str | None = None) -> np.ndarray:
    shape = [1 if i in axes else n for i, n in enumerate(x.shape)]
    out = np.empty(shape, dtype or result_type(op, x.dtype.name))
    call("reduce", op, x, bits(axes), out)
    return out


def expected(op: str, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """What NumPy gives; but it rounds every product and sum of float16, the engine only results."""
    wide = x.astype(np.float32) if x.dtype == np.float16 else x
    result = OPERATORS[op](wide, axis=axes, keepdims=True)
    kept = result.dtype == np.float32 and x.dtype == np.float16
    return np.asarray(result, np.float16 if kept else None)


def close(got: np.ndarray, wanted: np.ndarray, depth: int = 1) -> None:
    """Equal, or for floats within a few last places of what the elements' sizes allow."""
    assert got.dtype == wanted.dtype
    if got.dtype.kind in "fc":
        eps = float(np.finfo(got.dtype).eps)
        np.testing.assert_allclose(
            got, wanted, rtol=8 * eps * depth, atol=1e-30 if eps < 1e-4 else 1e-7
        )
    else:
        np.testing.assert_array_equal(got, wanted)


def samples(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Values whose sums and products stay small."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if kind in "iu":
        return np.asarray(rng.integers(0 if kind == "u" else -3, 4, shape), dtype)
    if kind == "c":
        return np.asarray(rng.random(shape) + 0.5 + 1j * rng.random(shape), dtype)
    return np.asarray(rng.random(shape) + 0.5, dtype)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("dtype", direct.NUMPY_DTYPES)
def test_types(dtype: str, op: str, isa: str, rand: Seeded) -> None:
    with direct.using(isa):
        for shape in ((), (1,), (7,), (16,), (70,), (3, 5), (200, 3), (3, 200), (4, 300, 6)):
            x = samples(dtype, shape, rand.getrandbits(30))
            if op == "PVT_PROD" and x.size > 50:
                x = np.ones_like(x)
            for axes in ((), (0,), (1,), (0, 1), tuple(range(len(shape)))):
                if any(axis >= len(shape) for axis in axes):
                    continue
                wanted = expected(op, x, axes)
                exact = np.dtype(dtype).kind not in "fc" or op not in {"PVT_SUM", "PVT_MEAN"}
                got = reduce(op, x, axes)
                if exact:
                    close(got, wanted)
                else:
                    close(got, wanted, 4)


VIEWED = ("bool", "int8", "int64", "uint16", "float16", "float32", "float64", "complex64")


@st.composite
def views(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...]]:
    ndim = draw(st.integers(0, 5))
    shape = draw(st.lists(st.integers(1, 6), min_size=ndim, max_size=ndim))
    for _ in range(draw(st.integers(0, 2)) if ndim else 0):
        shape[draw(st.integers(0, ndim - 1))] = draw(st.integers(7, 40))
    order = draw(st.permutations(range(ndim)))
    steps = draw(st.lists(st.sampled_from((1, 1, 1, 2, -1, -3)), min_size=ndim, max_size=ndim))
    dtype = draw(
        st.sampled_from(
            ("bool", "int8", "int64", "uint16", "float16", "float32", "float64", "complex64")
        )
    )
    base = samples(
        dtype, tuple(shape[d] * abs(steps[d]) for d in order), draw(st.integers(0, 2**30))
    )
    view = base.transpose(np.argsort(order))[(*(slice(None, None, s) for s in steps), ...)]
    axes = tuple(i for i in range(ndim) if draw(st.booleans()))
    return view, axes


@settings(max_examples=400, deadline=None, print_blob=True)
@given(views(), st.sampled_from(list(OPERATORS)), st.sampled_from(ISAS))
def test_any_view(view: tuple[np.ndarray, tuple[int, ...]], op: str, isa: str) -> None:
    x, axes = view
    if op == "PVT_PROD":
        x = np.asarray(np.minimum(np.abs(x), 1), x.dtype)
    with direct.using(isa):
        close(reduce(op, x, axes), expected(op, x, axes), 8)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [d for d in direct.NUMPY_DTYPES if d != "bool"])
def test_extremes_of_special_values(dtype: str, isa: str, rand: Seeded) -> None:
    x = interesting(dtype, rand, 777)
    numbers = x[~np.isnan(x)]
    with direct.using(isa):
        for values in (x, numbers, x.reshape(7, 111), x.reshape(111, 7)):
            for op in ("PVT_MAX", "PVT_MIN"):
                for axes in ((0,), tuple(range(values.ndim))):
                    wanted = np.asarray(OPERATORS[op](values, axis=axes, keepdims=True))
                    got = reduce(op, values, axes)
                    if np.dtype(dtype).kind == "c":  # which NaN it is, is nobody's business
                        nan = np.isnan(wanted)
                        np.testing.assert_array_equal(np.isnan(got), nan)
                        got, wanted = got[~nan], wanted[~nan]
                    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("isa", ISAS)
def test_nan_of_either_sign(isa: str) -> None:
    with direct.using(isa):
        for dtype in ("float32", "float64"):
            for nan in (np.nan, -np.nan):
                for place in (0, 5, 63, 64, 2000):
                    x = np.arange(2001).astype(dtype)
                    x[place] = nan
                    assert np.isnan(reduce("PVT_MAX", x, (0,))[0])
                    assert np.isnan(reduce("PVT_MIN", x, (0,))[0])
                    assert np.isnan(reduce("PVT_MAX", x[:, None] + np.zeros(20, dtype), (0,))).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_as_accurate_as_numpy(dtype: str, rand: Seeded) -> None:
    x = samples(dtype, (300_000,), rand.getrandbits(30)) - np.dtype(dtype).type(0.25)
    x = x[: 30_000 if dtype == "float16" else None]
    exact = math.fsum(x.real.tolist())
    eps = float(np.finfo(dtype).eps)
    got = float(reduce("PVT_SUM", x, (0,))[0].real)
    assert abs(got - exact) <= max(abs(float(np.sum(x).real) - exact), 4 * eps * exact)
    tall = np.stack([x, x, x], axis=1)
    for column in reduce("PVT_SUM", tall, (0,))[0]:
        assert abs(float(column.real) - exact) <= 16 * eps * exact


def test_the_same_on_every_instruction_set(rand: Seeded) -> None:
    for dtype in ("float32", "float64", "complex64", "complex128"):
        x = samples(dtype, (12_345,), rand.getrandbits(30)) * np.dtype(dtype).type(1.1)
        for op, axes, shape in (
            ("PVT_SUM", (0,), (12_345,)),
            ("PVT_SUM", (0,), (2469, 5)),
            ("PVT_MEAN", (1,), (3, 4115)),
            ("PVT_SUMSQ", (0,), (12_345,)),
        ):
            results = []
            for isa in ISAS:
                with direct.using(isa):
                    results.append(reduce(op, x.reshape(shape), axes).tobytes())
            assert len(set(results)) == 1


def test_zeros_keep_their_sign() -> None:
    for dtype in ("float32", "float64"):
        for count in (1, 5, 100, 3000):
            x = np.full(count, -0.0, dtype)
            assert np.signbit(reduce("PVT_SUM", x, (0,))[0])
            assert np.signbit(reduce("PVT_SUM", np.stack([x] * 20, 1), (0,))).all()
        assert not np.signbit(reduce("PVT_SUM", np.empty(0, dtype), (0,))[0])


@pytest.mark.parametrize("dtype", direct.NUMPY_DTYPES)
def test_empty(dtype: str) -> None:
    for shape, axes in (((0,), (0,)), ((0, 3), (0,)), ((3, 0, 2), (1,))):
        x = np.empty(shape, dtype)
        for op, operator in OPERATORS.items():
            if op in {"PVT_MAX", "PVT_MIN"}:
                with pytest.raises(direct.EngineError) as raised:
                    reduce(op, x, axes)
                with pytest.raises(ValueError, match=str(raised.value)):
                    operator(x, axis=axes)
            elif op == "PVT_MEAN":
                assert np.isnan(reduce(op, x, axes)).all()
            else:
                wanted = operator(x, axis=axes, keepdims=True)
                np.testing.assert_array_equal(reduce(op, x, axes), wanted)
    assert reduce("PVT_MAX", np.empty((0, 3), dtype), (1,)).shape == (0, 1)


def test_other_result_types() -> None:
    x = np.full(1000, 100, np.int8)
    assert reduce("PVT_SUM", x, (0,), "int8")[0] == np.sum(x, dtype=np.int8)
    assert reduce("PVT_SUM", x, (0,), "float32")[0] == 100_000
    assert reduce("PVT_SUM", x, (0,), "bool")[0]
    single = np.full(1 << 20, 0.1, np.float32)
    assert reduce("PVT_SUM", single, (0,), "float64")[0] == pytest.approx(
        np.sum(single, dtype=np.float64), rel=1e-15
    )
    half = np.full(1000, 100, np.float16)
    assert reduce("PVT_MEAN", half, (0,))[0] == 100


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", direct.NUMPY_DTYPES)
def test_variance(dtype: str, isa: str, rand: Seeded) -> None:
    real = {"float16": "float16", "float32": "float32", "complex64": "float32"}
    shapes = ((50,), (3, 400), (4000, 3), (5, 6, 7), (2, 30))
    with direct.using(isa):
        for shape, axes in zip(shapes, ((0,), (1,), (0,), (0, 2), ()), strict=True):
            x = samples(dtype, shape, rand.getrandbits(30))
            wide = x.astype("complex128" if x.dtype.kind == "c" else "float64")
            for correction in (0.0, 1.0):
                out = np.empty(
                    [1 if i in axes else n for i, n in enumerate(shape)], real.get(dtype, "float64")
                )
                assert out.dtype == np.var(x).dtype
                call("variance", x, bits(axes), correction, out)
                with np.errstate(all="ignore"):
                    wanted = np.zeros(shape) / (1 - correction)
                    if axes:
                        wanted = np.var(wide, axis=axes, ddof=correction, keepdims=True)
                # NumPy adds the rows of the first axis one by one.
                tolerance = max(16 * float(np.finfo(out.dtype).eps), 1e-12)
                np.testing.assert_allclose(out, wanted, rtol=tolerance, atol=tolerance)


def test_sum_of_squares() -> None:
    x = np.arange(-500, 500)
    assert reduce("PVT_SUMSQ", x, (0,))[0] == (x * x).sum()
    z = (x[:64] + 2j * x[:64]).astype(np.complex64)
    assert reduce("PVT_SUMSQ", z, (0,))[0] == pytest.approx((np.abs(z) ** 2).sum(), rel=1e-6)
    wide = np.stack([z] * 40, axis=1)
    got = reduce("PVT_SUMSQ", wide, (0,))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, (np.abs(wide) ** 2).sum(0, keepdims=True), rtol=1e-6)
    assert reduce("PVT_SUMSQ", x.astype(np.float16)[490:520], (0,))[0] == 2856  # 2855 rounded


def test_in_place_and_refusals() -> None:
    x = np.arange(12.0).reshape(3, 4)
    call("reduce", "PVT_SUM", x, 1, x[:1])
    np.testing.assert_array_equal(x[0], [12, 15, 18, 21])
    with pytest.raises(direct.EngineError, match="axis 3 is out of bounds for array"):
        call("reduce", "PVT_SUM", x, 8, np.zeros((3, 4)))
    with pytest.raises(direct.EngineError, match="does not reduce"):
        call("reduce", "PVT_SUM", x, 1, np.zeros((3, 1)))
    fixed = np.zeros((1, 4))
    fixed.flags.writeable = False
    with pytest.raises(direct.EngineError, match="read-only"):
        call("reduce", "PVT_SUM", x, 1, fixed)
