"""Sorting, selection and searching against NumPy's stable sorts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.engine import direct
from tests.engine.direct import (
    BFloat16,
    EngineError,
    as_bfloat16,
    call,
    lib,
    of_bfloat16,
)
from tests.engine.looks import Looks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Seeded

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
SIZES = (0, 1, 2, 3, 16, 39, 41, 100, 1000, 70_000)


# AVX-512 has kernels of its own, everything else sorts by radix.
@pytest.fixture(params=[isa for isa in direct.isas() if isa != "avx2"], autouse=True)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with direct.using(request.param):
        yield request.param


def line(rng: np.random.Generator, n: int, dtype: str) -> np.ndarray:
    """Random elements of one of several kinds: spread, few different ones, in order, special."""
    kind = rng.integers(5)
    if dtype == "bool":
        return rng.random(n) < 0.5
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        low, high = (limits.min, limits.max) if kind < 3 else (0, 20)
        x = rng.integers(low, high, n, dtype=dtype, endpoint=True)
        return in_order(x) if kind == 2 else x
    if np.dtype(dtype).kind == "c":
        part = f"float{4 * np.dtype(dtype).itemsize}"
        x = np.empty(n, dtype)
        x.real, x.imag = line(rng, n, part), line(rng, n, part)
        return x
    x = (rng.standard_normal(n) * 10.0 ** rng.integers(-3, 4, n)).astype(dtype)
    if kind == 2:
        x = in_order(x)[::-1].copy()
    if kind >= 3:
        special = [0.0, -0.0, np.inf, -np.inf, 1.0, np.finfo(dtype).smallest_subnormal]
        x = rng.choice(np.array(special, dtype), n)
    if kind in (1, 4):
        x[rng.random(n) < 0.2] = np.nan
        x[rng.random(n) < 0.1] = np.copysign(np.nan, -1)
    return x


def in_order(x: np.ndarray) -> np.ndarray:
    """NumPy's own stable sort: its default one of float16 is not always right."""
    return np.sort(x, kind="stable")


def bits(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x).view(f"V{x.itemsize}")


def descending_order(x: np.ndarray) -> np.ndarray:
    """Stable, NaNs last: the ascending order of what is not NaN, mirrored twice."""
    nan = np.isnan(x)
    if x.dtype.kind == "c":
        behind = np.flatnonzero(nan)[np.argsort(x[nan], kind="stable")]
    else:
        behind = np.flatnonzero(nan)
    rest = np.flatnonzero(~nan)[::-1]
    return np.concatenate([rest[np.argsort(x[rest], kind="stable")][::-1], behind])


@pytest.mark.parametrize("dtype", DTYPES)
def test_sort_and_argsort(dtype: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    for n in SIZES:
        for _ in range(12 if n < 1000 else 3):
            x = line(rng, n, dtype)
            for down in (False, True):
                order = descending_order(x) if down else np.argsort(x, kind="stable")
                indices, out = np.empty(n, "i8"), np.empty_like(x)
                call("argsort", x, 0, down, indices)
                assert (indices == order).all()
                call("sort", x, 0, down, out)
                assert (bits(out) == bits(x[order])).all()


def test_bfloat16(rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    x = as_bfloat16(line(rng, 3000, "float32"))
    for down in (False, True):
        values = of_bfloat16(x)
        order = descending_order(values) if down else np.argsort(values, kind="stable")
        indices, out = np.empty(3000, "i8"), BFloat16(np.empty(3000, "u2"))
        call("argsort", x, 0, down, indices)
        assert (indices == order).all()
        call("sort", x, 0, down, out)
        assert (out.bits == x.bits[order]).all()


@pytest.mark.parametrize("dtype", ["int8", "float32", "int64", "complex128"])
def test_axes_and_strides(dtype: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    x = line(rng, 2 * 5 * 7 * 6, dtype).reshape(10, 7, 6)[::-2, :, ::2]
    for axis in range(3):
        expected = np.argsort(x, axis=axis, kind="stable")
        for order in "CF":
            indices, out = np.empty(x.shape, "i8", order), np.empty(x.shape, dtype, order)
            call("argsort", x, axis, False, indices)
            assert (indices == expected).all()
            call("sort", x, axis, False, out)
            assert (bits(out) == bits(np.take_along_axis(x, expected, axis))).all()


def test_in_place_and_overlapping(rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    x = line(rng, 5000, "float64")
    expected = x[np.argsort(x, kind="stable")]
    call("sort", x, 0, False, x)
    assert (bits(x) == bits(expected)).all()
    y = rng.integers(0, 1000, 5001)
    expected = in_order(y[1:])
    call("sort", y[1:], 0, False, y[:-1])
    assert (y[:-1] == expected).all()
    z = rng.integers(0, 1000, 500)
    order = np.argsort(z, kind="stable")
    call("argsort", z, 0, False, z)
    assert (z == order).all()


def test_leading_bits_that_are_equal(rand: Seeded) -> None:
    """64-bit keys travel by their leading bits; what those leave equal is put in order after."""
    rng = np.random.default_rng(rand.getrandbits(32))
    for n in (50, 5000):
        far = rng.integers(0, 3, n) * 2**61 + rng.integers(0, 50, n)
        near = 1.0 + rng.integers(0, 40, n) * 2.0**-52
        near[0] = -1e300
        for x in (far, near):
            indices = np.empty(n, "i8")
            call("argsort", x, 0, False, indices)
            assert (indices == np.argsort(x, kind="stable")).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_partition(dtype: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    for n in (1, 2, 50, 1000, 20_000):
        for _ in range(4):
            x = line(rng, n, dtype)
            k = int(rng.integers(-n, n))
            at = k % n
            ordered = in_order(x)
            out, indices = np.empty_like(x), np.empty(n, "i8")
            call("partition", x, 0, k, out)
            call("argpartition", x, 0, k, indices)
            assert (in_order(indices) == np.arange(n)).all()
            for part in (out, x[indices]):
                # sorting each side apart sorts the whole
                sides = [in_order(part[:at]), part[at : at + 1], in_order(part[at + 1 :])]
                assert np.array_equal(np.concatenate(sides), ordered, equal_nan=dtype[0] in "fc")


def test_partition_of_bad_cases() -> None:
    for x in (np.arange(50_000), np.arange(50_000)[::-1].copy(), np.zeros(50_000, "i8"),
              np.arange(50_000) % 2):  # fmt: skip
        out = np.empty_like(x)
        call("partition", x, 0, 25_000, out)
        assert out[25_000] == in_order(x)[25_000]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("left", [True, False])
def test_searchsorted(dtype: str, left: bool, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    side = "left" if left else "right"
    for n in (0, 1, 2, 3, 7, 100, 1000):
        x = line(rng, n, dtype)
        values = np.concatenate([line(rng, 101, dtype), x])
        ordered = in_order(x)
        out = np.empty(values.shape, "i8")
        call("searchsorted", ordered, values, left, None, out)
        assert (out == np.searchsorted(ordered, values, side)).all()
        order = np.argsort(x, kind="stable")
        call("searchsorted", x, values, left, order, out)
        assert (out == np.searchsorted(ordered, values, side)).all()
    wide = np.zeros((200, 2), dtype)[:, 0]
    wide[...] = in_order(line(rng, 200, dtype))
    values = line(rng, 60, dtype).reshape(5, 12)[:, ::-2]
    out = np.empty((6, 5), "i8").T
    call("searchsorted", wide, values, left, None, out)
    assert (out == np.searchsorted(wide, values, side)).all()


def test_what_does_not_fit_is_refused() -> None:
    x, indices = np.arange(6.0), np.arange(6)
    read_only = np.arange(6.0)
    read_only.flags.writeable = False
    cases = [
        ("AXIS", ("sort", x, 1, False, x.copy()), "axis 1 is out of bounds"),
        ("AXIS", ("sort", np.array(1.0), 0, False, np.array(1.0)), "axis 0 is out of bounds"),
        ("SHAPE", ("sort", x, 0, False, x[:3].copy()), "size 3"),
        ("SHAPE", ("argsort", x.reshape(2, 3), 0, False, indices), "1 dimensions"),
        ("DTYPE", ("sort", x, 0, False, indices), "float64, not int64"),
        ("DTYPE", ("argsort", x, 0, False, x.copy()), "int64, not float64"),
        ("READONLY", ("sort", x, 0, False, read_only), "read-only"),
        ("VALUE", ("partition", x, 0, 6, x.copy()), "out of bounds"),
        ("VALUE", ("argpartition", x, 0, -7, indices), "out of bounds"),
        ("DTYPE", ("searchsorted", x, indices, True, None, indices.copy()), "do not fit"),
        ("SHAPE", ("searchsorted", x.reshape(2, 3), x, True, None, indices), "1 dimension"),
        ("INDEX", ("searchsorted", x, x, True, indices + 1, indices.copy()), "out of bounds"),
        ("SHAPE", ("searchsorted", x, x, True, indices[:2], indices.copy()), "sorter.size"),
    ]
    for kind, arguments, words in cases:
        with pytest.raises(EngineError, match=words) as caught:
            call(*arguments)
        assert caught.value.status == getattr(lib, f"PVT_E_{kind}"), arguments


@pytest.mark.parametrize("dtype", ["int8", "uint16", "float32", "float64", "int64", "complex64"])
@pytest.mark.parametrize("name", ["sort", "argsort", "partition", "argpartition"])
def test_looks_and_cancelling(name: str, dtype: str, rand: Seeded) -> None:
    """A look for every few elements of each pass; ended at any, a call has given back all."""
    n = 400_000
    rng = np.random.default_rng(rand.getrandbits(64))
    x = rng.integers(0, 120, n).astype(dtype) if dtype[-1] == "8" else rng.random(n) * 1e9
    x = x.astype(dtype)
    out = np.empty(n, "i8" if name.startswith("arg") else dtype)
    last = n // 2 if name.endswith("partition") else False
    with Looks() as looks:
        count = looks.run(name, x, 0, last, out)
        assert count >= 3 * (n // 16384)  # elements are read, put in order and written
        for at in {1, 2, count // 3, count // 2, count - 1, count}:
            looks.end(at, name, x, 0, last, out)
