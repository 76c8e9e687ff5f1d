"""Reductions that leave NaNs out."""

from __future__ import annotations

from polyvm.np import _core as core
from polyvm.np._statistics import _between, _delivered, _gathered, _prepared_q, _quantile, median

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
]


def _replaced(a: Any, value: float) -> tuple[Any, Any]:
    """Return ``a`` with its NaNs replaced, and where they were; None if there cannot be any."""
    a = core.asarray(a)
    if a.dtype.kind not in "fc":
        return a, None
    missing = core.isnan(a)
    return core.where(missing, core.asarray(value, dtype=a.dtype), a), missing


def nansum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Any:
    """Return sums, NaNs as 0."""
    return core.sum(_replaced(a, 0)[0], axis=axis, dtype=dtype, out=out, keepdims=keepdims)


def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Any:
    """Return products, NaNs as 1."""
    return core.prod(_replaced(a, 1)[0], axis=axis, dtype=dtype, out=out, keepdims=keepdims)


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Return running sums, NaNs as 0."""
    return core.cumsum(_replaced(a, 0)[0], axis=axis, dtype=dtype, out=out)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Return running products, NaNs as 1."""
    return core.cumprod(_replaced(a, 1)[0], axis=axis, dtype=dtype, out=out)


def _counts(missing: Any, axis: Any, keepdims: bool) -> Any:
    return core.count_nonzero(core.logical_not(missing), axis=axis, keepdims=keepdims)


def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Any:
    """Return means of what is not NaN; NaN where nothing is."""
    filled, missing = _replaced(a, 0)
    if missing is None:
        return core.mean(filled, axis=axis, dtype=dtype, out=out, keepdims=keepdims)
    total = core.sum(filled, axis=axis, dtype=dtype, keepdims=keepdims)
    count = _counts(missing, axis, keepdims).astype(total.real.dtype)
    return core.divide(total, count, out)


def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """Return variances of what is not NaN; NaN where ``ddof`` or fewer elements are."""
    ddof = ddof if correction is None else correction
    filled, missing = _replaced(a, 0)
    if missing is None:
        return core.var(filled, axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims)
    if dtype is not None:
        filled = filled.astype(dtype)
    real = filled.real.dtype
    count = _counts(missing, axis, keepdims=True).astype(real)
    mean = core.sum(filled, axis=axis, keepdims=True) / count
    away = core.where(missing, core.asarray(0, dtype=filled.dtype), filled - mean)
    square = away * away if away.dtype.kind == "f" else (away * core.conjugate(away)).real
    total = core.sum(square, axis=axis, keepdims=keepdims)
    free = core.reshape(count, total.shape) - ddof
    result = core.where(free > 0, total / free, core.asarray(float("nan"), dtype=real))
    return _delivered(result[()] if result.ndim == 0 else result, out)


def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """Return the square roots of `nanvar`."""
    return core.sqrt(nanvar(a, axis, dtype, None, ddof, keepdims, correction=correction), out)


# ---- Extremes ------------------------------------------------------------------------------


def _extreme(function: Any, a: Any, axis: Any, out: Any, keepdims: bool, worst: float) -> Any:
    filled, missing = _replaced(a, worst)
    if missing is None:
        return function(filled, axis=axis, out=out, keepdims=keepdims)
    result = function(filled, axis=axis, keepdims=keepdims)
    alone = core.all(missing, axis=axis, keepdims=keepdims)
    if bool(core.any(alone)):
        result = core.where(alone, core.asarray(float("nan"), dtype=result.dtype), result)
        result = result[()] if result.ndim == 0 else result
    return _delivered(result, out)


def nanmax(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """Return the largest values that are not NaN; NaN where there is none."""
    return _extreme(core.max, a, axis, out, keepdims, -float("inf"))


def nanmin(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """Return the smallest values that are not NaN; NaN where there is none."""
    return _extreme(core.min, a, axis, out, keepdims, float("inf"))


def _place(function: Any, a: Any, axis: int | None, keepdims: bool, worst: float) -> Any:
    filled, missing = _replaced(a, worst)
    if missing is not None and bool(core.any(core.all(missing, axis=axis))):
        raise ValueError("All-NaN slice encountered")
    return function(filled, axis=axis, keepdims=keepdims)


def nanargmax(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """Return where the largest values are that are not NaN. ValueError where there is none."""
    return _place(core.argmax, a, axis, keepdims, -float("inf"))


def nanargmin(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """Return where the smallest values are that are not NaN. ValueError where there is none."""
    return _place(core.argmin, a, axis, keepdims, float("inf"))


# ---- Quantiles -----------------------------------------------------------------------------


def _nanquantile(
    a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: bool, hundred: bool
) -> Any:
    a = core.asarray(a)
    if a.size == 0:
        _prepared_q(a, q, hundred)
        return nanmean(a, axis=axis, out=out, keepdims=keepdims)
    if a.dtype.kind != "f":
        return _quantile(a, q, axis, out, method, keepdims, None, hundred)
    q = _prepared_q(a, q, hundred)
    lines, kept = _gathered(a, axis)
    count = core.count_nonzero(core.logical_not(core.isnan(lines)), axis=-1)
    count = core.asarray(count)
    if lines.shape[-1] == 0:
        result = core.full(q.shape + lines.shape[:-1], float("nan"), dtype=lines.dtype)
    else:
        result = _between(core.sort(lines, axis=-1), count.astype(q.dtype), q, method)
        nothing = core.asarray(float("nan"), dtype=result.dtype)
        result = core.where(count == 0, nothing, result)
    if keepdims:
        result = core.reshape(result, q.shape + kept)
    return _delivered(result[()] if result.ndim == 0 else result, out)


def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """Return quantiles of what is not NaN; NaN where nothing is. See `quantile`."""
    del overwrite_input
    return _nanquantile(a, q, axis, out, method, keepdims, hundred=False)


def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """Return percentiles of what is not NaN; NaN where nothing is. See `percentile`."""
    del overwrite_input
    return _nanquantile(a, q, axis, out, method, keepdims, hundred=True)


def nanmedian(
    a: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> Any:
    """Return medians of what is not NaN; NaN where nothing is."""
    del overwrite_input
    a = core.asarray(a)
    if a.dtype.kind not in "fc":
        return median(a, axis, out, keepdims=keepdims)
    return _nanquantile(a, 0.5, axis, out, "averaged_inverted_cdf", keepdims, hundred=False)
