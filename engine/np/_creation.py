"""Making arrays beyond what the extension has: ranges, grids, matrices."""

from __future__ import annotations

import operator

from polyvm.np import _core as core
from polyvm.np._manipulation import broadcast_shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = [
    "asanyarray",
    "asarray_chkfinite",
    "ascontiguousarray",
    "asfortranarray",
    "copy",
    "diag",
    "diagflat",
    "eye",
    "fromfunction",
    "fromiter",
    "geomspace",
    "identity",
    "indices",
    "ix_",
    "linspace",
    "logspace",
    "meshgrid",
    "tri",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
    "vander",
]


def _check_device(device: str | None) -> None:
    if device not in (None, "cpu"):
        raise ValueError(f"Unsupported device {device!r}: there is only 'cpu'")


def copy(a: Any, order: str = "K") -> Any:
    """Return a copy."""
    del order
    return core.array(a)


def asanyarray(a: Any, dtype: Any = None) -> Any:
    """Return ``asarray(a, dtype)``."""
    return core.asarray(a, dtype=dtype)


def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    """Return an array in C order of at least one dimension, without a copy where it is one."""
    a = core.asarray(a, dtype=dtype)
    if a.ndim == 0:
        a = core.reshape(a, (1,))
    return a if core.tensor._layout(a)[0] else a.copy()


def asfortranarray(a: Any, dtype: Any = None) -> Any:
    """Return an array of at least one dimension in Fortran order: a copy where it is not."""
    a = core.asarray(a, dtype=dtype)
    if a.ndim == 0:
        a = core.reshape(a, (1,))
    return a if core.tensor._layout(a)[1] else a.T.copy().T


def asarray_chkfinite(a: Any, dtype: Any = None, order: str | None = None) -> Any:
    """Return an array. Raises ValueError for an infinity or a NaN in it."""
    a = core.asarray(a, dtype=dtype)
    if a.dtype.kind in "fc" and not bool(core.all(core.isfinite(a))):
        raise ValueError("array must not contain infs or NaNs")
    return asfortranarray(a) if order == "F" else a


def eye(
    N: int,  # noqa: N803 - NumPy's name
    M: int | None = None,  # noqa: N803
    k: int = 0,
    dtype: Any = None,
    order: str = "C",
    *,
    device: str | None = None,
) -> Any:
    """Return an ``N`` by ``M`` matrix with ones on diagonal ``k`` and zeros elsewhere."""
    del order
    _check_device(device)
    n_rows, n_cols = N, N if M is None else M
    result = core.zeros((n_rows, n_cols), dtype=core.float64 if dtype is None else dtype)
    start = k if k >= 0 else -k * n_cols
    count = min(n_rows + min(k, 0), n_cols - max(k, 0))
    if count > 0:
        core.reshape(result, (-1,))[start : start + (count - 1) * (n_cols + 1) + 1 : n_cols + 1] = 1
    return result


def identity(n: int, dtype: Any = None) -> Any:
    """Return the identity matrix."""
    return eye(n, dtype=dtype)


def linspace(
    start: Any,
    stop: Any,
    /,
    num: int = 50,
    *,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    device: str | None = None,
) -> Any:
    """Return ``num`` evenly spaced values from ``start`` to ``stop``, which may be arrays."""
    _check_device(device)
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    parts = num - 1 if endpoint else num
    low, high = core.asarray(start), core.asarray(stop)
    working = (low * 1.0 + high * 1.0).dtype
    low, high = low.astype(working), high.astype(working)
    span = high - low
    steps = core.arange(num, dtype=working if working.kind == "f" else core.float64)
    steps = core.reshape(steps, (num,) + (1,) * span.ndim)
    if parts > 0:
        step = span / parts
        # where the step underflows, multiply first
        if bool(core.any(step == 0)):
            result = steps / parts * span + low
        elif span.ndim == 0 and steps.dtype == working:  # in place: the range is this function's
            core.multiply(steps, step, out=steps)
            result = core.add(steps, low, out=steps)
        else:
            result = steps * step + low
        if endpoint and num > 1:
            result[-1] = high
    else:
        step = span * float("nan")
        result = steps * span + low
    if axis != 0:
        order = list(range(1, result.ndim))
        order.insert(axis if axis >= 0 else axis + result.ndim, 0)
        result = core.permute_dims(result, tuple(order))
    if dtype is not None:
        wanted = core.dtype(dtype)
        if wanted.kind in "iu":
            result = core.floor(result)
        result = result.astype(wanted)
    return (result, step) if retstep else result


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10.0,
    dtype: Any = None,
) -> Any:
    """Return ``base`` to the power of evenly spaced exponents."""
    result = core.power(base, linspace(start, stop, num, endpoint=endpoint))
    return result if dtype is None else result.astype(dtype)


def geomspace(
    start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: Any = None
) -> Any:
    """Return values of a geometric progression. Raises ValueError for an end that is 0."""
    if start == 0 or stop == 0:
        raise ValueError("Geometric sequence cannot include zero")
    sign = -1.0 if start < 0 and stop < 0 else 1.0
    ends = core.log10(core.asarray([abs(start), abs(stop)], dtype=core.float64))
    result = sign * logspace(float(ends[0]), float(ends[1]), num, endpoint)
    if num > 0:
        result[0] = start
        if num > 1 and endpoint:
            result[-1] = stop
    return result if dtype is None else result.astype(dtype)


def meshgrid(*arrays: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True) -> Any:
    """Return coordinate arrays of a grid. ``indexing``: 'xy' or 'ij'."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    ndim = len(arrays)
    grids = []
    for i, array in enumerate(arrays):
        shape = [1] * ndim
        shape[i] = -1
        grids.append(core.reshape(core.asarray(array), tuple(shape)))
    if indexing == "xy" and ndim > 1:
        grids = [core.swapaxes(grid, 0, 1) for grid in grids]
    if not sparse:
        whole = broadcast_shapes(*(grid.shape for grid in grids))
        grids = [core.broadcast_to(grid, whole) for grid in grids]
    return [grid.copy() for grid in grids] if copy else grids


def indices(dimensions: tuple[int, ...], dtype: Any = int, sparse: bool = False) -> Any:
    """Return the index of every element, an array a dimension, stacked; open if ``sparse``."""
    ranges = [core.arange(size, dtype=dtype) for size in dimensions]
    if sparse:
        return tuple(meshgrid(*ranges, indexing="ij", sparse=True))
    if not ranges:
        return core.empty((0,), dtype=dtype)
    return core.stack(meshgrid(*ranges, indexing="ij"))


def fromfunction(
    function: Callable[..., Any], shape: tuple[int, ...], *, dtype: Any = float, **options: Any
) -> Any:
    """Call ``function`` with the index arrays of ``shape``."""
    return function(*indices(shape, dtype), **options)


def fromiter(iterable: Iterable[Any], dtype: Any, count: int = -1) -> Any:
    """Return a one-dimensional array of what an iterable gives."""
    items: list[Any] = []
    for item in iterable:
        if len(items) == count:
            break
        items.append(item)
    if len(items) < count:
        raise ValueError(f"iterator too short: Expected {count} but iterator had only {len(items)}")
    return core.array(items, dtype=dtype)


def ix_(*sequences: Any) -> tuple[Any, ...]:
    """Return open index arrays: ``x[np.ix_(rows, columns)]``."""
    result = []
    for i, sequence in enumerate(sequences):
        array = core.asarray(sequence)
        if array.ndim != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if array.dtype == core.bool:
            (array,) = core.nonzero(array)
        elif array.size == 0 and not isinstance(sequence, core.ndarray):
            array = array.astype(core.int64)
        shape = [1] * len(sequences)
        shape[i] = array.size
        result.append(core.reshape(array, tuple(shape)))
    return tuple(result)


def tri(
    N: int,  # noqa: N803 - NumPy's name
    M: int | None = None,  # noqa: N803
    k: int = 0,
    dtype: Any = float,
) -> Any:
    """Return an ``N`` by ``M`` matrix of ones at and below diagonal ``k``."""
    rows = core.reshape(core.arange(N), (-1, 1))
    return (rows >= core.arange(-k, (N if M is None else M) - k)).astype(dtype)


def _triangle(x: Any, k: int, lower: bool) -> Any:
    x = core.asarray(x)
    if x.ndim < 1:
        raise ValueError("tril and triu need at least one dimension")
    rows, columns = x.shape[-2:] if x.ndim > 1 else (x.shape[0], x.shape[0])
    mask = tri(rows, columns, k if lower else k - 1, bool)
    zero = core.zeros((), dtype=x.dtype)
    return core.where(mask, x, zero) if lower else core.where(mask, zero, x)


def tril(x: Any, /, k: int = 0) -> Any:
    """Return a copy with zeros above diagonal ``k`` of the last two dimensions."""
    return _triangle(x, k, lower=True)


def triu(x: Any, /, k: int = 0) -> Any:
    """Return a copy with zeros below diagonal ``k`` of the last two dimensions."""
    return _triangle(x, k, lower=False)


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, ...]:
    """Return the indices at and below diagonal ``k`` of an ``n`` by ``m`` matrix."""
    return tuple(core.nonzero(tri(n, m, k=k, dtype=bool)))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, ...]:
    """Return the indices at and above diagonal ``k`` of an ``n`` by ``m`` matrix."""
    return tuple(core.nonzero(core.logical_not(tri(n, m, k=k - 1, dtype=bool))))


def diag(v: Any, k: int = 0) -> Any:
    """Return a vector as the diagonal of a matrix, or a matrix's diagonal."""
    v = core.asarray(v)
    if v.ndim == 1:
        n = v.shape[0] + abs(k)
        result = core.zeros((n, n), dtype=v.dtype)
        start = k if k >= 0 else -k * n
        if v.shape[0]:
            end = start + (v.shape[0] - 1) * (n + 1) + 1
            core.reshape(result, (-1,))[start : end : n + 1] = v
        return result
    if v.ndim == 2:
        rows, columns = v.shape
        count = max(0, min(rows + min(k, 0), columns - max(k, 0)))
        i = core.arange(count)
        return v[i - min(k, 0), i + max(k, 0)]
    raise ValueError("Input must be 1- or 2-d.")


def diagflat(v: Any, k: int = 0) -> Any:
    """Return a matrix with the flattened input on its diagonal."""
    return diag(core.ravel(core.asarray(v)), k)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803
    """Return powers of ``x`` as columns."""
    x = core.asarray(x)
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    n = x.shape[0] if N is None else N
    powers = core.arange(n)
    result = core.reshape(x, (-1, 1)) ** powers
    return result if increasing else result[:, ::-1]
