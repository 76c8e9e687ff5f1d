"""Functions that are not exact: errors stay within the documented bounds, special values are right.

The bounds are those of docs/engine-accuracy.md, in units of the last place, against a wider type.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.engine import direct

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

BOUND = 4.0  # for float32 and float64; half precision is rounded once more
SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, np.inf, -np.inf, np.nan, 1e30, -1e30]
SPECIAL += [1e-45, -1e-45, 1e-310, 1e308, -1e308, 3.4e38, 1 + 1e-7]
ALSO_COMPLEX = ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan")
ALSO_COMPLEX += ("arcsin", "arccos", "arctan", "sinh", "cosh", "tanh")
ALSO_COMPLEX += ("arcsinh", "arccosh", "arctanh")
UNARY = {
    **{name: getattr(np, name) for name in ("cbrt", *ALSO_COMPLEX)},
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "erf": np.vectorize(math.erf, otypes=["f8"]),
}
BINARY = ("power", "arctan2", "hypot", "logaddexp", "logaddexp2")


@pytest.fixture(params=direct.isas(), autouse=True)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with direct.using(request.param):
        yield request.param


def number(name: str, kind: str) -> int:
    names = getattr(direct.lib, f"pvt_{kind}_name")
    for op in range(getattr(direct.lib, f"PVT_{kind.upper()}_OPS")):
        if direct.ffi.string(names(op)).decode() == name:
            return op
    raise KeyError(name)


def check(got: np.ndarray, wide: np.ndarray, bound: float) -> None:
    """`wide` is the result in a wider type. Infinities, NaNs and the signs of zeros are exact."""
    wanted = wide.astype(got.dtype)
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(got[~finite], wanted[~finite])
    zero = wanted == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(wanted[zero]))
    unit = abs(np.spacing(wanted[finite])).astype(wide.dtype)
    error = abs(got[finite].astype(wide.dtype) - wide[finite]) / unit
    worst = int(np.argmax(error)) if error.size else 0
    assert not error.size or error[worst] <= bound, (float(error[worst]), wanted[finite][worst])


def numbers(name: str, dtype: str, rand: random.Random) -> np.ndarray:
    rng = np.random.default_rng(rand.getrandbits(32))
    top = 80.0 if dtype != "float64" else 700.0
    found = [rng.uniform(-10, 10, 4000), rng.uniform(-1, 1, 4000), rng.uniform(-top, top, 4000)]
    found += [10.0 ** rng.uniform(-30, 30, 4000), 1 + rng.normal(size=2000) * 1e-3]
    if name in ("sin", "cos", "tan"):
        found[3] = rng.uniform(-1e5, 1e5, 4000)
    return np.concatenate([*found, SPECIAL]).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, dtype: str, rand: random.Random) -> None:
    with np.errstate(all="ignore"):
        x = numbers(name, dtype, rand)
        wide = UNARY[name](x.astype("float64" if dtype != "float64" else "longdouble"))
        for values, wanted in ((x, wide), (x[::-3], wide[::-3]), (x[:5], wide[:5])):
            out = np.empty(values.shape, dtype)
            direct.call("unary", number(name, "unary"), values, out)
            check(out, wanted, BOUND)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str, dtype: str, rand: random.Random) -> None:
    function: Callable[..., np.ndarray] = getattr(np, name)
    wider = "float64" if dtype == "float32" else "longdouble"
    rng = np.random.default_rng(rand.getrandbits(32))
    with np.errstate(all="ignore"):
        special = np.array(SPECIAL).astype(dtype)
        pairs = [
            np.repeat(special, len(special)),
            rng.uniform(-8, 8, 5000),
            rng.uniform(0, 9, 5000),
        ]
        others = [
            np.tile(special, len(special)),
            rng.uniform(-8, 8, 5000),
            rng.uniform(-9, 9, 5000),
        ]
        x, y = np.concatenate(pairs).astype(dtype), np.concatenate(others).astype(dtype)
        wide = function(x.astype(wider), y.astype(wider))
        # Where the larger number and the logarithm cancel, the error is of the larger one.
        keep = (abs(wide) > 0.5) | ~np.isfinite(wide) if name.startswith("log") else slice(None)
        for a, b, wanted in ((x, y, wide), (x[::-3], y[::-3], wide[::-3])):
            out = np.empty(a.shape, dtype)
            direct.call("binary", number(name, "binary"), a, b, out)
            kept = keep[:: -3 if a is not x else 1] if name.startswith("log") else slice(None)
            check(out[kept], wanted[kept], BOUND)
        square = np.empty(x.shape, dtype)
        direct.call("binary", number("power", "binary"), x, np.array(2, dtype), square)
        np.testing.assert_array_equal(square, x * x)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", ["sqrt", *ALSO_COMPLEX])
def test_complex(name: str, dtype: str, rand: random.Random) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    parts = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan])
    x = np.empty(parts.size**2 + 500, dtype)
    x.real = np.concatenate([np.repeat(parts, parts.size), rng.normal(size=500)])
    x.imag = np.concatenate([np.tile(parts, parts.size), rng.normal(size=500)])
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(x)
    out = np.empty(x.shape, dtype)
    direct.call("unary", number(name, "unary"), x, out)
    if name == "expm1":  # infinite exponents go by the Array API standard, as exp's do
        ruled = ~np.isfinite(x)
        with np.errstate(all="ignore"):
            wanted[ruled] = np.exp(x[ruled]) - np.ones(1, dtype)
    digits = np.finfo(dtype).eps * 16
    for part in ("real", "imag"):
        np.testing.assert_allclose(getattr(out, part), getattr(wanted, part), digits, digits)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_power(dtype: str, rand: random.Random) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    x = (rng.normal(size=600) + 1j * rng.normal(size=600)).astype(dtype)
    y = (rng.normal(size=600) + 1j * rng.normal(size=600)).astype(dtype)
    y[:200] = rng.integers(-6, 7, 200)
    x[:5] = 0
    with np.errstate(all="ignore"):
        wanted = np.power(x, y)
    out = np.empty(x.shape, dtype)
    direct.call("binary", number("power", "binary"), x, y, out)
    np.testing.assert_allclose(out, wanted, np.finfo(dtype).eps * 100)


@pytest.mark.parametrize("dtype", [name for name in direct.NUMPY_DTYPES if "int" in name])
def test_integer_power(dtype: str) -> None:
    x = np.array([0, 1, 2, 3, 7, 100, np.iinfo(dtype).max, np.iinfo(dtype).min], dtype)
    a, b = np.repeat(x, 6), np.tile(np.array([0, 1, 2, 3, 5, 100], dtype), 8)
    out = np.empty(a.shape, dtype)
    direct.call("binary", number("power", "binary"), a, b, out)
    np.testing.assert_array_equal(out, np.power(a, b))
    if np.iinfo(dtype).min < 0:
        with pytest.raises(direct.EngineError, match="Integers to negative integer powers"):
            direct.call("binary", number("power", "binary"), a, -b, out)
        direct.call("binary", number("power", "binary"), a, b, out)  # and it can go on


@pytest.mark.parametrize("dtype", direct.NUMPY_DTYPES)
def test_parts(dtype: str) -> None:
    x = np.array([0, 1, 1, 0]).astype(dtype)
    if dtype.startswith(("float", "complex")):
        x[2:] = [-0.0, np.nan]
    if dtype.startswith("complex"):
        x.imag = [0, -0.0, 3, -4]
    for name in ("real", "imag", "angle"):
        wanted = getattr(np, name)(x)
        out = np.empty(x.shape, wanted.dtype)
        direct.call("unary", number(name, "unary"), x, out)
        np.testing.assert_allclose(out, wanted, rtol=1e-6, atol=0)
