"""Convolutions and pooling: what models are made of, as functions of arrays.

Images are [n, channels, sizes...] with one to three sizes. ``stride``, ``dilation`` and windows are
an integer or one for each size; ``padding`` is an integer, one for each size, or a pair (before,
after) for each; negative ones leave elements out.
"""

from __future__ import annotations

from polyvm.np import _core as core
from polyvm.np._types import result_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["average_pool", "conv", "conv_transposed", "lp_pool", "max_pool"]

_MAX, _AVERAGE, _AVERAGE_PADDED, _LP = range(4)


def _each(value: int | Sequence[int], spatial: int, name: str) -> tuple[int, ...]:
    values = (value,) * spatial if isinstance(value, int) else tuple(value)
    if len(values) != spatial:
        raise ValueError(f"{name} has {len(values)} entries for an image of {spatial} sizes")
    return values


def _paddings(padding: Any, spatial: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    pairs = [
        (one, one) if isinstance(one, int) else tuple(one)
        for one in ([padding] * spatial if isinstance(padding, int) else padding)
    ]
    if len(pairs) != spatial or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"padding has not one entry, or one pair, for each of {spatial} sizes")
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def _image(x: Any) -> tuple[Any, int]:
    array = core.asarray(x)
    if not 3 <= array.ndim <= 5:
        raise ValueError(f"an image has 3 to 5 dimensions, not {array.ndim}")
    return array, array.ndim - 2


def _operands(x: Any, weights: Any, bias: Any) -> tuple[Any, Any, Any, int]:
    image, spatial = _image(x)
    kernel = core.asarray(weights)
    if kernel.ndim != image.ndim:
        raise ValueError(f"an image of {image.ndim} dimensions and weights of {kernel.ndim}")
    given = [image, kernel] if bias is None else [image, kernel, core.asarray(bias)]
    dtype = result_type(*given)
    given = [one.astype(dtype, copy=False) for one in given]
    return given[0], given[1], given[2] if bias is not None else None, spatial


def conv(
    x: Any,
    weights: Any,
    bias: Any = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Any = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Any:
    """Convolve x [n, in, ...] with weights [out, in / groups, ...]; bias is [out]."""
    x, weights, bias, spatial = _operands(x, weights, bias)
    before, after = _paddings(padding, spatial)
    size = tuple(weights.shape[2:])
    window = (
        size,
        _each(stride, spatial, "stride"),
        _each(dilation, spatial, "dilation"),
        before,
        after,
    )
    results = _results(x.shape[2:], window, more=False)
    shape = (x.shape[0], weights.shape[0], *results)
    return core.tensor._nn_conv(x, weights, bias, window, groups, False, shape)


def conv_transposed(
    x: Any,
    weights: Any,
    bias: Any = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Any = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    output_padding: int | Sequence[int] = 0,
) -> Any:
    """Transpose a convolution; weights are [in, out / groups, ...].

    ``output_padding`` makes results larger at their ends, by less than the stride.
    """
    x, weights, bias, spatial = _operands(x, weights, bias)
    before, after = _paddings(padding, spatial)
    strides, dilations = _each(stride, spatial, "stride"), _each(dilation, spatial, "dilation")
    added, size = _each(output_padding, spatial, "output_padding"), tuple(weights.shape[2:])
    results = [
        strides[d] * (x.shape[2 + d] - 1)
        + dilations[d] * (size[d] - 1)
        + 1
        - before[d]
        - after[d]
        + added[d]
        for d in range(spatial)
    ]
    shape = (x.shape[0], weights.shape[1] * groups, *results)
    window = (size, strides, dilations, before, after)
    return core.tensor._nn_conv(x, weights, bias, window, groups, True, shape)


def _results(sizes: Any, window: tuple[tuple[int, ...], ...], *, more: bool) -> list[int]:
    results = []
    for total, size, stride, dilation, before, after in zip(sizes, *window, strict=True):
        if stride < 1 or dilation < 1 or size < 1:
            raise ValueError("windows, strides and dilations must be at least 1")
        room = total + before + after - dilation * (size - 1) - 1
        fit = room // stride + 1 if room >= 0 else 0
        begins = fit * stride < total + before
        results.append(fit + (more and begins and room >= 0 and room % stride > 0))
    return results


def _pool(
    op: int, x: Any, size: Any, stride: Any, padding: Any, dilation: Any, more: bool, p: float = 0,
    places: bool = False,
) -> Any:  # fmt: skip
    x, spatial = _image(x)
    sizes = _each(size, spatial, "size")
    before, after = _paddings(padding, spatial)
    strides = sizes if stride is None else _each(stride, spatial, "stride")
    window = (sizes, strides, _each(dilation, spatial, "dilation"), before, after)
    shape = (*x.shape[:2], *_results(x.shape[2:], window, more=more))
    return core.tensor._nn_pool(op, x, window, p, shape, places)


def max_pool(
    x: Any,
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Any = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Give what is largest under each window; NaNs win. The stride is the window's size if None.

    With ``ceil_mode`` a last window may end beyond the image. ``return_indices`` gives a second
    array: where the first largest element lies, counted in one channel's image in C order.
    """
    return _pool(_MAX, x, size, stride, padding, dilation, ceil_mode, places=return_indices)


def average_pool(
    x: Any,
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Any = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    count_padding: bool = False,
) -> Any:
    """Average what is under each window; padding counts as zeros with ``count_padding``."""
    op = _AVERAGE_PADDED if count_padding else _AVERAGE
    return _pool(op, x, size, stride, padding, dilation, ceil_mode)


def lp_pool(
    x: Any,
    size: int | Sequence[int],
    p: float = 2,
    *,
    stride: int | Sequence[int] | None = None,
    padding: Any = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Any:
    """Take the p-th root of the sum of |x|^p under each window, of floats."""
    return _pool(_LP, x, size, stride, padding, dilation, ceil_mode, p)
