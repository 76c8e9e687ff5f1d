"""polyvm.np.nn against plain NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
import pytest

from polyvm import np

if TYPE_CHECKING:
    from tests.conftest import Seeded


def given(rand: Seeded, *shape: int) -> Any:
    return numpy.random.default_rng(rand.getrandbits(32)).integers(-9, 10, shape).astype("f4")


def windows(x: Any, size: tuple[int, ...], stride: int, padding: int, fill: float) -> Any:
    """Give x's windows as the last dimensions."""
    spatial = len(size)
    edges = [(0, 0)] * 2 + [(padding, padding)] * spatial
    padded = numpy.pad(x, edges, constant_values=fill)
    seen = numpy.lib.stride_tricks.sliding_window_view(padded, size, tuple(range(2, 2 + spatial)))
    return seen[(slice(None), slice(None), *[slice(None, None, stride)] * spatial)]


def same(ours: Any, theirs: Any) -> bool:
    return ours.shape == theirs.shape and bool((numpy.asarray(ours) == theirs).all())


def test_conv(rand: Seeded) -> None:
    x, weights, bias = given(rand, 2, 3, 9, 7), given(rand, 4, 3, 3, 2), given(rand, 4)
    seen = windows(x, (3, 2), 2, 1, 0)
    expected = numpy.einsum("nihwab,oiab->nohw", seen, weights) + bias[:, None, None]
    arrays = [np.asarray(a) for a in (x, weights, bias)]
    assert same(np.nn.conv(*arrays, stride=2, padding=1), expected)
    assert same(np.nn.conv(*arrays, stride=(2, 2), padding=[(1, 1), 1]), expected)
    line = np.nn.conv(arrays[0][:, :, 0], arrays[1][:, :, 0], dilation=2)
    seen = windows(x[:, :, 0], (3,), 1, 0, 0)[..., ::2]
    assert same(line, numpy.einsum("niwa,oia->now", seen, weights[:, :, 0]))
    mixed = np.nn.conv(arrays[0].astype("int16"), arrays[1].astype("float64"))
    assert mixed.dtype == np.float64
    split = np.nn.conv(arrays[0][:, :2], arrays[1][:, :1], groups=2)
    assert split.shape == (2, 4, 7, 6)


def test_conv_transposed(rand: Seeded) -> None:
    """<conv(x), y> is <x, transposed(y)>."""
    x, y = given(rand, 1, 4, 8, 9), given(rand, 1, 6, 4, 4)
    weights = np.asarray(given(rand, 6, 2, 3, 4))
    forward = np.nn.conv(np.asarray(x), weights, stride=2, padding=1, groups=2)
    assert forward.shape == y.shape
    back = np.nn.conv_transposed(
        np.asarray(y), weights, stride=2, padding=1, groups=2, output_padding=(1, 1)
    )
    assert back.shape == x.shape
    assert float((forward * np.asarray(y)).sum()) == float((back * np.asarray(x)).sum())


def test_pools(rand: Seeded) -> None:
    x = given(rand, 2, 3, 9, 7)
    ours = np.asarray(x)
    seen = windows(x, (3, 2), 2, 1, -numpy.inf)
    largest, places = np.nn.max_pool(ours, (3, 2), stride=2, padding=1, return_indices=True)
    assert same(largest, seen.max((-2, -1)))
    flat = x.reshape(2, 3, -1)
    taken = numpy.take_along_axis(flat, numpy.asarray(places).reshape(2, 3, -1), -1)
    assert same(largest, taken.reshape(largest.shape))
    zeros = windows(x, (3, 2), 2, 1, 0)
    padded = np.nn.average_pool(ours, (3, 2), stride=2, padding=1, count_padding=True)
    assert numpy.allclose(padded, zeros.mean((-2, -1)))
    counts = windows(numpy.ones_like(x), (3, 2), 2, 1, 0).sum((-2, -1))
    bare = np.nn.average_pool(ours, (3, 2), stride=2, padding=1)
    assert numpy.allclose(bare, zeros.sum((-2, -1)) / counts)
    roots = np.nn.lp_pool(ours, 2, 3)
    expected = (numpy.abs(windows(x, (2, 2), 2, 0, 0)) ** 3).sum((-2, -1)) ** (1 / 3)
    assert numpy.allclose(roots, expected)
    assert np.nn.max_pool(ours, 2).shape == (2, 3, 4, 3)
    assert np.nn.max_pool(ours, 2, ceil_mode=True).shape == (2, 3, 5, 4)


def test_what_does_not_fit() -> None:
    x = np.ones((1, 2, 5), dtype="float32")
    with pytest.raises(ValueError, match="stride has 2 entries for an image of 1 sizes"):
        np.nn.max_pool(x, 2, stride=(1, 1))
    with pytest.raises(ValueError, match="3 to 5 dimensions, not 2"):
        np.nn.max_pool(x[0], 2)
    with pytest.raises(ValueError, match="do not fit 2 channels"):
        np.nn.conv(x, np.ones((1, 3, 1), dtype="float32"))
    with pytest.raises(ValueError, match="at least 1"):
        np.nn.conv(x, np.ones((1, 2, 1), dtype="float32"), stride=0)
    with pytest.raises(TypeError, match="bool"):
        np.nn.conv(x > 0, x > 0)
