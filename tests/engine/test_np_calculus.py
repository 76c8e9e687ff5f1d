"""polyvm.np: differences, integrals, interpolation, convolution, cross products, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .against_numpy import compare


def sample(shape: tuple[int, ...], dtype: str = "float64", seed: int = 11) -> np.ndarray:
    return (np.random.default_rng(seed).normal(0, 20, shape)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int16", "complex128"])
def test_gradients(dtype: str) -> None:
    for shape in [(2,), (3,), (7,), (4, 5), (3, 4, 5)]:
        values = sample(shape, dtype)
        for order in (1, 2):
            compare("gradient", values, edge_order=order)
            compare("gradient", values, 2.0, edge_order=order)
            compare("gradient", values, axis=-1, edge_order=order)
            compare("gradient", values, np.cumsum(np.arange(1.0, shape[-1] + 1)), axis=-1,
                    edge_order=order)  # fmt: skip
    compare("gradient", sample((3, 4)), 2.0, np.arange(4.0))
    compare("gradient", sample((3, 4)), 1.0, 2.0, 3.0)
    compare("gradient", sample((3, 4)), axis=(1, 0))
    compare("gradient", sample((1,)))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_integrals_and_differences(dtype: str) -> None:
    for shape in [(5,), (3, 4)]:
        values = sample(shape, dtype)
        compare("trapezoid", values)
        compare("trapezoid", values, dx=0.5, axis=0)
        compare("trapezoid", values, np.arange(float(shape[-1])) ** 2)
        compare("ediff1d", values)
        compare("ediff1d", values, to_end=[1, 2], to_begin=7)
        compare("unwrap", values)
        compare("unwrap", values, period=7)
        compare("unwrap", values, discont=20.0, axis=0)
    compare("unwrap", np.array([0.0, np.pi, 2 * np.pi, -np.pi]))
    compare("ediff1d", np.arange(3), to_end=[1.5])


@settings(max_examples=200, deadline=None, print_blob=True)
@given(
    points=st.lists(st.integers(-20, 20), min_size=1, max_size=8, unique=True),
    at=st.lists(st.floats(-30, 30) | st.sampled_from([np.nan, np.inf, -np.inf]), max_size=6),
    seed=st.integers(0, 99),
)
def test_interpolation(points: list[int], at: list[float], seed: int) -> None:
    xp = np.sort(np.array(points)).astype(float)
    fp = sample(xp.shape, seed=seed)
    compare("interp", np.array(at, dtype=float), xp, fp)
    compare("interp", np.array(at, dtype=float), xp, fp, left=-1.0, right=5.0)
    compare("interp", 0.5, xp, fp)
    compare("interp", np.array([a for a in at if np.isfinite(a)], dtype=float), xp, fp, period=43.0)
    compare("interp", np.array(at, dtype=float), xp, fp + 1j)


def test_interpolation_of_bad_input() -> None:
    compare("interp", 1.0, [], [])
    compare("interp", 1.0, [1.0, 2.0], [1.0])
    compare("interp", 1.0, [1.0, 2.0], [1.0, 2.0], period=0)
    compare("interp", [0.5, 1.5], [0.0, 1.0, 2.0], [np.inf, np.inf, 1.0])


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "complex128", "bool"])
def test_convolution(name: str, dtype: str) -> None:
    for n in (1, 2, 3, 8, 30):
        for m in (1, 2, 4, 7, 8):
            a, v = sample((n,)).astype(dtype), sample((m,), seed=2).astype(dtype)
            if dtype == "complex128":
                a, v = a + 1j * a[::-1], v - 2j
            if dtype == "bool" and name == "correlate":
                continue
            for mode in ("full", "same", "valid"):
                compare(name, a, v, mode, rtol=1e-4 if dtype == "float32" else 1e-8)
    compare(name, np.arange(3.0), np.arange(0.0))
    compare(name, np.arange(3.0), np.arange(2.0), "most")
    compare(name, np.arange(3), np.arange(2.0))


def test_cross_products() -> None:
    for a, b in [((3,), (3,)), ((4, 3), (4, 3)), ((4, 3), (3,)), ((2, 1, 3), (5, 3))]:
        compare("cross", sample(a), sample(b, seed=4))
        compare("cross", sample(a, "int64"), sample(b, "int64", 4))
    compare("cross", sample((3, 4)), sample((3, 4)), axis=0)
    compare("cross", sample((3, 4)), sample((4, 3)), axisa=0, axisb=1, axisc=0)
    compare("cross", sample((4,)), sample((4,)))
