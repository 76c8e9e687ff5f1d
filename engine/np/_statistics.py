"""Order statistics, weighted means, covariance."""

from __future__ import annotations

from polyvm.np import _core as core
from polyvm.np._manipulation import _axes, moveaxis
from polyvm.np._types import result_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "average",
    "corrcoef",
    "cov",
    "median",
    "percentile",
    "ptp",
    "quantile",
]


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """Return the largest value less the smallest one."""
    most = core.max(a, axis=axis, keepdims=keepdims)
    return core.subtract(most, core.min(a, axis=axis, keepdims=keepdims), out)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """Return the weighted mean; with ``returned`` also the sums of the weights.

    Raises ZeroDivisionError where weights add up to 0, or where nothing is averaged.
    """
    a = core.asarray(a)
    if weights is None:
        result = core.mean(a, axis=axis, keepdims=keepdims)
        scale = core.asarray(a.size / result.size, dtype=result.dtype)
    else:
        weights = core.asarray(weights)
        if a.shape != weights.shape:
            weights = _along(a, axis, weights)
        if a.dtype.kind in "biu":
            a = a.astype(core.float64)
        product = core.multiply(a, weights)
        scale = core.sum(weights, axis=axis, dtype=product.dtype, keepdims=keepdims)
        if bool(core.any(scale == 0)):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        result = core.divide(core.sum(product, axis=axis, keepdims=keepdims), scale)
    if not returned:
        return result
    if scale.shape != result.shape:
        scale = core.broadcast_to(scale, result.shape).copy()
    return result, scale


def _along(a: Any, axis: Any, weights: Any) -> Any:
    """Give weights of some axes the dimensions of ``a``."""
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = _axes(axis, a.ndim)
    if weights.shape != tuple(a.shape[i] for i in axes):
        raise ValueError(
            "Shape of weights must be consistent with shape of a along specified axis."
        )
    order = sorted(range(len(axes)), key=axes.__getitem__)
    ordered = core.permute_dims(weights, tuple(order))
    return core.reshape(ordered, tuple(n if i in axes else 1 for i, n in enumerate(a.shape)))


# ---- Median --------------------------------------------------------------------------------


def _gathered(a: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """Return ``a`` with the axes made one, the last, and the shape that keeps them as ones."""
    if axis is None:
        return core.ravel(a), (1,) * a.ndim
    axes = _axes(axis, a.ndim)
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    if len(axes) == 1:
        return moveaxis(a, axes[0], -1), kept
    order = (*(i for i in range(a.ndim) if i not in axes), *axes)
    moved = core.permute_dims(a, order)
    size = 1
    for i in axes:
        size *= a.shape[i]
    return core.reshape(moved, (*moved.shape[: a.ndim - len(axes)], size)), kept


def _delivered(result: Any, out: Any) -> Any:
    if out is None:
        return result
    out[...] = result
    return out


def median(
    a: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> Any:
    """Return the middle value, or the mean of the middle two. A NaN makes it NaN."""
    del overwrite_input
    a = core.asarray(a)
    lines, kept = _gathered(a, axis)
    size = lines.shape[-1]
    if size == 0:
        result = core.mean(lines, axis=-1)
    else:
        half = size // 2
        parted = core.partition(lines, half)
        middle = parted[..., half]
        if size % 2:
            result = middle if middle.dtype.kind in "fc" else middle.astype(core.float64)
        else:
            lower = core.max(parted[..., :half], axis=-1)
            result = core.mean(core.stack((lower, middle)), axis=0)
        if lines.dtype.kind in "fc":  # NaNs are sorted behind everything
            last = core.max(parted[..., half:], axis=-1)
            result = core.where(core.isnan(last), last, result)
    return _delivered(core.reshape(result, kept) if keepdims else result[()], out)


# ---- Quantiles -----------------------------------------------------------------------------

# alpha and beta of Hyndman and Fan's continuous methods
_CONTINUOUS = {
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "linear": (1, 1),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
_DISCRETE = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation")
_OLD = ("lower", "higher", "midpoint", "nearest")
_WITH_WEIGHTS = "inverted_cdf"


def _places(count: Any, q: Any, method: str) -> tuple[Any, Any, Any]:
    """Return the two places (from 0) between which a quantile lies, and how far it lies."""
    if method in _CONTINUOUS:
        alpha, beta = _CONTINUOUS[method]
        if method == "linear":
            virtual = (count - 1) * q
        else:
            virtual = count * q + (alpha + q * (1 - alpha - beta)) - 1
        below = core.floor(virtual)
        return below, below + 1, virtual - below
    if method in _OLD:
        virtual = (count - 1) * q
        below, above = core.floor(virtual), core.ceil(virtual)
        if method == "lower":
            return below, below, below * 0
        if method == "higher":
            return above, above, above * 0
        if method == "nearest":
            near = core.rint(virtual)
            return near, near, near * 0
        return below, above, core.where(above > below, 0.5, 0 * below)
    if method == "closest_observation":
        virtual = count * q - 1 - 0.5
    elif method in _DISCRETE:
        virtual = count * q - 1
    else:
        known = ", ".join(map(repr, sorted((*_CONTINUOUS, *_DISCRETE, *_OLD))))
        raise ValueError(f"{method!r} is not a valid method. Use one of: {known}")
    below = core.floor(virtual)
    rest = virtual - below
    if method == "averaged_inverted_cdf":
        return below, below + 1, core.where(rest == 0, 0.5, 1 + 0 * rest)
    if method == "closest_observation":
        stay = core.logical_and(rest == 0, core.remainder(below, 2) == 1)
    else:
        stay = rest == 0
    place = core.where(stay, below, below + 1)
    return place, place, place * 0


def _between(lines: Any, count: Any, q: Any, method: str) -> Any:
    """Return the quantiles of sorted lines, q's dimension first.

    ``count``: how many elements of each line count, an integer or an array of the lines' shape.
    """
    many = isinstance(count, core.ndarray)
    lead = core.reshape(q, q.shape + (1,) * (lines.ndim - 1))
    below, above, share = _places(count, lead, method)
    top = count - 1
    below = core.minimum(core.maximum(below, 0), top).astype(core.int64)
    above = core.minimum(core.maximum(above, 0), top).astype(core.int64)
    if many:
        shape = q.shape + lines.shape[:-1]
        whole = core.broadcast_to(lines, q.shape + lines.shape)
        below = core.expand_dims(core.broadcast_to(core.maximum(below, 0), shape), -1)
        above = core.expand_dims(core.broadcast_to(core.maximum(above, 0), shape), -1)
        low = core.take_along_axis(whole, below, axis=-1)[..., 0]
        high = core.take_along_axis(whole, above, axis=-1)[..., 0]
    else:
        order = (lines.ndim - 1, *range(lines.ndim - 1))
        first = core.permute_dims(lines, order)
        low = core.take(first, core.ravel(below), axis=0)
        high = core.take(first, core.ravel(above), axis=0)
        low = core.reshape(low, q.shape + lines.shape[:-1])
        high = core.reshape(high, q.shape + lines.shape[:-1])
    if method in {"lower", "higher", "nearest", "inverted_cdf", "closest_observation"}:
        return low
    if low.dtype.kind == "b":
        raise TypeError(
            "numpy boolean subtract, the `-` operator, is not supported, use the bitwise_xor, the "
            "`^` operator, or the logical_xor function instead."
        )
    if low.dtype.kind in "iu":  # whose difference might not fit
        low, high = low.astype(core.float64), high.astype(core.float64)
    step = high - low
    result = core.where(share >= 0.5, high - step * (1 - share), low + step * share)
    # between equal values, infinities too, there is nothing
    return core.where(low == high, low, result)


def _weighted(a: Any, q: Any, axis: Any, weights: Any) -> Any:
    """Return inverted_cdf quantiles of weighted elements, q's dimension first."""
    weights = core.asarray(weights)
    if weights.shape != a.shape:
        weights = core.broadcast_to(_along(a, axis, weights), a.shape)
    if bool(core.any(weights < 0)):
        raise ValueError("Weights must be non-negative.")
    lines, _ = _gathered(a, axis)
    weights, _ = _gathered(weights, axis)
    order = core.argsort(lines, axis=-1)
    lines = core.take_along_axis(lines, order, axis=-1)
    weights = core.take_along_axis(weights, order, axis=-1)
    share = core.cumsum(weights.astype(core.float64), axis=-1)
    share = share / share[..., -1:]
    rows = core.reshape(lines, (-1, lines.shape[-1]))
    shares = core.reshape(share, rows.shape)
    flat = core.ravel(q)
    found = core.empty((flat.size, rows.shape[0]), dtype=lines.dtype)
    # of elements without weight, the first that has some counts
    least = 5e-324
    for i in range(rows.shape[0]):
        place = core.searchsorted(shares[i], core.maximum(flat, least), side="left")
        found[:, i] = core.take(rows[i], core.minimum(place, rows.shape[1] - 1))
    return core.reshape(found, q.shape + lines.shape[:-1])


def _prepared_q(a: Any, q: Any, hundred: bool) -> Any:
    real = a.dtype.kind == "f"
    if isinstance(q, (int, float)) and not isinstance(q, bool):
        q = core.asarray(q, dtype=a.dtype if real else core.float64)
    else:
        q = core.asarray(q)
        if q.dtype.kind != "f":
            q = q.astype(core.float64)
    if hundred:
        q = q / 100
    if q.size and not (bool(core.min(q) >= 0) and bool(core.max(q) <= 1)):
        raise ValueError(
            "Percentiles must be in the range [0, 100]"
            if hundred
            else "Quantiles must be in the range [0, 1]"
        )
    return q


def _quantile(
    a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: bool, weights: Any, hundred: bool
) -> Any:
    a = core.asarray(a)
    if a.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    if method == "linear" and not hundred and core.asarray(q).dtype.kind in "iu":
        method = "lower"  # 0 and 1 are elements, and stay of their type
    q = _prepared_q(a, q, hundred)
    lines, kept = _gathered(a, axis)
    if weights is not None:
        if method != _WITH_WEIGHTS:
            raise ValueError("Only method 'inverted_cdf' supports weights. Got: " + method + ".")
        result = _weighted(a, q, axis, weights)
    elif lines.shape[-1] == 0:
        if lines.size == 0 and lines.ndim == 1:
            raise IndexError("index -1 is out of bounds for axis 0 with size 0")
        result = core.full(q.shape + lines.shape[:-1], float("nan"))
    else:
        ordered = core.sort(lines, axis=-1)
        result = _between(ordered, lines.shape[-1], q, method)
        if a.dtype.kind == "f":
            last = ordered[..., -1]
            missing = core.isnan(last)
            if bool(core.any(missing)):
                result = core.where(missing, last, result)
    if keepdims:
        result = core.reshape(result, q.shape + kept)
    return _delivered(result[()] if result.ndim == 0 else result, out)


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Return quantiles (q from 0 to 1; its dimensions come first) by one of NumPy's methods.

    A NaN among the values makes the result NaN. Only 'inverted_cdf' takes weights.
    """
    del overwrite_input
    return _quantile(a, q, axis, out, method, keepdims, weights, hundred=False)


def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Return percentiles (q from 0 to 100); see `quantile`."""
    del overwrite_input
    return _quantile(a, q, axis, out, method, keepdims, weights, hundred=True)


# ---- Covariance ----------------------------------------------------------------------------


def _inexact(x: Any) -> Any:
    return x if x.dtype.kind in "fc" else x.astype(core.float64)


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """Return the covariance matrix of variables, which are rows unless ``rowvar`` is false.

    ``fweights`` say how often an observation counts, ``aweights`` how much.
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    x = core.asarray(m)
    if x.ndim > 2:
        raise ValueError("m has more than 2 dimensions")
    if y is not None and core.asarray(y).ndim > 2:
        raise ValueError("y has more than 2 dimensions")
    if dtype is None:
        both = (x,) if y is None else (x, core.asarray(y))
        dtype = result_type(*both, core.float64)
    x = _inexact(x.astype(dtype))
    x = _rows(x, rowvar or x.ndim == 1)
    if x.shape[0] == 0:
        return core.empty((0, 0), dtype=x.dtype)
    if y is not None:
        other = core.asarray(y)
        other = _rows(_inexact(other.astype(dtype)), rowvar)
        if other.shape[0] == 1 and other.shape[1] != x.shape[1]:
            other = other.T
        x = core.concat((x, other), axis=0)
    if ddof is None:
        ddof = 0 if bias else 1
    weights = _weights(x.shape[1], fweights, aweights)
    if weights is None:
        mean = core.mean(x, axis=1, keepdims=True)
        factor: Any = x.shape[1] - ddof
    else:
        total = core.sum(weights)
        mean = core.sum(x * weights, axis=1, keepdims=True) / total
        if ddof == 0:
            factor = total
        elif aweights is None:
            factor = total - ddof
        else:
            factor = total - ddof * core.sum(weights * core.asarray(aweights)) / total
        factor = float(factor)
    factor = max(factor, 0.0)
    centred = x - mean
    other = (centred if weights is None else centred * weights).T
    if other.dtype.kind == "c":
        other = core.conjugate(other)
    product = core.matmul(centred, other)
    return core.squeeze(product * core.divide(1, core.asarray(float(factor))).item())


def _rows(x: Any, rowvar: bool) -> Any:
    if x.ndim < 2:
        return core.reshape(x, (1, -1))
    return x if rowvar else x.T


def _weights(count: int, fweights: Any, aweights: Any) -> Any:
    result = None
    for given, name in ((fweights, "fweights"), (aweights, "aweights")):
        if given is None:
            continue
        array = core.asarray(given).astype(core.float64)
        if name == "fweights" and bool(core.any(array != core.rint(array))):
            raise TypeError("fweights must be integer")
        if array.ndim > 1:
            raise RuntimeError(f"cannot handle multidimensional {name}")
        if array.shape[0] != count:
            raise RuntimeError(f"incompatible numbers of samples and {name}")
        if bool(core.any(array < 0)):
            raise ValueError(f"{name} cannot be negative")
        result = array if result is None else result * array
    return result


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Return the correlation coefficients of variables; see `cov`."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    d = c[core.arange(c.shape[0]), core.arange(c.shape[0])]
    spread = core.sqrt(d.real)
    c = c / core.expand_dims(spread, 1) / core.expand_dims(spread, 0)
    if c.dtype.kind == "c":
        limited = core.empty_like(c)
        limited.real = core.clip(c.real, -1, 1)
        limited.imag = core.clip(c.imag, -1, 1)
        return limited
    return core.clip(c, -1, 1)
