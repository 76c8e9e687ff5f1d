"""polyvm.np: choosing and writing elements, diagonals, applied functions, polynomials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from polyvm import np as xp

from .against_numpy import call, compare, same, to_ours


def sample(shape: tuple[int, ...], dtype: str = "float64", seed: int = 11) -> np.ndarray:
    return (np.random.default_rng(seed).normal(0, 20, shape)).astype(dtype)


def changed(name: str, array: np.ndarray, *args: Any, **options: Any) -> None:
    """Compare what a function that writes into its first argument leaves there."""
    mine, theirs = xp.asarray(array.copy()), array.copy()
    expected = call(getattr(np, name), (theirs, *args), options)
    got = call(getattr(xp, name), (mine, *(to_ours(arg) for arg in args)), options)
    assert isinstance(got, Exception) == isinstance(expected, Exception), (got, expected)
    if not isinstance(expected, Exception):
        same(mine, theirs)


@settings(max_examples=100, deadline=None, print_blob=True)
@given(array=arrays.arrays("int64", arrays.array_shapes(max_dims=3), elements=st.integers(-2, 2)))
def test_places_of_elements(array: np.ndarray) -> None:
    compare("argwhere", array)
    compare("flatnonzero", array)
    compare("extract", array > 0, array)
    compare("extract", array.T, array.T)
    changed("place", array, array > 0, [5, 6])
    changed("putmask", array, array > 0, np.arange(100, 103))
    changed("putmask", array.T, array.T < 0, np.arange(100, 103))
    for axis in range(array.ndim):
        compare("compress", np.arange(array.shape[axis]) % 2 == 0, array, axis=axis)
    compare("compress", [True, True, True], array)


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_put(mode: str) -> None:
    for array in (sample((6,), "int32"), sample((3, 4)), sample((4, 3)).T):
        for places in ([0, 2], [-1, 1, 1], [5, 40], [-50], []):
            changed("put", array, places, [7, 8], mode=mode)
            changed("put", array, places, 9, mode=mode)


def test_diagonals() -> None:
    for shape in [(3, 3), (4, 2), (2, 5), (2, 3, 4), (0, 3)]:
        array = sample(shape)
        for offset in (-5, -1, 0, 1, 2):
            compare("diagonal", array, offset)
            compare("trace", array, offset)
            compare("diagonal", array, offset, -1, 0)
    compare("diagonal", sample((3,)))
    compare("diagonal", sample((3, 3)), 0, 1, 1)
    for shape in [(3, 3), (7, 3), (3, 7), (3, 3, 3), (2, 3, 3), (3,)]:
        for wrap in (False, True):
            changed("fill_diagonal", sample(shape), 5, wrap=wrap)
            changed("fill_diagonal", sample(shape), [1, 2], wrap=wrap)


def test_one_of_several() -> None:
    x = sample((3, 5))
    compare("select", [x < 0, x < 10], [x, x**2], 42)
    compare("select", [x < 0], [x.astype("float32")], 0)
    compare("select", [x < 0, True], [1, 2])
    compare("select", [], [])
    compare("choose", np.array([0, 1, 2, 1]), [np.arange(4), np.arange(4) * 10, 7])
    compare("choose", np.array([[0, 3], [-1, 1]]), [[1, 2], [3, 4]], mode="wrap")
    compare("choose", np.array([[0, 3], [-1, 1]]), [[1, 2], [3, 4]], mode="clip")
    compare("choose", np.array([0, 3]), [[1, 2], [3, 4]])
    compare("piecewise", x, [x < 0, x >= 5], [-1, 1])
    compare("piecewise", x, [x < 0, x >= 5], [-1, 1, lambda y: y * 2])
    compare("piecewise", x, [x < 0], [1, 2, 3])
    compare("piecewise", x, x < 0, [lambda y: -y, lambda y: y])


@settings(max_examples=60, deadline=None, print_blob=True)
@given(keys=arrays.arrays("int64", st.tuples(st.integers(1, 3), st.integers(1, 8)),
                          elements=st.integers(0, 3)))  # fmt: skip
def test_lexsort(keys: np.ndarray) -> None:
    compare("lexsort", keys)
    compare("lexsort", tuple(np.stack((key, key[::-1])) for key in keys), axis=1)


def test_indices_of_elements() -> None:
    for shape in [(3, 4), (5,), (2, 3, 4), 6]:
        total = int(np.prod(shape))
        for order in ("C", "F"):
            compare("unravel_index", np.arange(total), shape, order=order)
            compare("unravel_index", total - 1, shape, order=order)
            compare("unravel_index", [[0, total]], shape, order=order)
    for mode in ("raise", "wrap", "clip", ("wrap", "clip")):
        compare("ravel_multi_index", np.array([[3, 6, 2], [4, 5, 1]]), (7, 6), mode=mode)
        compare("ravel_multi_index", np.array([[3, 9], [4, -5]]), (7, 6), mode=mode, order="F")
    compare("ravel_multi_index", (3, 1), (4, 4))
    compare("ravel_multi_index", (3, 1, 1), (4, 4))
    assert list(xp.ndindex(2, 3)) == list(np.ndindex(2, 3))
    assert list(xp.ndindex((2, 0))) == []
    assert list(xp.ndindex()) == [()]
    found = [(place, float(x)) for place, x in xp.ndenumerate(to_ours(sample((2, 3))))]
    assert found == [(place, float(x)) for place, x in np.ndenumerate(sample((2, 3)))]


def test_applied_functions() -> None:
    array = sample((3, 4, 5))
    for axis in (0, 1, 2, -1):
        for name in ("sum", "sort", "cumsum"):
            expected = np.apply_along_axis(getattr(np, name), axis, array)
            same(xp.apply_along_axis(getattr(xp, name), axis, to_ours(array)), expected)
        expected = np.apply_along_axis(lambda v: np.outer(v[:2], v[:2]), axis, array)
        same(xp.apply_along_axis(lambda v: xp.outer(v[:2], v[:2]), axis, to_ours(array)), expected)
    same(
        xp.apply_over_axes(xp.sum, to_ours(array), [0, 2]),
        np.apply_over_axes(np.sum, array, [0, 2]),
    )

    def larger(a: float, b: float, factor: int = 1) -> float:
        return max(a, b) * factor

    for options in ({}, {"otypes": [float]}, {"excluded": ["factor"]}):
        ours, theirs = xp.vectorize(larger, **options), np.vectorize(larger, **options)
        same(ours(to_ours(array), 0.0), theirs(array, 0.0))
        same(ours(to_ours(array[0]), to_ours(array[1, :1]), factor=2),
             theirs(array[0], array[1, :1], factor=2))  # fmt: skip
    pairs = xp.vectorize(lambda v: (v, v > 0))
    same(pairs(to_ours(array[0])), np.vectorize(lambda v: (v, v > 0))(array[0]))
    with pytest.raises(ValueError, match="size 0"):
        xp.vectorize(larger)(xp.zeros(0), 1.0)


def test_polynomials() -> None:
    p, q = np.array([2.0, -3.0, 0.5, 1.0]), np.array([1.0, 2.0])
    compare("polyval", p, sample((3, 4)))
    compare("polyval", [1, 2, 3], 5)
    for name in ("polyadd", "polysub", "polymul"):
        compare(name, p, q)
        compare(name, q.astype("int64"), p.astype("int64"))
    compare("polydiv", p, q)
    compare("polydiv", np.array([1.0, 5.0, 6.0]), np.array([1.0, 2.0]))
    for m in (0, 1, 2, 5):
        compare("polyder", p, m)
        compare("polyint", p, m)
    compare("polyint", p, 2, [6, 5])
    compare("polyint", p, -1)
