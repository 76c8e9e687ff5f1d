"""Products of vectors, matrices and tensors."""

from __future__ import annotations

from polyvm.np import _core as core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["dot", "inner", "kron", "matvec", "outer", "tensordot", "vdot", "vecdot", "vecmat"]


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Return the sums of products along an axis, the first input conjugated."""
    x1, x2 = core.asarray(x1), core.asarray(x2)
    least = min(x1.ndim, x2.ndim)
    if not -least <= axis < (0 if x1.ndim != x2.ndim else least):
        raise core.AxisError(f"axis {axis} is out of bounds for arrays of dimension {least}")
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError("x1 and x2 must have the same size along the given axis")
    x1, x2 = _last(x1, axis), _last(x2, axis)
    if x1.dtype.kind == "c":
        x1 = core.conjugate(x1)
    if x1.ndim == 1 and x2.ndim == 1:
        return core.matmul(x1, x2)
    product = core.matmul(core.expand_dims(x1, -2), core.expand_dims(x2, -1))
    return core.squeeze(product, axis=(-2, -1))


def _last(x: Any, axis: int) -> Any:
    axis %= x.ndim
    if axis == x.ndim - 1:
        return x
    return core.permute_dims(x, (*(i for i in range(x.ndim) if i != axis), axis))


def dot(a: Any, b: Any, out: Any = None) -> Any:
    """Return NumPy's dot product: over the last axis of ``a`` and the second last of ``b``."""
    a, b = core.asarray(a), core.asarray(b)
    dims, others = a.ndim, b.ndim
    if dims == 0 or others == 0:
        result = core.multiply(a, b)
    elif dims <= 2 and others <= 2:
        try:
            result = core.matmul(a, b)
        except ValueError:
            if a.shape[-1] == b.shape[0]:
                raise
            shapes = [str(x.shape).replace(" ", "") for x in (a, b)]
            raise ValueError(
                f"shapes {shapes[0]} and {shapes[1]} not aligned: "
                f"{a.shape[-1]} (dim {dims - 1}) != {b.shape[0]} (dim 0)"
            ) from None
    else:
        result = tensordot(a, b, ((-1,), (-2 if others > 1 else -1,)))
    if out is None:
        return result
    out[...] = result
    return out


def vdot(a: Any, b: Any, /) -> Any:
    """Return the dot product of the flattened inputs, the first conjugated."""
    return vecdot(core.ravel(core.asarray(a)), core.ravel(core.asarray(b)))


def inner(a: Any, b: Any, /) -> Any:
    """Return the sums of products over the last axes."""
    a, b = core.asarray(a), core.asarray(b)
    if a.ndim == 0 or b.ndim == 0:
        return core.multiply(a, b)
    return tensordot(a, b, ((-1,), (-1,)))


def outer(a: Any, b: Any) -> Any:
    """Return the products of every element of one vector with every one of the other."""
    column = core.reshape(core.asarray(a), (-1, 1))
    return core.multiply(column, core.reshape(core.asarray(b), (1, -1)))


def matvec(x1: Any, x2: Any, /) -> Any:
    """Return products of matrices with vectors."""
    return core.squeeze(core.matmul(x1, core.expand_dims(core.asarray(x2), -1)), axis=-1)


def vecmat(x1: Any, x2: Any, /) -> Any:
    """Return products of vectors, conjugated, with matrices."""
    x1 = core.asarray(x1)
    row = core.expand_dims(core.conjugate(x1) if x1.dtype.kind == "c" else x1, -2)
    return core.squeeze(core.matmul(row, x2), axis=-2)


def tensordot(x1: Any, x2: Any, /, axes: Any = 2) -> Any:
    """Return the sums of products over some axes of both inputs: a number or two sequences."""
    x1, x2 = core.asarray(x1), core.asarray(x2)
    if isinstance(axes, int):
        first, second = tuple(range(-axes, 0)), tuple(range(axes))
    else:
        given = [one if isinstance(one, (tuple, list)) else (one,) for one in axes]
        first, second = tuple(given[0]), tuple(given[1])
    if len(first) != len(second):
        raise ValueError("shape-mismatch for sum")
    for axis, dims in ((a, x1.ndim) for a in first):
        if not -dims <= axis < dims:
            raise core.AxisError(f"axis {axis} is out of bounds for array of dimension {dims}")
    for axis, dims in ((a, x2.ndim) for a in second):
        if not -dims <= axis < dims:
            raise core.AxisError(f"axis {axis} is out of bounds for array of dimension {dims}")
    first, second = tuple(a % x1.ndim for a in first), tuple(a % x2.ndim for a in second)
    if any(x1.shape[a] != x2.shape[b] for a, b in zip(first, second, strict=True)):
        raise ValueError("shape-mismatch for sum")
    free1 = [i for i in range(x1.ndim) if i not in first]
    free2 = [i for i in range(x2.ndim) if i not in second]
    rows = columns = inner_size = 1
    for i in free1:
        rows *= x1.shape[i]
    for i in free2:
        columns *= x2.shape[i]
    for i in first:
        inner_size *= x1.shape[i]
    left = core.reshape(core.permute_dims(x1, (*free1, *first)), (rows, inner_size))
    right = core.reshape(core.permute_dims(x2, (*second, *free2)), (inner_size, columns))
    shape = (*(x1.shape[i] for i in free1), *(x2.shape[i] for i in free2))
    return core.reshape(core.matmul(left, right), shape)


def kron(a: Any, b: Any) -> Any:
    """Return the Kronecker product."""
    a, b = core.asarray(a), core.asarray(b)
    dims = max(a.ndim, b.ndim)
    first = (1,) * (dims - a.ndim) + a.shape
    second = (1,) * (dims - b.ndim) + b.shape
    left = core.reshape(a, tuple(part for size in first for part in (size, 1)))
    right = core.reshape(b, tuple(part for size in second for part in (1, size)))
    full = tuple(m * n for m, n in zip(first, second, strict=True))
    return core.reshape(core.multiply(left, right), full)
