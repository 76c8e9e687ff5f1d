"""Elementwise functions by the standard's names, and those made of others."""

from __future__ import annotations

from polyvm.np import _core as core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "abs",
    "acos",
    "acosh",
    "allclose",
    "amax",
    "amin",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "around",
    "array_equal",
    "array_equiv",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_right_shift",
    "conj",
    "cumulative_prod",
    "cumulative_sum",
    "degrees",
    "diff",
    "divmod",
    "fabs",
    "fix",
    "isclose",
    "iscomplex",
    "iscomplexobj",
    "isneginf",
    "isposinf",
    "isreal",
    "isrealobj",
    "isscalar",
    "mod",
    "nan_to_num",
    "pow",
    "radians",
    "round",
    "sinc",
    "true_divide",
]

abs = core.absolute
acos = arccos = core.arccos
acosh = arccosh = core.arccosh
asin = arcsin = core.arcsin
asinh = arcsinh = core.arcsinh
atan = arctan = core.arctan
atan2 = arctan2 = core.arctan2
atanh = arctanh = core.arctanh
amax = core.max
amin = core.min
bitwise_invert = bitwise_not = core.invert
bitwise_left_shift = core.left_shift
bitwise_right_shift = core.right_shift
conj = core.conjugate
degrees = core.rad2deg
fix = core.trunc
mod = core.remainder
pow = core.power
radians = core.deg2rad
true_divide = core.divide


def divmod(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """Return quotients and remainders."""
    return core.floor_divide(x1, x2), core.remainder(x1, x2)


def fabs(x: Any, /) -> Any:
    """Return magnitudes as floats."""
    x = core.asarray(x)
    return core.absolute(x if x.dtype.kind == "f" else x.astype(core.float64))


def round(x: Any, /, decimals: int = 0, *, out: Any = None) -> Any:
    """Return the values rounded to so many decimals, halves to even."""
    x = core.asarray(x)
    if x.dtype.kind in "iu":
        if decimals < 0:
            unit = 10**-decimals
            result = (core.rint(x / unit) * unit).astype(x.dtype)
        else:
            result = x.copy()
    elif x.dtype.kind == "b":
        result = x.astype(core.float16)
    elif decimals == 0:
        result = core.rint(x)
    else:
        scale = 10.0 ** max(decimals, -decimals)
        result = core.rint(x * scale) / scale if decimals > 0 else core.rint(x / scale) * scale
    if out is None:
        return result
    out[...] = result
    return out


around = round


def sinc(x: Any, /) -> Any:
    """Return sin(pi x) / (pi x), 1 at 0."""
    y = core.asarray(x) * 3.141592653589793
    y = core.where(y == 0, 1e-20, y)
    return core.sin(y) / y


# ---- Comparing -----------------------------------------------------------------------------


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Say where two arrays are equal within a tolerance: ``|a - b| <= atol + rtol * |b|``."""
    a, b = core.asarray(a), core.asarray(b)
    if b.dtype.kind not in "fc":
        b = b.astype(core.float64)
    near = core.absolute(a - b) <= atol + rtol * core.absolute(b)
    near = core.logical_and(near, core.isfinite(b))
    near = core.logical_or(near, a == b)
    if equal_nan:
        near = core.logical_or(near, core.logical_and(core.isnan(a), core.isnan(b)))
    return near


def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Say whether two arrays are equal within a tolerance everywhere."""
    return bool(core.all(isclose(a, b, rtol, atol, equal_nan)))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    """Say whether two arrays have the same shape and elements."""
    try:
        a1, a2 = core.asarray(a1), core.asarray(a2)
    except (TypeError, ValueError):
        return False
    if a1.shape != a2.shape:
        return False
    same = a1 == a2
    if equal_nan and a1.dtype.kind in "fc" and a2.dtype.kind in "fc":
        same = core.logical_or(same, core.logical_and(core.isnan(a1), core.isnan(a2)))
    return bool(core.all(same))


def array_equiv(a1: Any, a2: Any) -> bool:
    """Say whether two arrays have the same elements once broadcast."""
    try:
        return bool(core.all(core.equal(a1, a2)))
    except ValueError:
        return False


# ---- Kinds of values -----------------------------------------------------------------------


def isposinf(x: Any, /) -> Any:
    """Say where values are positive infinity."""
    x = core.asarray(x)
    return core.logical_and(core.isinf(x), core.logical_not(core.signbit(x)))


def isneginf(x: Any, /) -> Any:
    """Say where values are negative infinity."""
    x = core.asarray(x)
    return core.logical_and(core.isinf(x), core.signbit(x))


def isreal(x: Any, /) -> Any:
    """Say where values have no imaginary part."""
    return core.asarray(x).imag == 0


def iscomplex(x: Any, /) -> Any:
    """Say where values have an imaginary part."""
    return core.asarray(x).imag != 0


def isrealobj(x: Any, /) -> bool:
    """Say whether the type is not complex."""
    return not iscomplexobj(x)


def iscomplexobj(x: Any, /) -> bool:
    """Say whether the type is complex."""
    return bool(core.asarray(x).dtype.kind == "c")


def isscalar(element: Any, /) -> bool:
    """Say whether an object is a number or a scalar of this package."""
    if isinstance(element, core.ndarray):
        return element.ndim == 0 and not element.flags["WRITEABLE"]
    return isinstance(element, (bool, int, float, complex, str, bytes))


def nan_to_num(
    x: Any, /, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """Return a copy with NaNs and infinities replaced by numbers."""
    x = core.asarray(x)
    if x.dtype.kind == "c":
        real = nan_to_num(x.real, nan=nan, posinf=posinf, neginf=neginf)
        imaginary = nan_to_num(x.imag, nan=nan, posinf=posinf, neginf=neginf)
        return (real + 1j * imaginary).astype(x.dtype)
    if x.dtype.kind != "f":
        return x.copy()
    from polyvm.np._types import finfo

    limits = finfo(x.dtype)
    result = core.where(core.isnan(x), nan, x)
    result = core.where(isposinf(x), limits.max if posinf is None else posinf, result)
    return core.where(isneginf(x), limits.min if neginf is None else neginf, result)


# ---- Differences and running totals --------------------------------------------------------


def diff(a: Any, /, n: int = 1, axis: int = -1, *, prepend: Any = None, append: Any = None) -> Any:
    """Return the ``n``-th differences along an axis."""
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    a = core.asarray(a)
    if n == 0:
        return a
    if a.ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    if not -a.ndim <= axis < a.ndim:
        raise core.AxisError(f"axis {axis} is out of bounds for array of dimension {a.ndim}")
    axis %= a.ndim
    if prepend is not None or append is not None:
        edge = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
        parts = []
        for part in (prepend, a, append):
            if part is not None:
                array = core.asarray(part)
                parts.append(core.broadcast_to(array, edge) if array.ndim == 0 else array)
        a = core.concat(parts, axis=axis)
    key = (slice(None),) * axis
    for _ in range(n):
        later, earlier = a[(*key, slice(1, None))], a[(*key, slice(None, -1))]
        a = core.not_equal(later, earlier) if a.dtype == core.bool else later - earlier
    return a


def _cumulative(
    function: Any, identity: int, x: Any, axis: int | None, dtype: Any, initial: bool
) -> Any:
    x = core.asarray(x)
    if x.ndim == 0:
        x = core.reshape(x, (1,))
    if axis is None:
        if x.ndim != 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` is required.")
        axis = 0
    result = function(x, axis=axis, dtype=dtype)
    if not initial:
        return result
    axis %= x.ndim
    first = core.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), identity, dtype=result.dtype)
    return core.concat((first, result), axis=axis)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """Return running sums along an axis, from 0 on with ``include_initial``."""
    return _cumulative(core.cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """Return running products along an axis, from 1 on with ``include_initial``."""
    return _cumulative(core.cumprod, 1, x, axis, dtype, include_initial)
