"""Quantised operators of models against NumPy: integers that stand for floats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, bfloat16, one, run
from .windows_reference import convolve, draw

if TYPE_CHECKING:
    from tests.conftest import Seeded

CODES = (np.int8, np.uint8, np.int16, np.uint16)
BYTES = (np.int8, np.uint8)
MS = "com.microsoft"


def codes(rand: Seeded, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    info = np.iinfo(dtype)
    generator = np.random.default_rng(rand.randrange(2**32))
    return generator.integers(info.min, info.max + 1, shape).astype(dtype)


def scales(rand: Seeded, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """Powers of 2: quotients are exact."""
    generator = np.random.default_rng(rand.randrange(2**32))
    return (2.0 ** generator.integers(-5, 0, shape)).astype(dtype)


def ways(rand: Seeded) -> Ways:
    return Ways(rand.randrange(2**32), plain=False)


def quantised(x: np.ndarray, scale: Any, zero: Any, dtype: Any) -> np.ndarray:
    info = np.iinfo(dtype)
    y = np.rint(x.astype(np.float32) / np.asarray(scale, np.float32)) + np.asarray(zero, np.float64)
    return np.clip(y, info.min, info.max).astype(dtype)


def real(x: np.ndarray, scale: Any, zero: Any) -> np.ndarray:
    whole = x.astype(np.int64) - np.asarray(zero).astype(np.int64)
    return whole.astype(np.float64) * np.asarray(scale, np.float64)


def spread(p: np.ndarray, form: str, axis: int, block: int, shape: tuple[int, ...]) -> np.ndarray:
    """Scales or zero points, one for each element of x."""
    if form == "axis":
        p = p.reshape(*[-1 if d == axis else 1 for d in range(len(shape))])
    if form == "block":
        p = np.repeat(p, block, axis)[tuple(slice(0, n) for n in shape)]
    return np.broadcast_to(p, shape)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("form", ["tensor", "axis", "block"])
def test_there_and_back(rand: Seeded, form: str, dtype: Any) -> None:
    for kind in (np.float32, np.float16, bfloat16):
        shape, axis, block = (2, 5, 3, 4), rand.randrange(4), rand.randint(2, 3)
        size = {"tensor": (), "axis": (shape[axis],)}.get(form, shape)
        if form == "block":
            size = tuple(-(-n // block) if d == axis else n for d, n in enumerate(shape))
        scale, zero = scales(rand, size, kind), codes(rand, size, dtype)
        wide = spread(scale.astype(np.float32), form, axis, block, shape)
        zeros = spread(zero, form, axis, block, shape)
        generator = np.random.default_rng(rand.randrange(2**32))
        x = (generator.uniform(-400, 400, shape) * wide).astype(kind)
        more: dict[str, Any] = {"axis": rand.choice([axis, axis - 4])}
        if form == "block":
            more["block_size"] = block
        y = one("QuantizeLinear", x, scale, zero, ways=ways(rand), **more)
        agree(y, quantised(x, wide, zeros, dtype))
        back = one("DequantizeLinear", y, scale, zero, ways=ways(rand), **more)
        agree(back, real(y, wide, zeros).astype(kind))


def test_special_floats_and_bounds() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 127.5, 128.5, -0.5, 0.5, 1.5], np.float32)
    y = one("QuantizeLinear", x, np.float32(1), np.int8(0))
    agree(y, np.array([-128, 127, -128, 127, -128, 127, 127, 0, 0, 2], np.int8))
    agree(one("QuantizeLinear", x[5:8], np.float32(1)), np.array([128, 128, 0], np.uint8))
    large = np.array([2**31 - 1, -(2**31)], np.int32)
    agree(one("DequantizeLinear", large, np.float32(0.5)), large.astype(np.float32) / 2)


def test_dynamic_quantisation(rand: Seeded) -> None:
    generator = np.random.default_rng(rand.randrange(2**32))
    for low, high in ((-3, 5), (1, 4), (-7, -2), (0, 0)):
        x = generator.uniform(low, high, (3, 7)).astype(np.float32)
        y, scale, zero = run("DynamicQuantizeLinear", x, outputs=3, ways=ways(rand))
        assert y.dtype == zero.dtype == np.uint8
        assert np.all(abs(real(y, scale, zero) - x) <= scale * 0.5001)
        assert zero == np.clip(np.rint(-min(0, x.min()) / scale), 0, 255)


@pytest.mark.parametrize("a_type", BYTES)
@pytest.mark.parametrize("b_type", BYTES)
def test_integer_products(rand: Seeded, a_type: Any, b_type: Any) -> None:
    for m, k, n in ((1, 1, 1), (3, 5, 4), (2, 300, 33), (0, 3, 2), (4, 0, 3)):
        for batch in ((), (2,), (2, 3)):
            a, b = codes(rand, (*batch, m, k), a_type), codes(rand, (k, n), b_type)
            a_zero = codes(rand, rand.choice([(), (m,)]), a_type)
            b_zero = codes(rand, rand.choice([(), (n,)]), b_type)
            left = a.astype(np.int64) - (
                a_zero.astype(np.int64)[..., None] if a_zero.ndim else a_zero
            )
            right = b.astype(np.int64) - b_zero.astype(np.int64)
            got = one("MatMulInteger", a, b, a_zero, b_zero, ways=ways(rand))
            agree(got, (left @ right).astype(np.int32))


def test_integer_vectors(rand: Seeded) -> None:
    a, b = codes(rand, (5,), np.uint8), codes(rand, (5, 3), np.int8)
    agree(one("MatMulInteger", a, b), (a.astype(np.int32) @ b.astype(np.int32)))
    agree(one("MatMulInteger", a, b[:, 0]), np.int32(a.astype(np.int32) @ b[:, 0].astype(np.int32)))


def near(got: np.ndarray, wanted: np.ndarray) -> None:
    """The same codes, but for ties that another order of roundings decides otherwise."""
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    assert np.all(abs(got.astype(int) - wanted.astype(int)) <= 1)
    assert np.mean(got == wanted) > 0.9 or got.size < 10


@pytest.mark.parametrize("dtype", BYTES)
def test_quantised_products(rand: Seeded, dtype: Any) -> None:
    m, k, n = 4, 9, 6
    a, b = codes(rand, (2, m, k), dtype), codes(rand, (k, n), dtype)
    a_scale, b_scale = scales(rand, ()), scales(rand, rand.choice([(), (n,)]))
    a_zero, b_zero = codes(rand, (), dtype), codes(rand, b_scale.shape, dtype)
    y_scale, y_zero = np.float32(a_scale * b_scale.max() * 700), codes(rand, (), dtype)
    exact = real(a, a_scale, a_zero) @ real(b, b_scale, b_zero)
    got = one(
        "QLinearMatMul", a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero, ways=ways(rand)
    )
    near(got, quantised(exact, y_scale, y_zero, dtype))
    bias = np.random.default_rng(rand.randrange(2**32)).uniform(-1, 1, n).astype(np.float32)
    got = one("MatMulIntegerToFloat", a, b, a_scale, b_scale, a_zero, b_zero, bias, domain=MS)
    agree(got, (exact + bias).astype(np.float32), 1e-5)
    got = one("QGemm", a[0], a_scale, a_zero, b.T.copy(), b_scale, b_zero, None, y_scale, y_zero,
              domain=MS, transB=1, alpha=0.5)  # fmt: skip
    near(got, quantised(exact[0] / 2, y_scale, y_zero, dtype))
    got = one("QGemm", a[0], a_scale, a_zero, b, b_scale, b_zero, domain=MS)
    agree(got, exact[0].astype(np.float32), 1e-5)
    x = real(a, a_scale, a_zero).astype(np.float32)
    got = one("DynamicQuantizeMatMul", x, b, b_scale, b_zero, bias, domain=MS)
    rough = abs(x).max() / 100 * abs(real(b, b_scale, b_zero)).sum(0).max()
    np.testing.assert_allclose(got, exact + bias, atol=rough)


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("dtype", BYTES)
def test_integer_convolutions(rand: Seeded, spatial: int, dtype: Any) -> None:
    for groups in (1, 2):
        window = draw(rand, spatial)
        x = codes(rand, (2, 2 * groups, *window.size), np.uint8)
        w = codes(rand, (2 * groups, 2, *window.kernel), dtype)
        x_zero, w_zero = codes(rand, (), np.uint8), codes(rand, (), dtype)
        more = {"group": groups, "strides": window.strides, "pads": window.pads}
        more["dilations"] = window.dilations
        left = x.astype(np.int64) - x_zero.astype(np.int64)
        right = w.astype(np.int64) - w_zero.astype(np.int64)
        exact = convolve(left, right, None, groups, window)
        got = one("ConvInteger", x, w, x_zero, w_zero, ways=ways(rand), **more)
        agree(got, exact.astype(np.int32))
        x_scale, w_scale, y_scale = scales(rand, ()), scales(rand, (2 * groups,)), np.float32(300)
        w_zeros = np.full(2 * groups, w_zero, dtype)
        bias = codes(rand, (2 * groups,), np.int16).astype(np.int32)
        each = [-1, *[1] * spatial]
        wanted = (exact + bias.reshape(each)) * x_scale * w_scale.reshape(each)
        given = [x, x_scale, x_zero, w, w_scale, w_zeros, y_scale, np.uint8(90), bias]
        got = one("QLinearConv", *given, ways=ways(rand), **more)
        near(got, quantised(wanted, y_scale, 90, np.uint8))


@pytest.mark.parametrize("dtype", BYTES)
def test_between_quantised_ends(rand: Seeded, dtype: Any) -> None:
    a, b = codes(rand, (2, 3, 4, 5), dtype), codes(rand, (3, 1, 5), dtype)
    sa, sb, sy = (scales(rand, ()) for _ in range(3))
    za, zb, zy = (codes(rand, (), dtype) for _ in range(3))
    left, right = real(a, sa, za), real(b, sb, zb)
    for op, exact in (("QLinearAdd", left + right), ("QLinearMul", left * right)):
        near(one(op, a, sa, za, b, sb, zb, sy, zy, domain=MS), quantised(exact, sy, zy, dtype))
    small = np.float32(1 / 256)
    sigmoid = 1 / (1 + np.exp(-left))
    near(
        one("QLinearSigmoid", a, sa, za, small, zy, domain=MS), quantised(sigmoid, small, zy, dtype)
    )
    leaky = np.where(left < 0, left * 0.25, left)
    got = one("QLinearLeakyRelu", a, sa, za, sy, zy, domain=MS, alpha=0.25)
    near(got, quantised(leaky, sy, zy, dtype))
    mean = quantised(left.mean((2, 3), keepdims=True), sy, zy, dtype)
    near(one("QLinearGlobalAveragePool", a, sa, za, sy, zy, domain=MS), mean)
    soft = np.exp(left - left.max(-1, keepdims=True))
    soft /= soft.sum(-1, keepdims=True)
    near(
        one("QLinearSoftmax", a, sa, za, small, zy, domain=MS, axis=-1),
        quantised(soft, small, zy, dtype),
    )
    other = codes(rand, (2, 2, 4, 5), dtype)
    joined = np.concatenate([left, real(other, sb, zb)], 1)
    got = one("QLinearConcat", sy, zy, a, sa, za, other, sb, zb, domain=MS, axis=1)
    near(got, quantised(joined, sy, zy, dtype))


def pack(values: np.ndarray, bits: int) -> np.ndarray:
    """[..., n] codes to [..., bytes], the first in the lowest bits."""
    each = 8 // bits
    padded = np.pad(values, [*[(0, 0)] * (values.ndim - 1), (0, -values.shape[-1] % each)])
    parts = padded.reshape(*padded.shape[:-1], -1, each) << (np.arange(each) * bits)
    return parts.sum(-1).astype(np.uint8)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("zeros", ["none", "packed", "float"])
def test_weights_of_few_bits(rand: Seeded, bits: int, zeros: str) -> None:
    generator = np.random.default_rng(rand.randrange(2**32))
    for m, k, n, block in ((1, 32, 5, 16), (3, 40, 70, 16), (2, 64, 3, 32)):
        blocks = -(-k // block)
        values = generator.integers(0, 2**bits, (n, blocks, block))
        scale = generator.uniform(0.5, 2, (n, blocks)).astype(np.float32)
        zero = generator.integers(0, 2**bits, (n, blocks))
        given = {"none": None, "packed": pack(zero, bits), "float": zero.astype(np.float32)}[zeros]
        less = np.full((n, blocks), 2 ** (bits - 1)) if zeros == "none" else zero
        weights = (values - less[..., None]) * scale[..., None].astype(np.float64)
        weights = weights.reshape(n, -1)[:, :k]
        x = generator.uniform(-1, 1, (2, m, k)).astype(np.float32)
        sizes = {"K": k, "N": n, "bits": bits, "block_size": block}
        got = one("MatMulNBits", x, pack(values, bits), scale, given, domain=MS, **sizes)
        np.testing.assert_allclose(got, x.astype(np.float64) @ weights.T, rtol=1e-4, atol=1e-3)


def test_fused_products(rand: Seeded) -> None:
    generator = np.random.default_rng(rand.randrange(2**32))
    a, b = (generator.uniform(-1, 1, s).astype(np.float32) for s in ((2, 3, 4), (2, 5, 4)))
    got = one("FusedMatMul", a, b, domain=MS, transB=1, alpha=0.5)
    agree(got, (a @ b.transpose(0, 2, 1) / 2), 1e-5)
    got = one("FusedMatMul", a.transpose(1, 0, 2).copy(), b, domain=MS, transB=1, transBatchA=1)
    agree(got, a @ b.transpose(0, 2, 1), 1e-5)


def test_what_does_not_fit_is_said() -> None:
    x, scale = np.zeros((2, 4), np.float32), np.ones(3, np.float32)
    with pytest.raises((ValueError, RuntimeError), match="3 scales for an axis of 4"):
        one("QuantizeLinear", x, scale, np.zeros(3, np.int8))
    with pytest.raises((ValueError, RuntimeError), match="blocks of 3"):
        one("QuantizeLinear", x, np.ones((2, 3), np.float32), axis=1, block_size=3)
    with pytest.raises((ValueError, RuntimeError), match="do not fit"):
        one("MatMulInteger", np.zeros((2, 3), np.int8), np.zeros((2, 3), np.int8))
