"""Convolutions and pooling against plain NumPy: every type, one to three sizes, odd windows."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.engine import direct
from tests.engine.direct import EngineError, call, ffi

if TYPE_CHECKING:
    from tests.conftest import Seeded

TYPES = ("int8", "int32", "uint16", "int64", "float16", "float32", "float64", "complex64")
POOL_TYPES = ("int8", "uint8", "int16", "uint32", "int64", "float16", "float32", "float64")


class Window:
    """How a window lies: one entry for each size of the image."""

    def __init__(self, spatial: int, rng: np.random.Generator, *, size: int = 3) -> None:
        self.size = rng.integers(1, size + 1, spatial).tolist()
        self.stride = rng.integers(1, 4, spatial).tolist()
        self.dilation = rng.integers(1, 3, spatial).tolist()
        self.before = rng.integers(-1, 3, spatial).tolist()
        self.after = rng.integers(-1, 3, spatial).tolist()

    def struct(self) -> Any:
        made = ffi.new("pvt_window *")
        for name in ("size", "stride", "dilation", "before", "after"):
            for i, value in enumerate(getattr(self, name)):
                getattr(made, name)[i] = value
        return made

    def results(self, sizes: tuple[int, ...]) -> list[int]:
        fit = []
        for i, size in enumerate(sizes):
            room = size + self.before[i] + self.after[i] - self.dilation[i] * (self.size[i] - 1) - 1
            fit.append(room // self.stride[i] + 1 if room >= 0 else 0)
        return fit

    def covers(self, place: tuple[int, ...], sizes: tuple[int, ...]) -> list[Any]:
        """Give (tap, element) pairs of the window at this result that lie on the image."""
        found = []
        for tap in itertools.product(*map(range, self.size)):
            at = tuple(
                place[i] * self.stride[i] + tap[i] * self.dilation[i] - self.before[i]
                for i in range(len(sizes))
            )
            if all(0 <= a < s for a, s in zip(at, sizes, strict=True)):
                found.append((tap, at))
        return found


def convolve(x: Any, weights: Any, window: Window, groups: int) -> Any:
    sizes = x.shape[2:]
    results = window.results(sizes)
    out = np.zeros((x.shape[0], weights.shape[0], *results), x.dtype)
    per = weights.shape[0] // groups
    for place in itertools.product(*map(range, results)):
        for tap, at in window.covers(place, sizes):
            pixel = x[(slice(None), slice(None), *at)].reshape(x.shape[0], groups, -1)
            w = weights[(slice(None), slice(None), *tap)].reshape(groups, per, -1)
            added = np.einsum("ngi,goi->ngo", pixel, w).reshape(x.shape[0], -1)
            out[(slice(None), slice(None), *place)] += added.astype(x.dtype)
    return out


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    values = rng.integers(-9, 10, shape)
    if dtype.startswith("complex"):
        return (values + 1j * rng.integers(-9, 10, shape)).astype(dtype)
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_conv(dtype: str, spatial: int, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    for _ in range(6):
        groups = int(rng.integers(1, 4))
        window = Window(spatial, rng)
        sizes = tuple(int(v) for v in rng.integers(4, 8, spatial))
        channels, more = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
        x = numbers(rng, (2, channels, *sizes), dtype)
        weights = numbers(rng, (more, channels // groups, *window.size), dtype)
        bias = numbers(rng, (more,), dtype)
        wide = np.float64 if np.dtype(dtype) == np.float16 else x.dtype
        expected = convolve(x.astype(wide), weights.astype(wide), window, groups)
        out = np.empty(expected.shape, dtype)
        call("conv", x, weights, None, window.struct(), groups, out)
        assert (out == expected.astype(dtype)).all()
        turned = np.asfortranarray(x)
        call("conv", turned, weights, bias, window.struct(), groups, out)
        column = bias.reshape(-1, *[1] * spatial).astype(wide)
        assert (out == (expected + column).astype(dtype)).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_conv_transposed(dtype: str, spatial: int, rand: Seeded) -> None:
    """<conv(x), y> is <x, transposed(y)> for every x: so one is the other's gradient."""
    rng = np.random.default_rng(rand.getrandbits(32))
    for _ in range(6):
        groups = int(rng.integers(1, 4))
        window = Window(spatial, rng)
        sizes = tuple(int(v) for v in rng.integers(4, 7, spatial))
        channels, more = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
        results = window.results(sizes)
        weights = numbers(rng, (more, channels // groups, *window.size), dtype)
        y = numbers(rng, (1, more, *results), dtype)
        wide = np.int64 if np.dtype(dtype).kind != "c" else np.complex128
        out = np.empty((1, channels, *sizes), dtype)
        call("conv_transposed", y, weights, None, window.struct(), groups, out)
        expected = np.zeros(out.shape, wide)
        per = more // groups
        for place in itertools.product(*map(range, results)):
            for tap, at in window.covers(place, sizes):
                for o in range(more):
                    first = o // per * (channels // groups)
                    for i in range(channels // groups):
                        added = wide(y[(0, o, *place)]) * wide(weights[(o, i, *tap)])
                        expected[(0, first + i, *at)] += added
        assert (out == expected.astype(dtype)).all()


def pooled(op: str, values: Any, count: int, dtype: str) -> Any:
    if op == "PVT_POOL_MAX":
        if len(values):
            return max(values)
        return -np.inf if np.dtype(dtype).kind == "f" else np.iinfo(dtype).min
    if op == "PVT_POOL_LP":
        return float(np.sum(np.abs(np.array(values, float)) ** 3)) ** (1 / 3)
    if np.dtype(dtype).kind != "f":
        total = int(np.sum(values))
        return 0 if count == 0 else int(total / count)
    return np.nan if count == 0 else float(np.sum(np.array(values, float))) / count


@pytest.mark.parametrize(
    "op", ["PVT_POOL_MAX", "PVT_POOL_AVERAGE", "PVT_POOL_AVERAGE_PADDED", "PVT_POOL_LP"]
)
@pytest.mark.parametrize("dtype", POOL_TYPES)
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_pool(op: str, dtype: str, spatial: int, rand: Seeded) -> None:
    if op == "PVT_POOL_LP" and np.dtype(dtype).kind != "f":
        with pytest.raises(EngineError, match="does not take"):
            call(
                "pool",
                op,
                np.ones((1, 1, 2), dtype),
                Window(1, np.random.default_rng()).struct(),
                2.0,
                np.ones((1, 1, 2), dtype),
                None,
            )
        return
    rng = np.random.default_rng(rand.getrandbits(32))
    for _ in range(4):
        window = Window(spatial, rng)
        sizes = tuple(int(v) for v in rng.integers(4, 8, spatial))
        x = numbers(rng, (2, 3, *sizes), dtype)
        results = window.results(sizes)
        for i in range(spatial):  # the last window may begin in the image and end anywhere
            begins = results[i] * window.stride[i]
            if rng.random() < 0.3 and begins < sizes[i] + window.before[i] and window.after[i] >= 0:
                results[i] += 1
        out = np.empty((2, 3, *results), dtype)
        places = np.empty(out.shape, np.int64) if op == "PVT_POOL_MAX" else None
        call("pool", op, x, window.struct(), 3.0, out, places)
        for place in itertools.product(*map(range, results)):
            seen = window.covers(place, sizes)
            count = len(seen)
            if op == "PVT_POOL_AVERAGE_PADDED":
                count = 1
                for i in range(spatial):
                    at = [
                        place[i] * window.stride[i] + t * window.dilation[i]
                        for t in range(window.size[i])
                    ]
                    end = sizes[i] + window.before[i] + window.after[i]
                    count *= sum(1 for a in at if 0 <= a < end)
            for n, c in itertools.product(range(2), range(3)):
                values = [x[(n, c, *at)] for _, at in seen]
                expected = pooled(op, values, count, dtype)
                found = out[(n, c, *place)]
                same = found == expected or (np.isnan(found) and np.isnan(expected))
                close = np.dtype(dtype).kind == "f" and np.isclose(found, expected, rtol=2e-3)
                assert same or close, (found, expected)
                if places is not None and values:
                    assert x[n, c].ravel()[places[(n, c, *place)]] == found


def test_nans_win() -> None:
    x = np.array([[[1, np.nan, 3, 4, 5]]], np.float32)
    out = np.empty((1, 1, 3), np.float32)
    places = np.empty((1, 1, 3), np.int64)
    window = ffi.new("pvt_window *", {"size": [3], "stride": [1], "dilation": [1]})
    for wanted in (None, places):
        call("pool", "PVT_POOL_MAX", x, window, 0.0, out, wanted)
        assert np.isnan(out[0, 0, :2]).all()
        assert out[0, 0, 2] == 5
    assert places.ravel().tolist() == [1, 1, 4]


def test_what_does_not_fit() -> None:
    window = ffi.new("pvt_window *", {"size": [3], "stride": [1], "dilation": [1]})
    x, weights = np.ones((1, 2, 5), np.float32), np.ones((4, 2, 3), np.float32)
    with pytest.raises(EngineError, match="3 windows of 3 fit in 5 elements, not 4"):
        call("conv", x, weights, None, window, 1, np.empty((1, 4, 4), np.float32))
    with pytest.raises(EngineError, match="do not fit 2 channels"):
        call("conv", x, weights, None, window, 2, np.empty((1, 4, 3), np.float32))
    with pytest.raises(EngineError, match="of one type"):
        call("conv", x, weights.astype("f8"), None, window, 1, np.empty((1, 4, 3), np.float32))
    with pytest.raises(EngineError, match="the bias has not one element"):
        call("conv", x, weights, np.ones(3, "f4"), window, 1, np.empty((1, 4, 3), np.float32))
    window.stride[0] = 0
    with pytest.raises(EngineError, match="at least 1"):
        call("pool", "PVT_POOL_MAX", x, window, 0.0, np.empty((1, 2, 3), np.float32), None)


@pytest.mark.parametrize("isa", direct.isas())
def test_large_ones_in_pieces(isa: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    x = rng.integers(-3, 4, (2, 64, 40, 50)).astype(np.float32)
    weights = rng.integers(-3, 4, (24, 64, 3, 3)).astype(np.float32)
    window = ffi.new(
        "pvt_window *", {"stride": [1, 1], "dilation": [1, 1], "before": [1, 1], "after": [1, 1]}
    )
    out = np.empty((2, 24, 40, 50), np.float32)
    with direct.using(isa):
        call("conv", x, weights, None, window, 1, out)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    assert (out == np.einsum("nihwab,oiab->nohw", seen, weights, optimize=True)).all()
