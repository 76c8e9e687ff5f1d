"""Quick ways of common calls give what the general ways give: NumPy's results and errors."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from polyvm import np

SIZES = (0, 1, 16, 63, 64, 65, 1000, 2049)
TYPES = ("int8", "float16", "int32", "float64", "complex128", "bool")
INTEGERS = ("int8", "uint8", "int32", "int64", "uint64", "bool")


def check(ours: Any, theirs: Any) -> None:
    mine = numpy.asarray(ours)
    assert mine.dtype == theirs.dtype
    numpy.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", SIZES)
def test_one_key(dtype: str, size: int) -> None:
    rng = numpy.random.default_rng(size)
    whole = rng.integers(0, 100, size).astype(dtype)
    for step in (1, 2, -1):
        x, mine = whole[::step], np.asarray(whole, copy=True)[::step]
        check(mine, x)
        mask = rng.random(len(x)) < 0.4
        check(mine[np.asarray(mask)], x[mask])
        for count in (0, 2, 64, 66) if len(x) else ():
            indices = rng.integers(-len(x), len(x), count)
            for one in (indices, indices[::-1], indices.reshape(2, -1)):
                check(mine[np.asarray(one)], x[one])


@pytest.mark.parametrize("place", [5, -6])
def test_indices_out_of_bounds(place: int) -> None:
    with pytest.raises(IndexError, match=f"index {place} is out of bounds for axis 0 with size 5"):
        np.arange(5)[np.asarray([0, place])]


@pytest.mark.parametrize("times", [0, 1, 3])
@pytest.mark.parametrize("shape", [(0,), (7,), (2, 3)])
def test_repeat_and_tile(shape: tuple[int, ...], times: int) -> None:
    x = numpy.arange(numpy.prod(shape)).reshape(shape)
    mine = np.asarray(x, copy=True)
    check(np.tile(mine, times), numpy.tile(x, times))
    for axis in (None, 0, -1):
        check(np.repeat(mine, times, axis=axis), numpy.repeat(x, times, axis=axis))
        check(np.repeat(mine.T, times, axis=axis), numpy.repeat(x.T, times, axis=axis))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("other", INTEGERS)
@pytest.mark.parametrize("size", [10, 1001])
def test_isin(dtype: str, other: str, size: int) -> None:
    rng = numpy.random.default_rng(size)
    x, tests = rng.integers(0, 100, size).astype(dtype), rng.integers(0, 100, 7).astype(other)
    if dtype != "bool":
        x[:2] = numpy.iinfo(dtype).min, numpy.iinfo(dtype).max
    for invert in (False, True):
        ours = np.isin(np.asarray(x), np.asarray(tests), invert=invert)
        check(ours, numpy.isin(x, tests, invert=invert))


@pytest.mark.parametrize("ends", [(0, 1), (2, -3), (0, 1e-320), (-1e300, 1e300), (4, 4)])
def test_linspace(ends: tuple[float, float]) -> None:
    for num in (0, 1, 2, 50):
        for endpoint in (True, False):
            ours = np.linspace(*ends, num, endpoint=endpoint)
            check(ours, numpy.linspace(*ends, num, endpoint=endpoint))


def test_dot_says_what_does_not_fit() -> None:
    shapes = r"shapes \(2,3\) and \(2,\) not aligned: 3 \(dim 1\) != 2 \(dim 0\)"
    with pytest.raises(ValueError, match=shapes):
        np.dot(np.ones((2, 3)), np.ones(2))
