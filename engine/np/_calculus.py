"""Differences, integrals, interpolation, convolution."""

from __future__ import annotations

from polyvm.np import _core as core
from polyvm.np._elementwise import diff
from polyvm.np._manipulation import _axes, _axis, moveaxis

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "convolve",
    "correlate",
    "cross",
    "ediff1d",
    "gradient",
    "interp",
    "trapezoid",
    "unwrap",
]


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Return the differences between neighbours of the flattened input, with more at the ends."""
    flat = core.ravel(core.asarray(ary))
    parts = [flat[1:] - flat[:-1]]
    for given, first in ((to_begin, True), (to_end, False)):
        if given is None:
            continue
        extra = core.ravel(core.asarray(given))
        if not core.tensor._can_cast(extra.dtype, flat.dtype, "same_kind"):
            name = "to_begin" if first else "to_end"
            raise TypeError(
                f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule."
            )
        extra = extra.astype(flat.dtype)
        parts = [extra, *parts] if first else [*parts, extra]
    return parts[0] if len(parts) == 1 else core.concat(parts)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Return derivatives by central differences, one-sided at the ends.

    Further arguments are the spacing: a number for all axes, or for each axis a number or the
    coordinates along it.
    """
    f = core.asarray(f)
    axes = tuple(range(f.ndim)) if axis is None else _axes(axis, f.ndim)
    spacings: list[Any] = [1.0] * len(axes)
    if len(varargs) == 1 and core.asarray(varargs[0]).ndim == 0:
        spacings = [core.asarray(varargs[0])] * len(axes)
    elif len(varargs) == len(axes):
        spacings = [core.asarray(one) for one in varargs]
    elif varargs:
        raise TypeError("invalid number of arguments")
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    if f.dtype.kind not in "fc":
        f = f.astype(core.float64)
    results = []
    for along, spacing in zip(axes, spacings, strict=True):
        results.append(_derivative(f, along, spacing, edge_order))
    if axis is None:
        return results[0] if f.ndim == 1 else tuple(results)
    return tuple(results) if isinstance(axis, (tuple, list)) else results[0]


def _derivative(f: Any, axis: int, spacing: Any, edge_order: int) -> Any:
    size = f.shape[axis]
    if size < edge_order + 1:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) "
            "elements are required."
        )
    y = moveaxis(f, axis, -1)
    out = core.empty_like(y)
    h: Any = spacing
    if isinstance(spacing, core.ndarray) and spacing.ndim > 0:
        if spacing.ndim != 1:
            raise ValueError("distances must be either scalars or 1d")
        if spacing.shape[0] != size:
            raise ValueError(
                "when 1d, distances must match the length of the corresponding dimension"
            )
        h = spacing[1:] - spacing[:-1]
        if h.dtype.kind not in "fc":
            h = h.astype(core.float64)
        if bool(core.all(h == h[0])):
            h = h[0]
    elif isinstance(spacing, core.ndarray):
        h = spacing.item()
    uneven = isinstance(h, core.ndarray) and h.ndim > 0
    if uneven:
        before, after = h[:-1], h[1:]
        a = -after / (before * (before + after))
        b = (after - before) / (before * after)
        c = before / (after * (before + after))
        out[..., 1:-1] = a * y[..., :-2] + b * y[..., 1:-1] + c * y[..., 2:]
    else:
        out[..., 1:-1] = (y[..., 2:] - y[..., :-2]) / (2.0 * h)
    first, last = (h[0], h[-1]) if uneven else (h, h)
    if edge_order == 1:
        out[..., 0] = (y[..., 1] - y[..., 0]) / first
        out[..., -1] = (y[..., -1] - y[..., -2]) / last
    else:
        one, two = (h[0], h[1]) if uneven else (h, h)
        a = -(2.0 * one + two) / (one * (one + two))
        b = (one + two) / (one * two)
        c = -one / (two * (one + two))
        out[..., 0] = a * y[..., 0] + b * y[..., 1] + c * y[..., 2]
        one, two = (h[-2], h[-1]) if uneven else (h, h)
        a = two / (one * (one + two))
        b = -(two + one) / (one * two)
        c = (2.0 * two + one) / (two * (one + two))
        out[..., -1] = a * y[..., -3] + b * y[..., -2] + c * y[..., -1]
    return moveaxis(out, -1, axis)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Return the integral along an axis by the trapezoidal rule."""
    y = core.asarray(y)
    axis = _axis(axis, y.ndim)
    y = moveaxis(y, axis, -1)
    if x is None:
        step = dx
    else:
        x = core.asarray(x)
        step = diff(x) if x.ndim == 1 else diff(moveaxis(x, axis, -1))
    return core.sum(step * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


def unwrap(
    p: Any, discont: float | None = None, axis: int = -1, *, period: float = 6.283185307179586
) -> Any:
    """Return a signal without its jumps of more than half a ``period``."""
    p = core.asarray(p)
    axis = _axis(axis, p.ndim)
    p = moveaxis(p, axis, -1)
    step = p[..., 1:] - p[..., :-1]
    whole = step.dtype.kind in "iu" and isinstance(period, int)
    half: Any = period // 2 if whole else period / 2
    ambiguous = period % 2 == 0 if whole else True
    wrapped = core.remainder(step + half, period) - half
    if ambiguous:
        low = core.logical_and(wrapped == -half, step > 0)
        wrapped = core.where(low, half, wrapped)
    limit = period / 2 if discont is None else discont
    correction = core.where(core.absolute(step) < limit, 0, wrapped - step)
    result = (p if whole or p.dtype.kind == "f" else p.astype(core.float64)).copy()
    result[..., 1:] = p[..., 1:] + core.cumsum(correction, axis=-1)
    return moveaxis(result, -1, axis)


def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None
) -> Any:
    """Return the values at ``x`` of the lines through the points (xp, fp); xp must rise.

    Beyond the points: ``left`` and ``right``, or the values at the ends; with ``period`` the
    points repeat.
    """
    x = core.asarray(x).astype(core.float64)
    xp = core.asarray(xp).astype(core.float64)
    fp = core.asarray(fp)
    fp = fp.astype(core.complex128 if fp.dtype.kind == "c" else core.float64)
    if period is not None:
        if period == 0:
            raise ValueError("period must be a non-zero value")
        period = abs(period)
        left = right = None
        x, xp = core.remainder(x, period), core.remainder(xp, period)
        order = core.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = core.concat((xp[-1:] - period, xp, xp[:1] + period))
        fp = core.concat((fp[-1:], fp, fp[:1]))
    if xp.ndim != 1 or fp.ndim != 1:
        raise ValueError("Data points must be 1-D sequences")
    if xp.shape != fp.shape:
        raise ValueError("fp and xp are not of the same length.")
    if xp.size == 0:
        raise ValueError("array of sample points is empty")
    left = fp[0] if left is None else left
    right = fp[-1] if right is None else right
    if xp.size == 1:
        result = core.where(x < xp[0], left, core.where(x > xp[0], right, fp[0]))
    else:
        place = core.searchsorted(xp, x, side="right") - 1
        place = core.minimum(core.maximum(place, 0), xp.size - 2)
        slopes = (fp[1:] - fp[:-1]) / (xp[1:] - xp[:-1])
        low = core.take(xp, place)
        base = core.take(fp, place)
        result = core.take(slopes, place) * (x - low) + base
        odd = core.isnan(result)
        if bool(core.any(odd)):  # beside an infinity: from the other end, or where both are equal
            high, top = core.take(xp, place + 1), core.take(fp, place + 1)
            other = core.take(slopes, place) * (x - high) + top
            other = core.where(core.logical_and(core.isnan(other), base == top), base, other)
            result = core.where(
                core.logical_and(odd, core.logical_not(core.isnan(x))), other, result
            )
        result = core.where(x == xp[-1], fp[-1], result)
        result = core.where(x < xp[0], left, core.where(x > xp[-1], right, result))
    return result[()] if result.ndim == 0 else result


# ---- Convolution ---------------------------------------------------------------------------


def _vectors(a: Any, v: Any) -> tuple[Any, Any]:
    a, v = core.asarray(a), core.asarray(v)
    a = core.reshape(a, (1,)) if a.ndim == 0 else a
    v = core.reshape(v, (1,)) if v.ndim == 0 else v
    if a.ndim != 1 or v.ndim != 1:
        raise ValueError("object too deep for desired array")
    return a, v


def _full(a: Any, v: Any) -> Any:
    """Return the full convolution; ``v`` is not the longer one."""
    dtype = core.tensor._promote(a.dtype, v.dtype)
    n, m = a.size, v.size
    if dtype.kind == "b":
        counts = _full(a.astype(core.int64), v.astype(core.int64))
        return counts != 0
    edges = core.zeros(n + 2 * (m - 1), dtype=dtype)
    edges[m - 1 : m - 1 + n] = a
    kernel = v.astype(dtype)[::-1].copy()
    if m <= 4:
        result = edges[: n + m - 1] * kernel[0]
        for i in range(1, m):
            result += edges[i : i + n + m - 1] * kernel[i]
        return result
    result = core.empty(n + m - 1, dtype=dtype)
    rows = max(1, (1 << 18) // m)  # windows laid out for a matrix product, a block at a time
    offsets = core.arange(m)
    for start in range(0, n + m - 1, rows):
        stop = min(start + rows, n + m - 1)
        places = core.expand_dims(core.arange(start, stop), 1) + offsets
        result[start:stop] = core.matmul(core.take(edges, places), kernel)
    return result


def _cut(full: Any, n: int, m: int, mode: str) -> Any:
    """``n`` is the longer length."""
    if mode == "full":
        return full
    if mode == "same":
        start = (m - 1) // 2
        return full[start : start + n]
    if mode == "valid":
        return full[m - 1 : n]
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Return the convolution of two vectors: 'full', 'same' size as the longer, or 'valid'."""
    a, v = _vectors(a, v)
    if v.size > a.size:
        a, v = v, a
    if a.size == 0:
        raise ValueError("a cannot be empty")
    if v.size == 0:
        raise ValueError("v cannot be empty")
    return _cut(_full(a, v), a.size, v.size, mode)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Return the sums of products of ``a`` with ``v`` (conjugated) shifted along it."""
    a, v = _vectors(a, v)
    if a.size == 0 or v.size == 0:
        raise ValueError(
            "first array argument cannot be empty"
            if a.size == 0
            else "second array argument cannot be empty"
        )
    v = core.conjugate(v) if v.dtype.kind == "c" else v
    if v.size <= a.size:
        return _cut(_full(a, v[::-1]), a.size, v.size, mode)
    full = _full(v[::-1], a)
    if mode == "same":  # of even lengths the later half counts
        start = a.size // 2
        return full[start : start + v.size]
    return _cut(full, v.size, a.size, mode)


# ---- Cross products ------------------------------------------------------------------------


def cross(
    a: Any,
    b: Any,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Any:
    """Return the vector products of vectors of three elements along an axis."""
    a, b = core.asarray(a), core.asarray(b)
    if axis is not None:
        axisa = axisb = axisc = axis
    if a.ndim < 1 or b.ndim < 1:
        raise ValueError("At least one array has zero dimension")
    a = moveaxis(a, _axis(axisa, a.ndim), -1)
    b = moveaxis(b, _axis(axisb, b.ndim), -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, but they are "
            f"{a.shape[-1]} and {b.shape[-1]} dimensional instead."
        )
    x0, y0 = a[..., 0], a[..., 1]
    x1, y1 = b[..., 0], b[..., 1]
    if a.shape[-1] == 2 and b.shape[-1] == 2:
        return x0 * y1 - y0 * x1
    z0 = a[..., 2] if a.shape[-1] == 3 else core.zeros_like(x0)
    z1 = b[..., 2] if b.shape[-1] == 3 else core.zeros_like(x1)
    parts = (y0 * z1 - z0 * y1, z0 * x1 - x0 * z1, x0 * y1 - y0 * x1)
    result = core.stack([core.asarray(part) for part in parts], axis=-1)
    return moveaxis(result, -1, axisc) if axisc != -1 else result
