"""Pooling operators of models against NumPy."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, bfloat16, one, run
from .windows_reference import Window, draw, same

if TYPE_CHECKING:
    from tests.conftest import Seeded

FLOATS = (np.float16, bfloat16, np.float32, np.float64)


def halves(rand: Seeded, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    generator = np.random.default_rng(rand.randrange(2**32))
    drawn = generator.integers(-8, 9, shape) / 2
    return (drawn if np.dtype(dtype).kind not in "iu" else abs(drawn * 2)).astype(dtype)


def padded_window(rand: Seeded, spatial: int, auto: str) -> tuple[Window, dict[str, Any]]:
    """A window of which every place sees at least one element, and its attributes."""
    window = draw(rand, spatial)
    window.before = [min(b, k - 1) for b, k in zip(window.before, window.kernel, strict=True)]
    window.after = [min(b, k - 1) for b, k in zip(window.after, window.kernel, strict=True)]
    window.size = [max(s, window.reach(d)) for d, s in enumerate(window.size)]
    more: dict[str, Any] = {"kernel_shape": window.kernel, "strides": window.strides}
    more["dilations"] = window.dilations
    if auto.startswith("SAME"):
        same(window, upper=auto == "SAME_UPPER")
        return window, more | {"auto_pad": auto}
    window.ceil = rand.random() < 0.5
    return window, more | {"pads": window.pads, "ceil_mode": int(window.ceil)}


def stacked(window: Window, x: np.ndarray, outside: float) -> np.ndarray:
    """[kernel places, n, c, ...]: all that each window sees."""
    return np.stack([window.seen(x, begin, outside) for _, begin in window.places()])


def places(x: np.ndarray, window: Window, *, by_column: bool) -> np.ndarray:
    """Where the largest elements are, the first of equal ones in C order."""
    best = np.full((*x.shape[:2], *window.out()), -np.inf)
    found = np.zeros(best.shape, np.int64)
    image = int(np.prod(window.size))
    numbers = np.arange(image).reshape(window.size)
    if by_column:
        numbers = np.arange(image).reshape(window.size[::-1]).T
    where = np.broadcast_to(numbers.astype(float), x.shape)
    for _, begin in window.places():
        seen = window.seen(x.astype(np.float64), begin, -np.inf)
        at = window.seen(where, begin, -1)
        found = np.where(seen > best, at, found).astype(np.int64)
        best = np.maximum(best, seen)
    batch = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * len(window.size))
    return found + batch * image


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("dtype", [*FLOATS, np.int8, np.uint8])
def test_max_pool(rand: Seeded, spatial: int, dtype: Any) -> None:
    for auto in ("", "", "SAME_UPPER", "SAME_LOWER"):
        window, more = padded_window(rand, spatial, auto)
        by_column = rand.random() < 0.5
        x = halves(rand, (2, 3, *window.size), dtype)
        ways = Ways(rand.randrange(2**32), plain=False)
        got = run("MaxPool", x, outputs=2, storage_order=int(by_column), ways=ways, **more)
        agree(got[0], stacked(window, x.astype(np.float64), -np.inf).max(0).astype(dtype))
        agree(got[1], places(x, window, by_column=by_column))


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("dtype", FLOATS)
def test_average_pool(rand: Seeded, spatial: int, dtype: Any) -> None:
    for auto, padded in itertools.product(("", "SAME_UPPER", "SAME_LOWER"), (0, 1)):
        window, more = padded_window(rand, spatial, auto)
        x = halves(rand, (2, 3, *window.size), dtype)
        ways = Ways(rand.randrange(2**32), plain=False)
        got = one("AveragePool", x, count_include_pad=padded, ways=ways, **more)
        ones = np.ones_like(x, dtype=np.float64)
        if padded:  # what lies beyond the padding still does not count
            wide = Window(**{**vars(window), "before": [0] * spatial, "after": [0] * spatial})
            borders = zip(window.size, window.before, window.after, strict=True)
            wide.size = [size + before + after for size, before, after in borders]
            ones = np.ones((2, 3, *wide.size))
            begins = [
                tuple(b + p for b, p in zip(begin, window.before, strict=True))
                for _, begin in window.places()
            ]
            sizes = tuple(slice(0, n) for n in (2, 3, *window.out()))
            counts = np.stack([wide.seen(ones, begin, 0.0) for begin in begins]).sum(0)[sizes]
        else:
            counts = stacked(window, ones, 0.0).sum(0)
        wanted = stacked(window, x.astype(np.float64), 0.0).sum(0) / counts
        agree(got, wanted.astype(dtype), {np.float16: 4e-3}.get(dtype))


@pytest.mark.parametrize("p", [1, 2, 3])
def test_lp_pool(rand: Seeded, p: int) -> None:
    for spatial in (1, 2, 3):
        window, more = padded_window(rand, spatial, "")
        x = halves(rand, (1, 2, *window.size), np.float32)
        wanted = (abs(stacked(window, x.astype(np.float64), 0.0)) ** p).sum(0) ** (1 / p)
        agree(one("LpPool", x, p=p, **more), wanted.astype(np.float32), 1e-5)


@pytest.mark.parametrize("dtype", FLOATS)
def test_global_pools(rand: Seeded, dtype: Any) -> None:
    for size in ([5], [3, 4], [2, 3, 2], []):
        x = halves(rand, (2, 3, *size), dtype)
        axes, wide = tuple(range(2, 2 + len(size))), x.astype(np.float64)
        ways = Ways(rand.randrange(2**32), plain=False)
        agree(one("GlobalMaxPool", x, ways=ways), wide.max(axes, keepdims=True).astype(dtype))
        mean = wide.mean(axes, keepdims=True).astype(dtype)
        agree(one("GlobalAveragePool", x, ways=ways), mean, 3e-2 if dtype == bfloat16 else 4e-3)
        root = np.sqrt((wide**2).sum(axes, keepdims=True)).astype(dtype)
        agree(one("GlobalLpPool", x, ways=ways), root, 3e-2 if dtype == bfloat16 else 4e-3)


def test_unpooling_puts_the_largest_back(rand: Seeded) -> None:
    generator = np.random.default_rng(rand.randrange(2**32))
    x = generator.permutation(2 * 3 * 6 * 4).reshape(2, 3, 6, 4).astype(np.float32)
    y, at = run("MaxPool", x, outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    back = one("MaxUnpool", y, at, kernel_shape=[2, 2], strides=[2, 2])
    assert back.shape == x.shape
    agree(back[back != 0], x[back != 0])
    assert set(y.ravel()) - {0.0} <= set(back.ravel())
    shape = np.array([2, 3, 7, 5])
    wider = one("MaxUnpool", y, at, shape, kernel_shape=[2, 2], strides=[2, 2])
    agree(wider, np.pad(back, [(0, 0), (0, 0), (0, 1), (0, 1)]))


def test_an_index_out_of_bounds_is_refused() -> None:
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        one("MaxUnpool", np.ones((1, 1, 1), np.float32), np.full((1, 1, 1), 99), kernel_shape=[2])


@pytest.mark.parametrize(
    ("shape", "more", "words"),
    [
        ((1, 1, 4), {"kernel_shape": [2, 2]}, "image of 1 dimensions"),
        ((1, 1, 4), {}, "kernel_shape is missing"),
        ((1, 1, 2), {"kernel_shape": [3]}, "larger than the padded image"),
        ((1, 4), {"kernel_shape": [3]}, "dimensions"),
    ],
)
def test_what_does_not_fit_is_said(
    shape: tuple[int, ...], more: dict[str, Any], words: str
) -> None:
    with pytest.raises((ValueError, RuntimeError), match=words):
        one("MaxPool", np.zeros(shape, np.float32), **more)
