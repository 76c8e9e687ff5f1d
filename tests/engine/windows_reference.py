"""Windows over images in plain NumPy, in float64: what convolutions and pooling are held to."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator


@dataclass
class Window:
    """How a window goes over an image; lists are by spatial dimension."""

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    before: list[int]
    after: list[int]
    ceil: bool = False
    size: list[int] = field(default_factory=list)

    @property
    def pads(self) -> list[int]:
        return self.before + self.after

    def reach(self, d: int) -> int:
        return (self.kernel[d] - 1) * self.dilations[d] + 1

    def out(self) -> list[int]:
        """As the standard counts windows; with ceil, the last one begins within the image."""
        found = []
        for d, size in enumerate(self.size):
            room = size + self.before[d] + self.after[d] - self.reach(d)
            count = (-(-room // self.strides[d]) if self.ceil else room // self.strides[d]) + 1
            if self.ceil and (count - 1) * self.strides[d] >= size + self.before[d]:
                count -= 1
            found.append(count)
        return found

    def places(self) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Each place of the kernel: itself, and where its first element lies in the image."""
        for place in itertools.product(*map(range, self.kernel)):
            begin = tuple(
                p * d - b for p, d, b in zip(place, self.dilations, self.before, strict=True)
            )
            yield place, begin

    def seen(self, x: np.ndarray, begin: tuple[int, ...], outside: float) -> np.ndarray:
        """What one place of the kernel sees of x [n, c, ...] in every window."""
        result = x
        for d, size in enumerate(self.size):
            index = begin[d] + np.arange(self.out()[d]) * self.strides[d]
            inside = (index >= 0) & (index < size)
            result = np.take(result, np.clip(index, 0, size - 1), axis=d + 2)
            shape = [1] * result.ndim
            shape[d + 2] = -1
            result = np.where(inside.reshape(shape), result, outside)
        return result


def draw(rand: random.Random, spatial: int, *, least: int = 1) -> Window:
    """Draw a window, and sizes that it fits."""

    def some(low: int, high: int) -> list[int]:
        return [rand.randint(low, high) for _ in range(spatial)]

    window = Window(some(1, 3), some(1, 3), some(1, 2), some(0, 2), some(0, 2))
    window.before = [min(b, window.reach(d) - 1) for d, b in enumerate(window.before)]
    window.after = [min(b, window.reach(d) - 1) for d, b in enumerate(window.after)]
    window.size = [rand.randint(max(least, window.reach(d)), 7) for d in range(spatial)]
    return window


def convolve(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, groups: int, window: Window
) -> np.ndarray:
    x, w = x.astype(np.float64), w.astype(np.float64)
    each_in, each_out = x.shape[1] // groups, w.shape[0] // groups
    y = np.zeros((x.shape[0], w.shape[0], *window.out()))
    for place, begin in window.places():
        seen = window.seen(x, begin, 0.0)
        for g in range(groups):
            part = seen[:, g * each_in : (g + 1) * each_in]
            rows = slice(g * each_out, (g + 1) * each_out)
            y[:, rows] += np.einsum("oi,ni...->no...", w[(rows, slice(None), *place)], part)
    if bias is not None:
        y += bias.astype(np.float64).reshape(-1, *[1] * len(window.size))
    return y


def convolve_transposed(
    x: np.ndarray, w: np.ndarray, groups: int, window: Window, extra: list[int]
) -> np.ndarray:
    """Every element of x adds the kernel, times itself, to where its window is."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    each = x.shape[1] // groups
    spatial = range(len(window.kernel))
    full = [window.strides[d] * (x.shape[d + 2] - 1) + window.reach(d) + extra[d] for d in spatial]
    y = np.zeros((x.shape[0], w.shape[1] * groups, *full))
    for place in itertools.product(*map(range, window.kernel)):
        at = [
            slice(
                place[d] * window.dilations[d],
                place[d] * window.dilations[d] + window.strides[d] * (x.shape[d + 2] - 1) + 1,
                window.strides[d],
            )
            for d in spatial
        ]
        for g in range(groups):
            part = x[:, g * each : (g + 1) * each]
            rows = slice(g * w.shape[1], (g + 1) * w.shape[1])
            kernel = w[(slice(g * each, (g + 1) * each), slice(None), *place)]
            y[(slice(None), rows, *at)] += np.einsum("io,ni...->no...", kernel, part)
    cut = [slice(window.before[d], full[d] - window.after[d]) for d in spatial]
    return y[(slice(None), slice(None), *cut)]


def same(window: Window, *, upper: bool) -> None:
    """Paddings as auto_pad SAME_UPPER and SAME_LOWER choose them."""
    for d, size in enumerate(window.size):
        stride = window.strides[d]
        lost = max(0, (-(-size // stride) - 1) * stride + window.reach(d) - size)
        half = lost // 2
        window.before[d], window.after[d] = (half, lost - half) if upper else (lost - half, half)
