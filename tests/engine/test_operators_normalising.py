"""Normalising operators of models against NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, bfloat16, one, run

if TYPE_CHECKING:
    from tests.conftest import Seeded

TOLERANCE = {np.float16: 6e-3, bfloat16: 5e-2, np.float32: 2e-5, np.float64: 1e-10}
SHAPES = [(2, 6, 5), (1, 6), (3, 6, 4, 7), (2, 6, 1, 1), (0, 6, 3), (2, 6, 3, 2, 3), (1, 6, 37, 41)]
EPSILON = 2.0**-10  # a float exactly


def some(rand: Seeded, shape: tuple[int, ...], dtype: Any, low: float = -2) -> np.ndarray:
    generator = np.random.default_rng(rand.randrange(2**32))
    return generator.uniform(low, 2, shape).astype(dtype)


def channels(x: np.ndarray, ndim: int) -> np.ndarray:
    return x.astype(np.float64).reshape(-1, *[1] * (ndim - 2))


def ways(rand: Seeded) -> Ways:
    return Ways(rand.randrange(2**32), plain=False)


def normal(x: np.ndarray, axes: tuple[int, ...], epsilon: float = EPSILON) -> np.ndarray:
    wide = x.astype(np.float64)
    if x.size == 0:
        return wide
    off = wide - wide.mean(axes, keepdims=True)
    return off / np.sqrt((off**2).mean(axes, keepdims=True) + epsilon)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_normalization(rand: Seeded, shape: tuple[int, ...], dtype: Any) -> None:
    x, n = some(rand, shape, dtype), len(shape)
    scale, bias, mean = (some(rand, (6,), dtype) for _ in range(3))
    variance = some(rand, (6,), dtype, 0.5)
    c = [channels(p, n) for p in (scale, bias, mean, variance)]
    wanted = (x.astype(np.float64) - c[2]) / np.sqrt(c[3] + EPSILON) * c[0] + c[1]
    got = one(
        "BatchNormalization", x, scale, bias, mean, variance, epsilon=EPSILON, ways=ways(rand)
    )
    agree(got, wanted.astype(dtype), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("opset", [9, 15])
def test_batch_normalization_while_training(rand: Seeded, dtype: Any, opset: int) -> None:
    if dtype == bfloat16 and opset == 9:
        return
    x = some(rand, (3, 6, 4, 2), dtype)
    scale, bias, mean = (some(rand, (6,), dtype) for _ in range(3))
    variance = some(rand, (6,), dtype, 0.5)
    more = {"training_mode": 1} if opset == 15 else {}
    got = run(
        "BatchNormalization", x, scale, bias, mean, variance, outputs=3 if opset == 15 else 5,
        opset=opset, epsilon=EPSILON, momentum=0.75, **more,
    )  # fmt: skip
    wide, axes = x.astype(np.float64), (0, 2, 3)
    own = [wide.mean(axes), wide.var(axes)]
    running = [
        0.75 * before.astype(np.float64) + 0.25 * now
        for before, now in zip((mean, variance), own, strict=True)
    ]
    y = normal(x, axes) * channels(scale, 4) + channels(bias, 4)
    for result, wanted in zip(got, [y, *running, *own], strict=False):
        agree(result, wanted.astype(dtype), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("groups", [1, 3, 6])
def test_group_and_instance_normalization(
    rand: Seeded, shape: tuple[int, ...], groups: int, dtype: Any
) -> None:
    x, n = some(rand, shape, dtype), len(shape)
    scale, bias = some(rand, (6,), dtype), some(rand, (6,), dtype)
    parted = x.reshape(shape[0], groups, -1) if x.size else x
    y = normal(parted, (-1,)).reshape(shape) * channels(scale, n) + channels(bias, n)
    got = one(
        "GroupNormalization", x, scale, bias, num_groups=groups, epsilon=EPSILON, ways=ways(rand)
    )
    agree(got, y.astype(dtype), TOLERANCE[dtype])
    if groups == 6 and n > 2:
        got = one("InstanceNormalization", x, scale, bias, epsilon=EPSILON, ways=ways(rand))
        agree(got, y.astype(dtype), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_layer_normalization(rand: Seeded, axis: int, dtype: Any) -> None:
    for shape in [(3, 5), (2, 3, 4), (2, 0, 3), (2, 3, 130, 3)]:
        x, axes = some(rand, shape, dtype), tuple(range(axis % len(shape), len(shape)))
        rest = shape[axes[0] :]
        scale = some(rand, rand.choice([rest, rest[-1:], (1,), shape]), dtype)
        bias = some(rand, rand.choice([rest, rest[-1:], (1,), shape]), dtype)
        if rand.random() < 0.3:
            bias = None
        got = run(
            "LayerNormalization", x, scale, bias, outputs=3, axis=axis, epsilon=EPSILON,
            ways=ways(rand),
        )  # fmt: skip
        plus = 0.0 if bias is None else bias.astype(np.float64)
        y = normal(x, axes) * scale.astype(np.float64) + plus
        agree(got[0], y.astype(dtype), TOLERANCE[dtype])
        if x.size == 0:
            continue
        wide = x.astype(np.float64)
        agree(got[1], wide.mean(axes, keepdims=True).astype(np.float32), 1e-5)
        deviation = 1 / np.sqrt(wide.var(axes, keepdims=True) + EPSILON)
        agree(got[2], deviation.astype(np.float32), 1e-4)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_rms_normalization(rand: Seeded, dtype: Any) -> None:
    for shape, axis in [((3, 5), -1), ((2, 3, 4), 1), ((2, 3, 70), -1)]:
        x, axes = some(rand, shape, dtype), tuple(range(axis % len(shape), len(shape)))
        scale, wide = some(rand, shape[axes[0] :], dtype), x.astype(np.float64)
        square = (wide**2).mean(axes, keepdims=True) + EPSILON
        wanted = (wide / np.sqrt(square) * scale.astype(np.float64)).astype(dtype)
        got = one(
            "RMSNormalization", x, scale, axis=axis, epsilon=EPSILON, opset=23, ways=ways(rand)
        )
        agree(got, wanted, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_lp_and_mean_variance_normalization(rand: Seeded, dtype: Any) -> None:
    x = some(rand, (2, 3, 4, 5), dtype)
    x[0, 1] = 0
    wide = x.astype(np.float64)
    for axis in (-1, 0, 2):
        for p in (1, 2):
            norm = np.linalg.norm(wide, p, axis, keepdims=True)
            wanted = wide / np.where(norm == 0, 1, norm)
            got = one("LpNormalization", x, p=p, axis=axis, ways=ways(rand))
            agree(got, wanted.astype(dtype), TOLERANCE[dtype])
    for axes in ((0, 2, 3), (0, 1, 2, 3), (-1,)):
        deviation = wide.std(axes, keepdims=True) + 1e-9
        wanted = (wide - wide.mean(axes, keepdims=True)) / deviation
        got = one("MeanVarianceNormalization", x, axes=axes, ways=ways(rand))
        agree(got, wanted.astype(dtype), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_lrn(rand: Seeded, dtype: Any) -> None:
    for size in (1, 2, 3, 4, 11):
        x = some(rand, (2, 5, 3, 2), dtype)
        wide = x.astype(np.float64)
        sums = np.zeros_like(wide)
        for c in range(5):
            low, high = max(0, c - (size - 1) // 2), c + size - 1 - (size - 1) // 2 + 1
            sums[:, c] = (wide[:, low:high] ** 2).sum(1)
        wanted = wide / (1.5 + 0.75 / size * sums) ** 0.625
        got = one("LRN", x, size=size, alpha=0.75, beta=0.625, bias=1.5, ways=ways(rand))
        agree(got, wanted.astype(dtype), TOLERANCE[dtype])


def test_what_does_not_fit_is_said() -> None:
    x, three = np.zeros((2, 4, 3), np.float32), np.zeros(3, np.float32)
    four = np.zeros(4, np.float32)
    with pytest.raises((ValueError, RuntimeError), match="4 channels"):
        one("BatchNormalization", x, *[three] * 4)
    with pytest.raises((ValueError, RuntimeError), match="3 groups"):
        one("GroupNormalization", x, four, four, num_groups=3)
    with pytest.raises((ValueError, IndexError, RuntimeError), match="axis"):
        one("LayerNormalization", x, three, axis=3)
    with pytest.raises((ValueError, RuntimeError), match="broadcast"):
        one("LayerNormalization", x, four)
