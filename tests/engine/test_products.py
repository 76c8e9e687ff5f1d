"""Matrix products against NumPy's: every type, layout and instruction set."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.engine import direct
from tests.engine.direct import EngineError, call, ffi, lib
from tests.engine.looks import Looks

if TYPE_CHECKING:
    from tests.conftest import Seeded

EXACT = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64", "complex64", "complex128")
SHAPES = [
    (1, 1, 1), (1, 7, 5), (7, 1, 5), (3, 3, 0), (0, 3, 4), (5, 33, 70), (16, 16, 16), (31, 29, 37),
    (64, 65, 64), (100, 90, 80), (257, 130, 300), (1, 300, 3000), (3000, 1, 300), (2, 2000, 2),
    (130, 1100, 20), (300, 3, 3),
]  # fmt: skip
LAYOUTS = ("plain", "a.T", "b.T", "a.T b.T", "out.T", "strided")


def matrix(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "bool":
        return rng.random(shape) < 0.2
    if dtype.startswith("complex"):
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    if dtype.startswith("float"):
        return rng.standard_normal(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def strided(a: np.ndarray) -> np.ndarray:
    """The same elements, apart from each other, the rows backwards in memory."""
    wide = np.zeros((2 * a.shape[0] + 1, 3 * a.shape[1] + 1), a.dtype)
    view = wide[1::2, 1::3][::-1]
    view[...] = a
    return view


def assert_product(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    expected = a @ b
    if out.dtype.kind in "biu":
        assert (out == expected).all()
        return
    # |error| <= k eps |a| |b|, element by element; twice that for two orders of adding up
    bound = np.abs(a) @ np.abs(b) * (a.shape[-1] + 4) * np.finfo(out.dtype).eps * 2
    assert (np.abs(out - expected) <= bound).all()


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("dtype", EXACT + FLOATS)
def test_shapes_and_layouts(isa: str, dtype: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    with direct.using(isa):
        for m, n, k in SHAPES:
            if dtype not in ("float32", "float64") and m * n * k > 1_000_000:
                continue
            for layout in LAYOUTS:
                a, b = matrix(rng, (m, k), dtype), matrix(rng, (k, n), dtype)
                out = matrix(rng, (m, n), dtype)  # what is there must not matter
                if "a.T" in layout:
                    a = np.asfortranarray(a)
                if "b.T" in layout:
                    b = np.asfortranarray(b)
                if layout == "out.T":
                    out = np.asfortranarray(out)
                if layout == "strided":
                    a, b, out = strided(a), strided(b), strided(out)
                call("matmul", a, b, out)
                assert_product(out, a, b)


@pytest.mark.parametrize("isa", direct.isas())
def test_random_shapes(isa: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    with direct.using(isa):
        for _ in range(150):
            m, n, k = (int(2 ** rand.uniform(0, 7.5)) for _ in range(3))
            dtype = rand.choice(FLOATS)
            a, b = matrix(rng, (m, k), dtype), matrix(rng, (k, n), dtype)
            a = rand.choice([a, np.asfortranarray(a), strided(a)])
            b = rand.choice([b, np.asfortranarray(b), strided(b)])
            out = np.empty((m, n), dtype)
            call("matmul", a, b, out)
            assert_product(out, a, b)


@pytest.mark.parametrize("dtype", ["float64", "int32", "complex64"])
def test_batches_are_broadcast(dtype: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    shapes = [
        ((5, 3, 4), (4, 6)), ((4, 6), (5, 6, 3)), ((2, 1, 3, 4), (5, 4, 2)), ((7, 1, 4), (7, 4, 1)),
        ((0, 3, 4), (4, 5)), ((1, 3, 4), (0, 4, 5)), ((3, 2, 2, 2), (3, 1, 2, 2)),
    ]  # fmt: skip
    for left, right in shapes:
        a, b = matrix(rng, left, dtype), matrix(rng, right, dtype)
        out = np.empty(np.matmul(a, b).shape, dtype)
        call("matmul", a, b, out)
        assert_product(out, a, b)
        turned = np.empty(out.shape[::-1], dtype).T
        call("matmul", a, b, turned)
        assert_product(turned, a, b)


def test_halves_are_added_up_in_float32(rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    a, b = rng.random((9, 5000)).astype("f2"), rng.random((5000, 3)).astype("f2")
    out = np.empty((9, 3), "f2")
    call("matmul", a, b, out)
    expected = a.astype("f8") @ b.astype("f8")
    assert np.allclose(out, expected, rtol=2**-10, atol=0)
    brains = [direct.as_bfloat16(x) for x in (a, b, out)]
    call("matmul", *brains)
    exact = direct.of_bfloat16(brains[0]).astype("f8") @ direct.of_bfloat16(brains[1])
    assert np.allclose(direct.of_bfloat16(brains[2]), exact, rtol=2**-7, atol=0)


@pytest.mark.parametrize("size", [3, 20, 100])
def test_result_may_be_an_operand(size: int, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    a, b = rng.random((size, size)), rng.random((size, size))
    expected = a @ b
    call("matmul", a, b, b)
    assert np.allclose(b, expected)
    expected = a @ a.T
    call("matmul", a, a.T, a)
    assert np.allclose(a, expected)


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("size", [4, 40, 200])
def test_nans_and_infinities_come_through(isa: str, size: int) -> None:
    a, b = np.ones((size, size)), np.ones((size, size))
    a[1, 2], b[3, 0] = math.nan, math.inf
    out = np.empty((size, size))
    with direct.using(isa):
        call("matmul", a, b, out)
    assert np.isnan(out[1]).all()
    assert np.isposinf(np.delete(out[:, 0], 1)).all()
    assert np.isfinite(np.delete(out, 1, 0)[:, 1:]).all()


def test_what_does_not_fit_is_refused() -> None:
    a, b, out = np.ones((3, 4)), np.ones((4, 5)), np.ones((3, 5))
    read_only = np.ones((3, 5))
    read_only.flags.writeable = False
    cases = [
        ("shape", (a, np.ones((5, 5)), out), "size 5 is different from 4"),
        ("shape", (a, b, np.ones((3, 4))), "the result's shape"),
        ("shape", (np.ones(4), b, out), "at least 2"),
        ("shape", (np.ones((2, 3, 4)), b, np.ones((3, 3, 5))), "cannot be broadcast"),
        ("shape", (np.ones((2, 3, 4)), b, out), "cannot be broadcast"),
        ("dtype", (a.astype("f4"), b, out), "float32 and float64"),
        ("readonly", (a, b, read_only), "read-only"),
    ]
    for kind, operands, words in cases:
        with pytest.raises(EngineError, match=words) as caught:
            call("matmul", *operands)
        assert caught.value.status == getattr(lib, f"PVT_E_{kind.upper()}")


def test_a_product_can_be_cancelled_and_leaves_no_scratch_memory() -> None:
    """The context is asked often; each n-th answer ends it, whatever it was doing."""
    a, out = np.ones((600, 600)), np.empty((600, 600))
    complex_a, complex_out = np.ones((200, 200), "c8"), np.empty((200, 200), "c8")
    integers, sums = np.ones((300, 300), "i4"), np.empty((300, 300), "i4")
    with Looks() as looks:
        for at in (1, 2, 3):
            for operands in ((a, a.T, out), (complex_a, complex_a, complex_out),
                             (integers, integers.T, sums)):  # fmt: skip
                looks.end(at, "matmul", *operands)
                assert looks.asked == at
        # 432 M operations: every 100 us or so means some 40 looks at the least
        assert looks.run("matmul", a, a, out) >= 40


def test_scratch_memory_is_of_the_account() -> None:
    @ffi.callback("int(void *, size_t)")
    def admit(_: object, size: int) -> int:
        return int(size < 10_000)

    account = lib.pvt_account_new(admit, ffi.NULL)
    context = ffi.new("pvt_context *", {"account": account})
    before = lib.pvt_context_set(context)
    a, out = np.ones((300, 300), "f4"), np.empty((300, 300), "f4")
    try:
        with pytest.raises(EngineError) as caught:
            call("matmul", a, a, out)
        assert caught.value.status == lib.PVT_E_QUOTA
        assert lib.pvt_account_bytes(account) == 0
    finally:
        lib.pvt_context_set(before)
        lib.pvt_account_close(account)


def test_threads_multiply_at_once(rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    a, b = rng.random((150, 200)), rng.random((200, 170))
    expected = np.empty((150, 170))
    call("matmul", a, b, expected)
    wrong = []

    def work() -> None:
        out = np.empty((150, 170))
        for _ in range(20):
            out[...] = 0
            call("matmul", a, b, out)
            if not (out == expected).all():
                wrong.append(out.copy())

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
