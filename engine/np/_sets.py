"""Unique elements, and arrays as sets."""

from __future__ import annotations

from polyvm.np import _core as core
from polyvm.np._results import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "intersect1d",
    "isin",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


class UniqueAllResult(Result):
    """What `unique_all` gives."""

    __slots__ = ()
    _fields = ("values", "indices", "inverse_indices", "counts")


class UniqueCountsResult(Result):
    """What `unique_counts` gives."""

    __slots__ = ()
    _fields = ("values", "counts")


class UniqueInverseResult(Result):
    """What `unique_inverse` gives."""

    __slots__ = ()
    _fields = ("values", "inverse_indices")


def _firsts(ordered: Any, equal_nan: bool) -> Any:
    """Say which elements of a sorted vector differ from the one before."""
    mask = core.ones(ordered.shape, dtype=bool)
    mask[1:] = ordered[1:] != ordered[:-1]
    if equal_nan and ordered.dtype.kind in "fc" and ordered.size:
        nans = core.isnan(ordered)  # they are last
        if bool(nans[-1]):
            (places,) = core.nonzero(nans)
            mask[int(places[0]) + 1 :] = False
    return mask


def _unique(x: Any, equal_nan: bool) -> tuple[Any, Any, Any, Any]:
    flat = core.ravel(x)
    order = core.argsort(flat)
    ordered = core.take(flat, order)
    mask = _firsts(ordered, equal_nan)
    (starts,) = core.nonzero(mask)
    inverse = core.empty(flat.shape, dtype=core.int64)
    if flat.size:
        inverse[order] = core.cumsum(mask) - 1
    ends = core.concat((starts, core.asarray([flat.size], dtype=core.int64)))
    return ordered[mask], order[mask], core.reshape(inverse, x.shape), ends[1:] - ends[:-1]


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """Return the sorted unique elements; on request first indices, inverse and counts."""
    del sorted
    ar = core.asarray(ar)
    if axis is not None:
        return _unique_rows(ar, axis, return_index, return_inverse, return_counts)
    if not (return_index or return_inverse or return_counts):
        ordered = core.sort(core.ravel(ar))
        return ordered[_firsts(ordered, equal_nan)]
    values, indices, inverse, counts = _unique(ar, equal_nan)
    result: tuple[Any, ...] = (values,)
    result += (indices,) if return_index else ()
    result += (inverse,) if return_inverse else ()
    result += (counts,) if return_counts else ()
    return result


def _unique_rows(ar: Any, axis: int, index: bool, inverse: bool, counts: bool) -> Any:
    if not -ar.ndim <= axis < ar.ndim:
        raise core.AxisError(f"axis {axis} is out of bounds for array of dimension {ar.ndim}")
    axis %= ar.ndim
    order = (axis, *(i for i in range(ar.ndim) if i != axis))
    moved = core.permute_dims(ar, order)
    rows = core.reshape(moved, (moved.shape[0], -1))
    ranks = core.arange(rows.shape[0])
    for column in range(rows.shape[1] - 1, -1, -1):
        ranks = ranks[core.argsort(rows[:, column][ranks])]
    ordered = rows[ranks]
    mask = core.ones((rows.shape[0],), dtype=bool)
    if rows.shape[0] > 1:
        mask[1:] = core.any(ordered[1:] != ordered[:-1], axis=1)
    back = tuple(order.index(i) for i in range(ar.ndim))
    values = core.permute_dims(moved[ranks[mask]], back)
    if not (index or inverse or counts):
        return values
    result: tuple[Any, ...] = (values,)
    if index:
        result += (ranks[mask],)
    if inverse:
        places = core.empty((rows.shape[0],), dtype=core.int64)
        places[ranks] = core.cumsum(mask) - 1
        result += (places,)
    if counts:
        (starts,) = core.nonzero(mask)
        ends = core.concat((starts, core.asarray([rows.shape[0]], dtype=core.int64)))
        result += (ends[1:] - ends[:-1],)
    return result


def unique_all(x: Any, /) -> UniqueAllResult:
    """Return unique values, the first index of each, the inverse, and counts."""
    return UniqueAllResult(*_unique(core.asarray(x), equal_nan=False))


def unique_counts(x: Any, /) -> UniqueCountsResult:
    """Return unique values and how often each occurs."""
    values, _, _, counts = _unique(core.asarray(x), equal_nan=False)
    return UniqueCountsResult(values, counts)


def unique_inverse(x: Any, /) -> UniqueInverseResult:
    """Return unique values, and for each element which of them it is."""
    values, _, inverse, _ = _unique(core.asarray(x), equal_nan=False)
    return UniqueInverseResult(values, inverse)


def unique_values(x: Any, /) -> Any:
    """Return unique values; each NaN is one of its own."""
    return unique(x, equal_nan=False)


# ---- Sets ----------------------------------------------------------------------------------


_MANY = 1000  # elements from which on a table pays


def _looked_up(element: Any, tests: Any) -> Any:
    """Return `isin` by a table of all integers between the tests; None if that is no good."""
    for array in (element, tests):
        if array.dtype.kind not in "iu" or array.dtype == core.uint64:
            return None
    low, high = int(core.min(tests)), int(core.max(tests))
    if high - low > 4 * (element.size + tests.size) or low <= -(2**63) or high >= 2**63 - 1:
        return None
    table = core.zeros(high - low + 3, dtype=bool)  # one on either side, for what is outside
    table[tests.astype(core.int64, copy=False) - (low - 1)] = True
    places = core.clip(element.astype(core.int64, copy=False), low - 1, high + 1)
    core.subtract(places, low - 1, out=places)
    return core.take(table, places)


def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: str | None = None,
) -> Any:
    """Say which elements are among ``test_elements``."""
    del assume_unique, kind
    element, tests = core.asarray(element), core.ravel(core.asarray(test_elements))
    found = _looked_up(element, tests) if element.size > _MANY and tests.size else None
    if found is None and tests.size == 0:
        found = core.zeros(element.shape, dtype=bool)
    elif found is None:
        tests = core.sort(tests)
        places = core.searchsorted(tests, element)
        found = core.take(tests, core.minimum(places, tests.size - 1)) == element
    return core.logical_not(found) if invert else found


def union1d(ar1: Any, ar2: Any) -> Any:
    """Return the sorted unique elements of both inputs."""
    return unique(core.concat((core.ravel(core.asarray(ar1)), core.ravel(core.asarray(ar2)))))


def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """Return the sorted unique elements that are in both inputs."""
    del assume_unique
    first, where_first = unique(ar1, return_index=True)
    second, where_second = unique(ar2, return_index=True)
    mask = isin(first, second)
    common = first[mask].astype(core.tensor._promote(first.dtype, second.dtype), copy=False)
    if not return_indices:
        return common
    return common, where_first[mask], where_second[isin(second, first)]


def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Return the sorted unique elements of the first input that are not in the second."""
    first = core.ravel(core.asarray(ar1)) if assume_unique else unique(ar1)
    return first[isin(first, ar2, invert=True)]


def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Return the sorted unique elements that are in one input only."""
    del assume_unique
    first, second = unique(ar1), unique(ar2)
    parts = (first[isin(first, second, invert=True)], second[isin(second, first, invert=True)])
    return core.sort(core.concat(parts))
