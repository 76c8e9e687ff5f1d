"""Running totals, and the places of extremes, along any axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Seeded
from tests.engine import direct
from tests.engine.direct import call
from tests.engine.test_copy import interesting
from tests.engine.test_reduce import result_type, samples, views

ISAS = direct.isas()
OPERATORS: dict[str, Any] = {
    "PVT_CUMSUM": np.cumsum,
    "PVT_CUMPROD": np.cumprod,
    "PVT_CUMMAX": np.maximum.accumulate,
    "PVT_CUMMIN": np.minimum.accumulate,
}


def scan(op: str, x: np.ndarray, axis: int) -> np.ndarray:
    keeps = op in {"PVT_CUMMAX", "PVT_CUMMIN"}
    out = np.empty(x.shape, x.dtype if keeps else result_type("PVT_SUM", x.dtype.name))
    call("scan", op, x, axis, out)
    return out


def check(op: str, x: np.ndarray, axis: int) -> None:
    got = scan(op, x, axis)
    wanted = OPERATORS[op](x, axis=axis)
    assert got.dtype == wanted.dtype
    if x.dtype.kind in "fc" and op in {"PVT_CUMSUM", "PVT_CUMPROD"}:
        if x.dtype == np.float16:  # NumPy rounds every step, the engine only results
            wanted = OPERATORS[op](x, axis=axis, dtype=np.float32).astype(np.float16)
        eps = float(np.finfo(x.dtype).eps)
        np.testing.assert_allclose(got, wanted, rtol=eps * (4 + x.shape[axis] ** 0.5))
    else:
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("dtype", direct.NUMPY_DTYPES)
def test_scan_types(dtype: str, op: str, isa: str, rand: Seeded) -> None:
    with direct.using(isa):
        for shape in ((1,), (7,), (8,), (1000,), (3, 400), (400, 3), (30, 40), (5, 6, 7), (0, 3)):
            x = samples(dtype, shape, rand.getrandbits(30))
            if op == "PVT_CUMPROD" and x.size > 50:
                x = np.ones_like(x)
            for axis in range(len(shape)):
                check(op, x, axis)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(views(), st.integers(0, 4), st.sampled_from(ISAS), st.data())
def test_scan_of_any_view(
    view: tuple[np.ndarray, tuple[int, ...]], axis: int, isa: str, data: st.DataObject
) -> None:
    x = view[0]
    if x.ndim == 0:
        return
    op = data.draw(st.sampled_from(["PVT_CUMSUM", "PVT_CUMMAX", "PVT_CUMMIN"]))
    with direct.using(isa):
        check(op, x, axis % x.ndim)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scan_of_special_values(dtype: str, isa: str, rand: Seeded) -> None:
    largest = float(np.finfo(dtype).max)
    with direct.using(isa), np.errstate(all="ignore"):
        for length in (3, 8, 40, 600):
            x = np.zeros(length, dtype)
            at = rand.randrange(length - 2)
            x[at : at + 3] = [-largest, largest, largest]
            x[at + 3 :] = 0
            np.testing.assert_allclose(scan("PVT_CUMSUM", x, 0), np.cumsum(x))
            x[at] = np.inf
            np.testing.assert_array_equal(scan("PVT_CUMSUM", x, 0), np.cumsum(x))
            x[-1] = -np.inf
            np.testing.assert_array_equal(scan("PVT_CUMSUM", x, 0), np.cumsum(x))
            x[at] = np.nan
            for op, operator in OPERATORS.items():
                np.testing.assert_array_equal(scan(op, x, 0), operator(x))
            zeros = np.full(length, -0.0, dtype)
            assert np.signbit(scan("PVT_CUMSUM", zeros, 0)).all()


def test_scan_is_the_same_on_every_instruction_set(rand: Seeded) -> None:
    for dtype in ("float32", "float64"):
        x = samples(dtype, (5000,), rand.getrandbits(30)) * np.dtype(dtype).type(1.1)
        results = []
        for isa in ISAS:
            with direct.using(isa):
                results.append(scan("PVT_CUMSUM", x, 0).tobytes())
        assert len(set(results)) == 1


def test_scan_in_place_and_refusals() -> None:
    x = np.arange(1000.0)
    call("scan", "PVT_CUMSUM", x, 0, x)
    np.testing.assert_array_equal(x, np.cumsum(np.arange(1000.0)))
    y = np.arange(1000)
    call("scan", "PVT_CUMSUM", y[::-1], 0, y)
    np.testing.assert_array_equal(y, np.cumsum(np.arange(1000)[::-1]))
    small = np.full(300, 100, np.int8)
    out = np.empty(300, np.int8)
    call("scan", "PVT_CUMSUM", small, 0, out)
    np.testing.assert_array_equal(out, np.cumsum(small, dtype=np.int8))
    with pytest.raises(direct.EngineError, match="axis 1 is out of bounds for array"):
        call("scan", "PVT_CUMSUM", y, 1, y)
    with pytest.raises(direct.EngineError, match="does not give"):
        call("scan", "PVT_CUMSUM", y, 0, y[:-1])


# ---- Places of extremes -----------------------------------------------------


def places(largest: bool, x: np.ndarray, axis: int) -> np.ndarray:
    out = np.empty([1 if i == axis else n for i, n in enumerate(x.shape)], np.int64)
    call("arg_reduce", largest, x, axis, out)
    return out


def check_places(x: np.ndarray) -> None:
    for axis in range(x.ndim):
        for largest, operator in ((True, np.argmax), (False, np.argmin)):
            wanted = operator(x, axis=axis, keepdims=True)
            np.testing.assert_array_equal(places(largest, x, axis), wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", direct.NUMPY_DTYPES)
def test_places(dtype: str, isa: str, rand: Seeded) -> None:
    with direct.using(isa):
        for shape in ((1,), (9,), (1000,), (40_000,), (3, 400), (400, 3), (40, 30), (5, 6, 7)):
            x = samples(dtype, shape, rand.getrandbits(30))
            check_places(x)
        special = interesting(dtype, rand, 600)
        check_places(special)
        check_places(special.reshape(30, 20))
        check_places(special[~np.isnan(special)])
        check_places(special[::-3])


@settings(max_examples=200, deadline=None, print_blob=True)
@given(views(), st.sampled_from(ISAS))
def test_places_in_any_view(view: tuple[np.ndarray, tuple[int, ...]], isa: str) -> None:
    with direct.using(isa):
        check_places(view[0])


@pytest.mark.parametrize("isa", ISAS)
def test_places_of_zeros_and_nans(isa: str) -> None:
    with direct.using(isa):
        for dtype in ("float16", "float32", "float64"):
            check_places(np.array([-0.0, 0.0, -0.0], dtype))
            check_places(np.array([[0.0, -0.0] * 10, [-0.0, 0.0] * 10], dtype))
            for nan in (np.nan, -np.nan):
                check_places(np.array([np.inf, nan, -np.inf, -nan], dtype))
                x = np.zeros((3, 20), dtype)
                x[1, 3] = nan
                x[2, 3] = -nan
                check_places(x)


def test_places_in_empty_arrays() -> None:
    for largest, name in ((True, "argmax"), (False, "argmin")):
        with pytest.raises(direct.EngineError, match=f"attempt to get {name} of an empty sequence"):
            places(largest, np.empty(0), 0)
    assert places(True, np.empty((0, 3)), 1).shape == (0, 1)
