"""Indices written as slices: np.mgrid[0:3, 0:4], np.r_[1:5], np.s_[::2]."""

from __future__ import annotations

from polyvm.np import _core as core
from polyvm.np._creation import linspace, meshgrid, tril_indices, triu_indices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "c_",
    "diag_indices",
    "diag_indices_from",
    "index_exp",
    "mask_indices",
    "mgrid",
    "ogrid",
    "r_",
    "s_",
    "tril_indices_from",
    "triu_indices_from",
]


def _range(part: slice) -> Any:
    """A slice's numbers; an imaginary step says how many, both ends included."""
    start = 0 if part.start is None else part.start
    step = 1 if part.step is None else part.step
    if isinstance(step, complex):
        return linspace(start, part.stop, int(abs(step)))
    return core.arange(start, part.stop, step)


class _Grid:
    """np.mgrid and np.ogrid."""

    def __init__(self, sparse: bool) -> None:
        self.sparse = sparse

    def __getitem__(self, key: Any) -> Any:
        """Return the coordinates of a grid."""
        if isinstance(key, slice):
            return _range(key)
        ranges = [_range(part) for part in key]
        if any(one.dtype.kind == "f" for one in ranges):
            ranges = [one.astype(core.float64) for one in ranges]
        grids = meshgrid(*ranges, indexing="ij", sparse=self.sparse)
        return tuple(grids) if self.sparse else core.stack(grids)


class _Joined:
    """np.r_ and np.c_: slices, numbers and arrays joined."""

    def __init__(self, columns: bool) -> None:
        self.columns = columns

    def __getitem__(self, key: Any) -> Any:
        """Return the parts joined along the first axis, or as columns."""
        parts = []
        for part in key if isinstance(key, tuple) else (key,):
            if isinstance(part, str):
                raise NotImplementedError("directives such as 'r' or '0,2' are not known here")
            array = _range(part) if isinstance(part, slice) else core.asarray(part)
            if self.columns and array.ndim < 2:
                array = core.reshape(array, (-1, 1))
            parts.append(core.reshape(array, (1,)) if array.ndim == 0 else array)
        return core.concat(parts, axis=-1 if self.columns else 0)


class _Index:
    """np.s_ and np.index_exp: an index as an object."""

    def __init__(self, as_tuple: bool) -> None:
        self.as_tuple = as_tuple

    def __getitem__(self, key: Any) -> Any:
        """Return what stands between the brackets."""
        return (key,) if self.as_tuple and not isinstance(key, tuple) else key


mgrid = _Grid(sparse=False)
ogrid = _Grid(sparse=True)
r_ = _Joined(columns=False)
c_ = _Joined(columns=True)
s_ = _Index(as_tuple=False)
index_exp = _Index(as_tuple=True)


def diag_indices(n: int, ndim: int = 2) -> tuple[Any, ...]:
    """Return the indices of the main diagonal of an array of ``ndim`` dimensions of size ``n``."""
    return (core.arange(n),) * ndim


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """Return the indices of an array's main diagonal."""
    if arr.ndim < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(arr.shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    return diag_indices(arr.shape[0], arr.ndim)


def mask_indices(n: int, mask_func: Callable[..., Any], k: Any = 0) -> tuple[Any, ...]:
    """Return the indices of an ``n`` by ``n`` matrix that ``mask_func(matrix, k)`` leaves."""
    left = mask_func(core.ones((n, n), dtype=core.int64), k)
    return tuple(core.nonzero(left != 0))


def tril_indices_from(arr: Any, k: int = 0) -> Any:
    """Return the indices of a matrix's lower triangle."""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return tril_indices(arr.shape[0], k, arr.shape[1])


def triu_indices_from(arr: Any, k: int = 0) -> Any:
    """Return the indices of a matrix's upper triangle."""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return triu_indices(arr.shape[0], k, arr.shape[1])
