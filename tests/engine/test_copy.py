"""Conversion between all types, copies between all layouts, filling, ranges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Seeded
from tests.engine import direct
from tests.engine.direct import BFloat16, call

ISAS = direct.isas()
REAL = ("float16", "float32", "float64")


def interesting(dtype: str, rand: Seeded, count: int = 300) -> np.ndarray:
    """Special values of a type, then random bits."""
    kind = np.dtype(dtype)
    bits = np.frombuffer(rand.randbytes(count * kind.itemsize), np.uint8)
    if dtype == "bool":
        return (bits & 1).view(bool)
    values = bits.view(dtype).copy()
    if kind.kind in "iu":
        info = np.iinfo(dtype)
        special = [info.min, info.min + 1, 0, 1, info.max - 1, info.max]
        special += [v for v in (-1, 2048, 2049, 2**24 + 1, 2**53 + 1) if info.min <= v <= info.max]
        values[: len(special)] = special
        return values
    edges = [0.0, 1.0, 0.5, 1.5, 2049.0, 65504.0, 65519.0, 65520.0, 65536.0, 1e-8, 6e-8, 1e-40]
    edges += [2.0**e for e in (7, 8, 15, 16, 31, 32, 63, 64)]
    edges += [np.nextafter(np.float32(2.0**e), np.float32(0)) for e in (31, 32, 63, 64)]
    edges += [np.inf, np.nan, 127.5, 128.5, 2147483647.5, 1 + 2.0**-11, 1 + 2.0**-11 + 2.0**-40]
    with np.errstate(over="ignore"):
        special_floats = np.array([s * e for e in edges for s in (1, -1)]).astype(dtype)
    values[: special_floats.size] = special_floats
    values[special_floats.size : special_floats.size + 60] = np.array(
        [rand.uniform(-300, 300) for _ in range(60)]
    )
    if kind.kind == "c":
        values.imag[:60] = rand.sample(list(values.real), 60)
    return values


def same(got: np.ndarray, wanted: np.ndarray) -> None:
    """Equal in every bit, but for the sign and payload of NaNs."""
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
    if got.dtype.kind in "fc":
        numbers = ~np.isnan(wanted)
        signs = np.signbit(got.real[numbers]), np.signbit(wanted.real[numbers])
        np.testing.assert_array_equal(*signs)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("to", direct.NUMPY_DTYPES)
@pytest.mark.parametrize("of", direct.NUMPY_DTYPES)
def test_cast(of: str, to: str, isa: str, rand: Seeded) -> None:
    values = interesting(of, rand)
    with np.errstate(all="ignore"):
        wanted = (values if np.dtype(to).kind in "cb" else values.real).astype(to)
        if np.dtype(of).kind in "fc" and np.dtype(to).kind in "iu":
            wanted = scalar_casts(values.real, to)
    with direct.using(isa):
        out = np.zeros(len(values), to)
        call("copy", values, out)
        same(out, wanted)
        wide = np.zeros((len(values), 3), to)
        call("copy", values[::-1], wide[:, 1])
        same(wide[:, 1], wanted[::-1])
        assert not wide[:, [0, 2]].any()


def scalar_casts(values: np.ndarray, to: str) -> np.ndarray:
    """What x86-64's scalar conversions give, whatever vectors NumPy used."""
    bits = np.dtype(to).itemsize * 8
    through = 32 if bits < 32 or to == "int32" else 64
    result = []
    for value in values.astype(np.float64):
        low = -(2 ** (through - 1))
        whole = int(value) if np.isfinite(value) else None
        if to == "uint64" and value >= 2.0**63:
            result.append(whole if whole is not None and whole < 2**64 else 0)
        elif whole is None or not low <= whole < -low:
            result.append(low % 2**bits)
        else:
            result.append(whole % 2**bits)
    return np.array(result, np.uint64).astype(f"uint{bits}").view(to)


@pytest.mark.parametrize("isa", ISAS)
def test_scalar_casts_are_numpys(isa: str) -> None:
    values = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9, -3e9, 300.0, -1.5])
    for of, to in itertools.product(("float32", "float64"), ("int32", "int64")):
        with np.errstate(invalid="ignore"):
            wanted = values.astype(of).astype(to)
        out = np.zeros(len(values), to)
        with direct.using(isa):
            call("copy", values.astype(of), out)
        same(out, wanted)


@pytest.mark.parametrize("isa", ISAS)
def test_float16_every_value(isa: str) -> None:
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    with direct.using(isa):
        for dtype in ("float32", "float64"):
            out = np.zeros(65536, dtype)
            call("copy", halves, out)
            same(out, halves.astype(dtype))
            back = np.zeros(65536, np.float16)
            call("copy", out, back)
            numbers = ~np.isnan(halves)
            assert np.isnan(back[~numbers]).all()
            np.testing.assert_array_equal(
                back[numbers].view(np.uint16), halves[numbers].view(np.uint16)
            )


@pytest.mark.parametrize("isa", ISAS)
def test_bfloat16(isa: str, rand: Seeded) -> None:
    floats = interesting("float32", rand, 4096)
    wanted = direct.as_bfloat16(floats)
    out = BFloat16(np.zeros(floats.size, np.uint16))
    with direct.using(isa):
        call("copy", floats, out)
        np.testing.assert_array_equal(out.bits, wanted.bits)
        back = np.zeros(floats.size, np.float32)
        call("copy", out, back)
        same(back, direct.of_bfloat16(wanted))
        half = np.zeros(floats.size, np.float16)
        call("copy", out, half)
        with np.errstate(over="ignore"):
            same(half, direct.of_bfloat16(wanted).astype(np.float16))
        integers = np.zeros(floats.size, np.int64)
        call("copy", out, integers)
        same(integers, scalar_casts(direct.of_bfloat16(wanted), "int64"))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("of", ["float64", "int32", "uint32", "int64", "uint64"])
def test_bfloat16_is_rounded_once(of: str, isa: str, rand: Seeded) -> None:
    """Values just beside the middle of two bfloat16, where rounding to float32 first errs."""
    values: list[int] = []
    top = {"int32": 31, "uint32": 32, "int64": 63, "uint64": 64, "float64": 53}[of]
    for _ in range(500):
        bits = rand.randint(10, top)
        middle = (rand.randrange(128, 256) << 1 | 1) << (bits - 9)
        values.append(middle + rand.choice((-1, 0, 1)))
    exact = []
    for value in values:  # to nearest even of 8 bits
        shift = value.bit_length() - 8
        low, half = value >> shift, 1 << (shift - 1)
        rest = value & ((1 << shift) - 1)
        up = rest > half or (rest == half and low & 1)
        exact.append(float((low + up) << shift))
    out = BFloat16(np.zeros(len(values), np.uint16))
    with direct.using(isa):
        call("copy", np.array(values, of), out)
    np.testing.assert_array_equal(direct.of_bfloat16(out), exact)


# ---- Layouts ----------------------------------------------------------------


@st.composite
def layouts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of one shape, cut out of larger ones in any order, direction and step."""
    ndim = draw(st.integers(0, 5))
    shape = draw(st.lists(st.integers(0, 7), min_size=ndim, max_size=ndim))
    if ndim and draw(st.booleans()):
        shape[draw(st.integers(0, ndim - 1))] = draw(st.integers(8, 90))

    def one(dtype: str) -> np.ndarray:
        order = draw(st.permutations(range(ndim)))
        steps = draw(
            st.lists(st.sampled_from((1, 1, 1, 2, 3, -1, -2)), min_size=ndim, max_size=ndim)
        )
        full = [shape[d] * abs(steps[d]) for d in order]
        base = np.arange(int(np.prod(full)), dtype=np.int64).astype(dtype).reshape(full)
        return base.transpose(np.argsort(order))[(*(slice(None, None, s) for s in steps), ...)]

    dtype = draw(st.sampled_from(("uint8", "int16", "float32", "float64", "complex128")))
    return one(dtype), one(draw(st.sampled_from((dtype, dtype, "float32", "int64"))))


@settings(max_examples=300, deadline=None, print_blob=True)
@given(layouts(), st.sampled_from(ISAS))
def test_any_layout(pair: tuple[np.ndarray, np.ndarray], isa: str) -> None:
    of, to = pair
    wanted = of.real.astype(to.dtype) if to.dtype.kind != "c" else of.astype(to.dtype)
    if to.base is not None:
        to.base[...] = 0
    with direct.using(isa):
        call("copy", of, to)
    same(to, wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(1, 300), (3, 1000), (1000, 3), (33, 65), (64, 64), (150, 131)])
def test_transposed(shape: tuple[int, int], dtype: str, isa: str) -> None:
    of = np.arange(shape[0] * shape[1]).reshape(shape).astype(dtype)
    to = np.zeros(shape[::-1], dtype)
    with direct.using(isa):
        call("copy", of.T, to)
        same(to, np.ascontiguousarray(of.T))
        wide = np.zeros((shape[1], shape[0] + 5), dtype)
        call("copy", of.T, wide[:, 3:-2])
        same(wide[:, 3:-2], of.T)
        assert not wide[:, :3].any()
        assert not wide[:, -2:].any()
        stack = np.arange(4 * shape[0] * shape[1]).reshape(4, *shape).astype(dtype)
        out = np.zeros((4, *shape[::-1]), dtype)
        call("copy", stack.transpose(0, 2, 1), out)
        same(out, np.ascontiguousarray(stack.transpose(0, 2, 1)))


def test_broadcast_and_overlap() -> None:
    out = np.zeros((3, 4), np.float32)
    call("copy", np.arange(4), out)
    same(out, np.broadcast_to(np.arange(4, dtype=np.float32), (3, 4)))
    for cut in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        got, wanted = np.arange(1000), np.arange(1000)
        wanted[cut[0]] = wanted[cut[1]].copy()
        call("copy", got[cut[1]], got[cut[0]])
        same(got, wanted)
    square = np.arange(10000).reshape(100, 100)
    wanted = square.T.copy()
    call("copy", square.T, square)
    same(square, wanted)
    reverse = np.arange(77)
    call("copy", reverse[::-1], reverse)
    same(reverse, np.arange(77)[::-1])
    same_place = np.arange(20, dtype=np.int32)
    call("copy", same_place.view(np.float32), same_place)
    same(same_place, np.arange(20, dtype=np.int32).view(np.float32).astype(np.int32))


def test_many_dimensions() -> None:
    of = np.arange(2**12).reshape((2,) * 12)
    to = np.zeros((2,) * 12, of.dtype)
    call("copy", of.transpose(range(11, -1, -1)), to)
    same(to, of.transpose(range(11, -1, -1)).copy())


def test_refusals() -> None:
    fixed = np.zeros(3)
    fixed.flags.writeable = False
    with pytest.raises(direct.EngineError, match="read-only") as raised:
        call("copy", np.zeros(3), fixed)
    assert raised.value.status == direct.lib.PVT_E_READONLY
    with pytest.raises(direct.EngineError) as raised:
        call("copy", np.zeros((2, 3)), np.zeros((3, 2)))
    assert (
        str(raised.value) == "could not broadcast input array from shape (2, 3) into shape (3, 2)"
    )


# ---- Filling, ranges --------------------------------------------------------


@pytest.mark.parametrize("dtype", direct.NUMPY_DTYPES)
def test_fill(dtype: str) -> None:
    one = np.array([1], dtype)
    out = np.zeros((5, 40), dtype)
    call("fill", out[:, ::2], direct.ffi.from_buffer(one))
    assert (out[:, ::2] == 1).all()
    assert not out[:, 1::2].any()


@pytest.mark.parametrize("dtype", direct.NUMPY_DTYPES[1:])
def test_arange(dtype: str) -> None:
    out = np.zeros(3000, dtype)
    with np.errstate(over="ignore"):
        call("arange_int", out, 5, -3)
        same(out, np.arange(5, 5 - 9000, -3).astype(dtype))
    if np.dtype(dtype).kind in "fc":
        call("arange_float", out[::-1], 0.5, 0.125)
        same(out[::-1], (0.5 + np.arange(3000) * 0.125).astype(dtype))
    call("arange_int", out[:0], 1, 1)
    with pytest.raises(direct.EngineError):
        call("arange_int", np.zeros((2, 2)), 0, 1)
