"""Elementwise operators give what NumPy gives: types, values, in every layout and kernel."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from tests.engine import direct

TYPES = direct.NUMPY_DTYPES
DTYPE_ERROR = -5
BINARY = {
    getattr(np, direct.ffi.string(direct.lib.pvt_binary_name(op)).decode()): op
    for op in range(direct.lib.PVT_BINARY_OPS)
}
UNARY = {
    getattr(np, name): op
    for op in range(direct.lib.PVT_UNARY_OPS)
    if (name := direct.ffi.string(direct.lib.pvt_unary_name(op)).decode())
    not in ("erf", "sigmoid", "real", "imag", "angle")
}
# NumPy leaves open which zero these give.
LOOSE_ZERO = {np.maximum, np.minimum, np.fmax, np.fmin}
# NumPy's vector loops fuse some of these products with sums where the machine can.
LOOSE_COMPLEX = {np.multiply, np.divide}


@pytest.fixture(params=direct.isas(), autouse=True)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with direct.using(request.param):
        yield request.param


def special(dtype: str) -> np.ndarray:
    """The values at which something goes wrong, and some ordinary ones."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.array([False, True])
    if kind in "iu":
        info = np.iinfo(dtype)
        wanted = [0, 1, 2, 3, 5, 7, 10, 100, info.max, info.max - 1, info.min, info.min + 1]
        wanted += [-1, -2, -3, -7, -10] if kind == "i" else []
        return np.array(wanted, dtype)
    if kind == "f":
        info = np.finfo(dtype)
        wanted = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 10.0, 0.1, info.max, info.tiny]
        wanted += [info.smallest_subnormal, np.inf, np.nan, 1 / 3, 100.25]
        return np.array([*wanted, *(-x for x in wanted)], dtype)
    parts = special("float32" if dtype == "complex64" else "float64")
    parts = parts[np.isfinite(parts) & (abs(parts) < 1e30) & ((abs(parts) > 1e-30) | (parts == 0))]
    parts = np.append(parts[::3], [np.inf, -np.inf, np.nan, 0.0, -0.0])
    made = np.empty(len(parts) ** 2, dtype)
    made.real, made.imag = np.repeat(parts, len(parts)), np.tile(parts, len(parts))
    return made


def same(op: object, got: np.ndarray, wanted: np.ndarray) -> None:
    if got.dtype.kind in "fc" and op in LOOSE_ZERO:
        got, wanted = got + 0.0, wanted + 0.0
    np.testing.assert_array_equal(got, wanted)
    if got.dtype.kind == "f":
        number = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(wanted[number]))


def binary(op: np.ufunc, a: np.ndarray, b: np.ndarray, dtype: np.dtype) -> np.ndarray:
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), dtype)
    direct.call("binary", BINARY[op], np.asarray(a), np.asarray(b), out)
    return out


def unary(op: np.ufunc, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    out = np.empty(x.shape, dtype)
    direct.call("unary", UNARY[op], x, out)
    return out


def loop_and_result(name: str, *arguments: int) -> tuple[str, str] | None:
    loop, result = direct.ffi.new("pvt_dtype *"), direct.ffi.new("pvt_dtype *")
    try:
        direct.call(name, *arguments, loop, result)
    except direct.EngineError as error:
        assert error.status == DTYPE_ERROR
        return None
    return direct.DTYPES[loop[0]], direct.DTYPES[result[0]]


@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.__name__)
def test_unary_types(op: np.ufunc) -> None:
    for name in TYPES:
        got = loop_and_result("unary_types", UNARY[op], direct.DTYPES.index(name))
        try:
            with np.errstate(all="ignore"):
                wanted = op(np.ones(1, name)).dtype.name
        except TypeError:
            wanted = None
        assert (got and got[1]) == wanted, name


@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_binary_types(op: np.ufunc) -> None:
    for a, b in itertools.product(TYPES, TYPES):
        indices = direct.DTYPES.index(a), direct.DTYPES.index(b)
        got = loop_and_result("binary_types", BINARY[op], *indices)
        try:
            wanted = op(np.ones(1, a), np.ones(1, b)).dtype.name
        except TypeError:
            wanted = None
        assert (got and got[1]) == wanted, (a, b)


BASIC = [
    *(np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.fmax, np.fmin),
    *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
    *(np.logical_and, np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or),
    *(np.bitwise_xor, np.left_shift, np.right_shift),
    *(np.floor_divide, np.remainder, np.fmod, np.gcd, np.lcm),
    *(np.copysign, np.nextafter, np.heaviside),
]
BASIC_UNARY = [
    *(np.negative, np.positive, np.absolute, np.sign, np.square, np.sqrt, np.reciprocal),
    *(np.isnan, np.isinf, np.isfinite, np.signbit, np.logical_not, np.invert, np.conjugate),
    *(np.floor, np.ceil, np.trunc, np.rint, np.deg2rad, np.rad2deg),
]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("op", BASIC, ids=lambda op: op.__name__)
def test_binary_values(op: np.ufunc, dtype: str) -> None:
    values = special(dtype)
    a, b = np.repeat(values, len(values)), np.tile(values, len(values))
    try:
        with np.errstate(all="ignore"):
            wanted = op(a, b)
    except TypeError:
        with pytest.raises(direct.EngineError):
            binary(op, a, b, np.dtype(dtype))
        return
    if op is np.floor_divide and wanted.dtype.kind == "f":  # the standard's way with infinities
        ruled = np.isinf(a) | np.isinf(b)
        with np.errstate(all="ignore"):
            wanted[ruled] = a[ruled] / b[ruled]
    compare = close_complex if wanted.dtype.kind == "c" and op in LOOSE_COMPLEX else same
    compare(op, binary(op, a, b, wanted.dtype), wanted)
    compare(op, binary(op, a[::-1], b[::-1], wanted.dtype), wanted[::-1])
    for i in range(0, len(values), 3):
        n = len(values)
        rows = slice(i * n, i * n + n)
        compare(op, binary(op, values[i], values, wanted.dtype), wanted[rows])
        compare(op, binary(op, values, values[i : i + 1], wanted.dtype), wanted[i::n])


def close_complex(op: object, got: np.ndarray, wanted: np.ndarray) -> None:
    """Close in relation to the size of the number; zeros of one part may be small there."""
    digits = np.finfo(got.dtype).eps * 4
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(got.real[~finite], wanted.real[~finite], str(op))
    np.testing.assert_array_equal(got.imag[~finite], wanted.imag[~finite], str(op))
    got, wanted = got[finite], wanted[finite]
    assert np.all(abs(got - wanted) <= digits * abs(wanted)), op


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("op", BASIC_UNARY, ids=lambda op: op.__name__)
def test_unary_values(op: np.ufunc, dtype: str) -> None:
    values = special(dtype)
    try:
        with np.errstate(all="ignore"):
            wanted = op(values)
    except TypeError:
        with pytest.raises(direct.EngineError):
            unary(op, values, np.dtype(dtype))
        return
    loose = wanted.dtype.kind == "c" or (dtype.startswith("complex") and op is np.absolute)
    compare = close_complex if loose else same
    compare(op, unary(op, values, wanted.dtype), wanted)
    compare(op, unary(op, values[::-2], wanted.dtype), wanted[::-2])
