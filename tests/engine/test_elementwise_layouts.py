"""Elementwise operators on arrays that lie in any way, overlap, are empty, or of mixed types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.engine import direct

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

lib, ffi = direct.lib, direct.ffi
SHAPE_ERROR, DTYPE_ERROR, READONLY, CANCELLED, QUOTA = -4, -5, -9, -3, -2
OPERATORS = {
    "PVT_ADD": np.add,
    "PVT_DIVIDE": np.divide,
    "PVT_LESS": np.less,
    "PVT_EQUAL": np.equal,
    "PVT_FLOOR_DIVIDE": np.floor_divide,
    "PVT_POWER": np.power,
    "PVT_MAXIMUM": np.maximum,
    "PVT_HYPOT": np.hypot,
}


@pytest.fixture(params=direct.isas(), autouse=True)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with direct.using(request.param):
        yield request.param


def lay(values: np.ndarray, rand: random.Random) -> np.ndarray:
    """The same values somewhere else: transposed, reversed, with gaps, or plain."""
    axes = list(range(values.ndim))
    rand.shuffle(axes)
    steps = [rand.choice([1, 1, 2, 3, -1, -2]) for _ in axes]
    shape = [values.shape[a] * abs(s) + rand.randrange(2) for a, s in zip(axes, steps, strict=True)]
    room = np.empty(shape, values.dtype)
    inner = room[(*(slice(None, None, s) for s in steps), ...)]
    inner = inner[(*(slice(values.shape[a]) for a in axes), ...)]
    view = inner.transpose(np.argsort(axes))
    view[...] = values
    return view


def broadcastable(shape: tuple[int, ...], rand: random.Random) -> tuple[int, ...]:
    kept = tuple(1 if rand.random() < 0.2 else size for size in shape)
    return kept[rand.choice([0, 0, 0, 1, len(kept)]) :]


def values(shape: tuple[int, ...], dtype: str, rand: random.Random) -> np.ndarray:
    rng = np.random.default_rng(rand.getrandbits(32))
    return np.asarray(rng.integers(1, 9, shape)).astype(dtype)


@pytest.mark.parametrize("name", OPERATORS)
def test_any_layout_and_mixed_types(name: str, rand: random.Random) -> None:
    op = OPERATORS[name]
    for _ in range(60):
        shape = tuple(rand.choice([1, 2, 3, 5, 17, 40]) for _ in range(rand.randrange(4)))
        a, b = (
            lay(values(broadcastable(shape, rand), rand.choice(direct.NUMPY_DTYPES), rand), rand)
            for _ in range(2)
        )
        try:
            with np.errstate(all="ignore"):
                wanted = op(a, b)
        except TypeError:
            continue
        out = lay(np.zeros(wanted.shape, wanted.dtype), rand)
        direct.call("binary", name, a, b, out)
        digits = 1e-2 if wanted.dtype == np.float16 else 1e-5
        np.testing.assert_allclose(out, wanted, digits if wanted.dtype.kind in "fc" else 0)
        other = lay(np.zeros(wanted.shape, "float64"), rand)
        if wanted.dtype.kind != "c":
            direct.call("binary", name, a, b, other)
            np.testing.assert_allclose(other, wanted, digits)


def test_where_and_clip(rand: random.Random) -> None:
    for _ in range(300):
        shape = tuple(rand.choice([1, 2, 3, 5, 17, 70]) for _ in range(rand.randrange(4)))
        dtype = rand.choice(direct.NUMPY_DTYPES)
        a, b, low, high = (
            lay(values(broadcastable(shape, rand), dtype, rand), rand) for _ in range(4)
        )
        condition = lay(values(broadcastable(shape, rand), "int8", rand) > 4, rand)
        wanted = np.where(condition, a, b)
        out = lay(np.zeros(wanted.shape, dtype), rand)
        direct.call("where", condition, a, b, out)
        np.testing.assert_array_equal(out, wanted)
        bounds = rand.choice([(low, high), (low, None), (None, high)])
        with np.errstate(all="ignore"):
            wanted = np.clip(a, *bounds)
        out = lay(np.zeros(wanted.shape, dtype), rand)
        direct.call("clip", a, *bounds, out)
        np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_clip_keeps_nans(dtype: str) -> None:
    x = np.array([np.nan, -5, 0, 5, np.inf, -np.inf] * 20, dtype)
    for low, high in ((-1, 1), (np.nan, 1), (-1, np.nan), (2, -2)):
        limits = np.array(low, dtype), np.array(high, dtype)
        out = np.empty_like(x)
        direct.call("clip", x, *limits, out)
        np.testing.assert_array_equal(out, np.clip(x, *limits))
    with pytest.raises(direct.EngineError, match="a lower or an upper limit"):
        direct.call("clip", x, None, None, x)


@pytest.mark.parametrize("dtype", ["int8", "float32", "float64", "complex128"])
def test_results_over_operands(dtype: str, rand: random.Random) -> None:
    """In place, shifted, reversed, transposed, and of another size."""
    for n in (16, 1000, 40000):
        base = values((n + 7,), dtype, rand)
        for a, b, out in (
            (slice(0, n), slice(0, n), slice(0, n)),
            (slice(0, n), slice(3, n + 3), slice(0, n)),
            (slice(0, n), slice(1, n + 1), slice(2, n + 2)),
            (slice(n - 1, None, -1), slice(0, n), slice(0, n)),
            (slice(0, 1), slice(0, n), slice(0, n)),
        ):
            got, wanted = base.copy(), base.copy()
            direct.call("binary", "PVT_ADD", got[a], got[b], got[out])
            wanted[out] = np.add(wanted[a], wanted[b])
            np.testing.assert_array_equal(got, wanted)
    square = values((40, 40), dtype, rand)
    wanted = square + square.T
    direct.call("binary", "PVT_ADD", square, square.T, square)
    np.testing.assert_array_equal(square, wanted)
    numbers = values((64,), "float64", rand)
    wanted = numbers < 5
    out = numbers.view(bool)[:64]
    direct.call("binary", "PVT_LESS", numbers, np.array(5.0), out)
    np.testing.assert_array_equal(out, wanted)


def test_uint64_with_signed_integers_is_exact() -> None:
    a = np.array([-1, 0, 1, 2**63 - 1, -(2**63), 5], np.int64)
    b = np.array([0, 1, 2**63 - 1, 2**63, 2**64 - 1, 5], np.uint64)
    x, y = np.repeat(a, 6), np.tile(b, 6)
    small = np.array([-1, 0, 1, 127, -128, 5], np.int8)
    for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        out = np.empty(36, bool)
        for left, right in ((x, y), (y, x), (np.repeat(small, 6), y), (y, np.repeat(small, 6))):
            direct.call("binary", f"PVT_{name.upper()}", left, right, out)
            wanted = getattr(np, name)(left.astype(object), right.astype(object))
            np.testing.assert_array_equal(out, wanted.astype(bool))


def test_nothing_to_do() -> None:
    for shape in ((0,), (3, 0), (0, 5, 2)):
        x = np.empty(shape, "float32")
        direct.call("binary", "PVT_ADD", x, np.float32([1]), x)
        direct.call("unary", "PVT_EXP", x, np.empty(shape, "float64"))


def fails(status: int, words: str, *arguments: object) -> None:
    with pytest.raises(direct.EngineError, match=words) as caught:
        direct.call(*arguments)
    assert caught.value.status == status


def test_errors() -> None:
    x, b = np.ones(3, "float32"), np.ones(3, bool)
    fails(SHAPE_ERROR, "cannot be broadcast", "binary", "PVT_ADD", x, np.ones(4, "float32"), x)
    fails(SHAPE_ERROR, "cannot be broadcast", "unary", "PVT_EXP", np.ones((3, 3), "float32"), x)
    fails(DTYPE_ERROR, "boolean subtract", "binary", "PVT_SUBTRACT", b, b, b)
    fails(DTYPE_ERROR, "boolean negative", "unary", "PVT_NEGATIVE", b, b)
    fails(DTYPE_ERROR, "'gcd' not supported.*float32", "binary", "PVT_GCD", x, x, x)
    fails(DTYPE_ERROR, "'floor' not supported.*complex64", "unary", "PVT_FLOOR", x + 0j, x)
    fails(DTYPE_ERROR, "is float32, not bool", "where", x, x, x, x)
    x.flags.writeable = False
    for size in (slice(None), slice(None, None, 2)):
        fails(READONLY, "read-only", "unary", "PVT_EXP", np.ones(3, "float32")[size], x[size])


@pytest.fixture
def context() -> Iterator[object]:
    """A context whose account admits 1000 bytes and whose attention is never wanted."""

    @ffi.callback("int(void *, size_t)")
    def admit(_: object, size: int) -> int:
        return size <= 1000

    account = lib.pvt_account_new(admit, ffi.NULL)
    made = ffi.new("pvt_context *", {"account": account})
    before = lib.pvt_context_set(made)
    yield made
    lib.pvt_context_set(before)
    assert lib.pvt_account_bytes(account) == 0
    lib.pvt_account_close(account)


def test_quota_for_the_copy_of_an_operand(context: object) -> None:
    assert context
    x = np.arange(2000.0)
    kept = x.copy()
    fails(QUOTA, "memory limit", "binary", "PVT_ADD", x[:-1], x[1:], x[1:])
    np.testing.assert_array_equal(x, kept)


def test_cancelled(context: object) -> None:
    asked = []

    @ffi.callback("int(void *)")
    def attend(_: object) -> int:
        asked.append(1)
        return len(asked) > 3

    attention = ffi.new("uint32_t *", 1)
    context.attention = ffi.cast("void *", attention)
    context.attend = attend
    x = np.ones(1_000_000, "float32")
    out = np.zeros_like(x)
    fails(CANCELLED, "stopped", "unary", "PVT_NEGATIVE", x, out)
    assert 0 < np.count_nonzero(out) < 100_000
    assert len(asked) == 4
