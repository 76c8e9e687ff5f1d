"""polyvm.np: order statistics, NaN-skipping reductions, covariance, histograms, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .against_numpy import compare

METHODS = ["inverted_cdf", "averaged_inverted_cdf", "closest_observation"]
METHODS += ["interpolated_inverted_cdf", "hazen", "weibull", "linear", "median_unbiased"]
METHODS += ["normal_unbiased", "lower", "higher", "midpoint", "nearest"]
SHAPES = [(1,), (2,), (7,), (8,), (3, 4), (4, 5, 6), (5, 1, 2)]
DTYPES = ["float64", "float32", "int64", "int16", "uint16", "bool"]


def sample(shape: tuple[int, ...], dtype: str, seed: int = 3, nans: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = (rng.normal(0, 30, shape)).astype("float64")
    if dtype == "bool":
        return values > 0
    if dtype[0] == "u":
        values = np.abs(values)
    array = values.astype(dtype)
    if nans and array.dtype.kind in "fc":
        array[rng.random(shape) < nans] = np.nan
    return array


def axes_of(shape: tuple[int, ...]) -> list[Any]:
    axes: list[Any] = [None, 0, -1]
    return [*axes, (0, 1), (-1, 0)] if len(shape) > 1 else axes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_median_and_ptp(shape: tuple[int, ...], dtype: str) -> None:
    for axis in axes_of(shape):
        for keepdims in (False, True):
            compare("median", sample(shape, dtype), axis=axis, keepdims=keepdims)
            compare("median", sample(shape, dtype, nans=0.3), axis=axis, keepdims=keepdims)
            if dtype != "bool":
                compare("ptp", sample(shape, dtype), axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES[:4])
def test_quantiles(method: str, dtype: str) -> None:
    for shape in SHAPES:
        values = sample(shape, dtype)
        for axis in axes_of(shape):
            for q in (0.5, 0, 1, 0.3, [0.1, 0.9], [[0.25], [0.75]]):
                compare("quantile", values, q, axis=axis, method=method)
            compare("percentile", values, [5, 95], axis=axis, method=method, keepdims=True)
        compare("quantile", sample(shape, dtype, nans=0.4), 0.4, axis=0, method=method)
        compare("nanquantile", sample(shape, dtype, nans=0.4), 0.4, axis=0, method=method)


@settings(max_examples=100, deadline=None, print_blob=True)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    q=st.floats(0, 1),
    method=st.sampled_from(METHODS),
)
def test_quantiles_of_any_values(values: list[float], q: float, method: str) -> None:
    compare("quantile", np.array(values), q, method=method)


def test_weighted_quantiles() -> None:
    values, weights = sample((6, 5), "float64"), np.abs(sample((6, 5), "float64", 4))
    for axis in (None, 0, 1):
        compare("quantile", values, [0.0, 0.2, 0.5, 1.0], axis=axis, weights=weights,
                method="inverted_cdf")  # fmt: skip
    compare("quantile", values, 0.5, axis=0, weights=weights[:, 0], method="inverted_cdf")
    compare("quantile", values, 0.5, weights=weights)
    compare("quantile", values, 0.5, weights=-weights, method="inverted_cdf")


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan"), [0.5, 2]])
def test_quantiles_out_of_range(q: Any) -> None:
    compare("quantile", np.arange(5.0), q)
    compare("quantile", np.arange(5.0), 0.5, method="mean")


@pytest.mark.parametrize("name", ["nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax",
                                  "nanmin", "nanmedian", "nanargmax", "nanargmin"])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int32"])
def test_reductions_without_nans(name: str, dtype: str) -> None:
    for shape in SHAPES:
        for share in (0.0, 0.2, 0.8):
            values = (
                sample(shape, dtype, nans=share) / 8 if dtype != "int32" else sample(shape, dtype)
            )
            values = values.astype(dtype)
            for axis in (None, 0, -1):
                tolerance = 5e-3 if dtype == "float16" else 1e-5
                compare(name, values, axis=axis, rtol=tolerance)
                compare(name, values, axis=axis, keepdims=True, rtol=tolerance)
    compare("nanvar", sample((9,), "float64", nans=0.3), ddof=1)
    compare("nancumsum", sample((3, 9), "float64", nans=0.3), axis=1)
    compare("nancumprod", sample((9,), "float64", nans=0.3))
    compare("nanpercentile", sample((3, 9), "float64", nans=0.3), [10, 60], axis=1)


def test_average() -> None:
    values, weights = sample((3, 4), "float64"), np.abs(sample((3, 4), "float64", 5))
    for axis in (None, 0, 1):
        compare("average", values, axis=axis)
        compare("average", values, axis=axis, weights=weights)
        compare("average", values, axis=axis, weights=weights, returned=True, keepdims=True)
    compare("average", sample((3, 4), "int32"), weights=np.arange(3), axis=0)
    compare("average", values.astype("float32"), weights=np.arange(4, dtype="float32"), axis=1)
    compare("average", values, weights=np.arange(4))
    compare("average", values, weights=np.arange(3), axis=1)
    compare("average", np.arange(3.0), weights=np.zeros(3))
    compare("average", sample((3,), "int64"), returned=True)


def test_covariance() -> None:
    x, y = sample((3, 8), "float64"), sample((2, 8), "float64", 6)
    for name in ("cov", "corrcoef"):
        compare(name, x)
        compare(name, x, y)
        compare(name, x, rowvar=False)
        compare(name, x[0])
        compare(name, x[0], x[1])
        compare(name, x + 1j * x[::-1])
        compare(name, sample((3, 8), "int32"))
    compare("cov", x, bias=True)
    compare("cov", x, ddof=0)
    compare("cov", x, fweights=np.arange(8))
    compare("cov", x, aweights=np.arange(8.0))
    compare("cov", x, fweights=np.arange(8), aweights=np.arange(8.0))
    compare("cov", x, fweights=np.arange(5))
    compare("cov", x, dtype="float32", rtol=1e-4)


RULES = ["auto", "doane", "fd", "rice", "scott", "sqrt", "stone", "sturges"]


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
def test_histograms(dtype: str) -> None:
    for shape in [(100,), (10, 30), (1,)]:
        values = sample(shape, dtype)
        for bins in (1, 10, 33, np.array([-20.0, 0.0, 5.0, 30.0]), [0, 1, 1, 50]):
            compare("histogram", values, bins)
            compare("histogram", values, bins, density=True, rtol=1e-5)
            compare("histogram", values, bins, weights=np.abs(sample(shape, "float64", 9)))
            compare("histogram_bin_edges", values, bins)
        compare("histogram", values, 7, range=(-10, 10))
    compare("histogram", np.zeros(0), 4)
    compare("histogram", np.full(5, 3.0), 4)


@pytest.mark.parametrize("rule", RULES)
def test_estimated_bins(rule: str) -> None:
    for values in (sample((100,), "float64"), np.arange(50.0), np.ones(5), sample((300,), "int64")):
        compare("histogram", values, rule)
    compare("histogram", np.arange(50.0), rule, range=(5, 20))
    compare("histogram", np.arange(5.0), rule, weights=np.ones(5))


def test_histograms_of_bad_input() -> None:
    values = np.arange(5.0)
    compare("histogram", values, 0)
    compare("histogram", values, "middle")
    compare("histogram", values, [3, 2, 1])
    compare("histogram", values, 2.5)
    compare("histogram", values, 3, range=(2, 1))
    compare("histogram", values, 3, range=(0, np.inf))
    compare("histogram", np.array([1, np.nan]), 3)
    compare("histogram", np.array([1, np.nan, 2]), [0, 1, 2])
    compare("histogram", values, 3, weights=np.ones(4))


def test_histograms_of_points() -> None:
    points = sample((200, 3), "float64")
    compare("histogramdd", points, 4)
    compare("histogramdd", points, (2, 3, 4), density=True)
    compare("histogramdd", points, 3, range=[(-10, 10), (0, 5), (-50, 50)])
    compare("histogramdd", points, [[-10.0, 0.0, 10.0], 3, [0.0, 1.0]], weights=np.arange(200.0))
    compare("histogram2d", points[:, 0], points[:, 1])
    compare("histogram2d", points[:, 0], points[:, 1], bins=[3, 4])
    compare("histogram2d", points[:, 0], points[:, 1], bins=np.array([-10.0, 0.0, 5.0]))
    compare("histogram2d", points[:, 0], points[:5, 1])


def test_digitize() -> None:
    values = sample((4, 6), "float64")
    for right in (False, True):
        compare("digitize", values, np.array([-10.0, 0.0, 0.0, 10.0]), right=right)
        compare("digitize", values, np.array([10.0, 0.0, -10.0]), right=right)
        compare("digitize", np.array([0.0, 10.0]), np.array([10.0, 0.0, -10.0]), right=right)
    compare("digitize", values, np.array([1.0, 3.0, 2.0]))
    compare("digitize", np.arange(4), np.array([1, 2]))
