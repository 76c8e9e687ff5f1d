"""Convolutions of models against NumPy: every form of window, type and layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, bfloat16, one
from .windows_reference import convolve, convolve_transposed, draw, same

if TYPE_CHECKING:
    from tests.conftest import Seeded

FLOATS = (np.float16, bfloat16, np.float32, np.float64)
# Sums of so many small whole numbers are exact in every type but bfloat16.
TOLERANCE = {bfloat16: 3e-2, np.float16: 4e-3}


def whole(rand: Seeded, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Small whole numbers, whose products and sums every float type holds."""
    generator = np.random.default_rng(rand.randrange(2**32))
    return generator.integers(-2, 3, shape).astype(dtype)


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("dtype", FLOATS)
def test_conv(rand: Seeded, spatial: int, dtype: Any) -> None:
    for _ in range(8):
        window, groups = draw(rand, spatial), rand.choice([1, 1, 2, 3])
        each, out = rand.randint(1, 3), groups * rand.randint(1, 2)
        x = whole(rand, (rand.randint(1, 2), groups * each, *window.size), dtype)
        w = whole(rand, (out, each, *window.kernel), dtype)
        b = whole(rand, (out,), dtype) if rand.random() < 0.5 else None
        more: dict[str, Any] = {"pads": window.pads}
        pad = rand.choice(["", "", "SAME_UPPER", "SAME_LOWER", "VALID"])
        if pad:
            more = {"auto_pad": pad}
            window.before, window.after = [0] * spatial, [0] * spatial
        if pad.startswith("SAME"):
            same(window, upper=pad == "SAME_UPPER")
        got = one(
            "Conv", x, w, b, group=groups, strides=window.strides, dilations=window.dilations,
            ways=Ways(rand.randrange(2**32), plain=False), **more,
        )  # fmt: skip
        wanted = convolve(x, w, b, groups, window).astype(dtype)
        agree(got, wanted, TOLERANCE.get(dtype))


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("dtype", FLOATS)
def test_conv_transpose(rand: Seeded, spatial: int, dtype: Any) -> None:
    for _ in range(8):
        window, groups = draw(rand, spatial), rand.choice([1, 1, 2])
        each, out = rand.randint(1, 3), rand.randint(1, 2)
        extra = [rand.randint(0, s - 1) for s in window.strides]
        size = [rand.randint(2, 5) for _ in range(spatial)]
        window.before = [min(b, window.reach(d) // 2) for d, b in enumerate(window.before)]
        window.after = [min(b, window.reach(d) // 2) for d, b in enumerate(window.after)]
        x = whole(rand, (rand.randint(1, 2), groups * each, *size), dtype)
        w = whole(rand, (groups * each, out, *window.kernel), dtype)
        got = one(
            "ConvTranspose", x, w, group=groups, strides=window.strides, pads=window.pads,
            dilations=window.dilations, output_padding=extra,
            ways=Ways(rand.randrange(2**32), plain=False),
        )  # fmt: skip
        wanted = convolve_transposed(x, w, groups, window, extra).astype(dtype)
        agree(got, wanted, TOLERANCE.get(dtype))


def test_conv_transpose_of_a_given_shape(rand: Seeded) -> None:
    x, w = whole(rand, (1, 2, 3, 3), np.float32), whole(rand, (2, 1, 3, 3), np.float32)
    for pad in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        got = one("ConvTranspose", x, w, strides=[2, 2], output_shape=[6, 5], auto_pad=pad)
        whole_result = one("ConvTranspose", x, w, strides=[2, 2])
        top = 0 if pad == "SAME_UPPER" else 1  # the odd element goes to the other end
        agree(got, whole_result[:, :, top : top + 6, 1:6])


@pytest.mark.parametrize(("op", "shape"), [("Conv", (3, 2, 3, 3)), ("ConvTranspose", (2, 3, 3, 3))])
def test_an_empty_batch(op: str, shape: tuple[int, ...]) -> None:
    y = one(op, np.zeros((0, 2, 5, 5), np.float32), np.zeros(shape, np.float32))
    assert y.shape == (0, 3, *((3, 3) if op == "Conv" else (7, 7)))


def test_deform_conv_at_rest_is_a_convolution(rand: Seeded) -> None:
    for dtype in (np.float32, np.float64, np.float16):
        window = draw(rand, 2)
        x = whole(rand, (2, 4, *window.size), dtype)
        w = whole(rand, (4, 2, *window.kernel), dtype)
        rows, columns = window.out()
        kernel = window.kernel[0] * window.kernel[1]
        offset = np.zeros((2, 2 * 2 * kernel, rows, columns), dtype)
        mask = np.full((2, 2 * kernel, rows, columns), 0.5, dtype)
        got = one(
            "DeformConv", x, w, offset, whole(rand, (4,), dtype) * 0, mask, group=2,
            offset_group=2, strides=window.strides, dilations=window.dilations, pads=window.pads,
        )  # fmt: skip
        agree(got, (convolve(x, w, None, 2, window) / 2).astype(dtype), TOLERANCE.get(dtype))


def test_deform_conv_moves_by_whole_and_half_elements(rand: Seeded) -> None:
    x = whole(rand, (1, 1, 5, 6), np.float32)
    offset = np.zeros((1, 2, 5, 6), np.float32)
    offset[:, 0], offset[:, 1] = 1, -0.5
    got = one("DeformConv", x, np.ones((1, 1, 1, 1), np.float32), offset)
    padded = np.pad(x, [(0, 0), (0, 0), (0, 1), (1, 0)])
    agree(got, (padded[:, :, 1:, :-1] + padded[:, :, 1:, 1:]) / 2)


@pytest.mark.parametrize(
    ("op", "x", "w", "more", "words"),
    [
        ("Conv", (1, 3, 5, 5), (2, 2, 3, 3), {}, "channels"),
        ("Conv", (1, 2, 2, 2), (2, 2, 3, 3), {}, "larger than the padded image"),
        ("Conv", (1, 2, 5, 5), (2, 2, 3, 3), {"strides": [0, 1]}, "strides is 0"),
        ("Conv", (1, 2, 5, 5), (2, 2, 3, 3), {"auto_pad": "SOME"}, "auto_pad is SOME"),
        ("Conv", (1, 2, 5, 5), (2, 2, 3, 3), {"pads": [1, 1, 1]}, "pads"),
        ("Conv", (1, 2, 5, 5), (2, 2, 3, 3), {"group": 0}, "groups"),
        ("Conv", (1, 2, 5, 5), (2, 2, 3, 3), {"kernel_shape": [2, 2]}, "kernel_shape differs"),
        ("ConvTranspose", (1, 3, 5, 5), (2, 2, 3, 3), {}, "channels"),
        ("ConvTranspose", (1, 2, 1, 1), (2, 2, 1, 1), {"pads": [1, 1, 1, 1]}, "nothing is left"),
    ],
)
def test_what_does_not_fit_is_said(
    op: str, x: tuple[int, ...], w: tuple[int, ...], more: dict[str, Any], words: str
) -> None:
    with pytest.raises((ValueError, RuntimeError), match=words):
        one(op, np.zeros(x, np.float32), np.zeros(w, np.float32), **more)
