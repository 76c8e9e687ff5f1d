"""Elements by conditions, indices and diagonals; functions applied to parts of arrays."""

from __future__ import annotations

import itertools
import operator

from polyvm.np import _core as core
from polyvm.np._manipulation import _axis, broadcast_arrays, moveaxis
from polyvm.np._types import result_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = [
    "apply_along_axis",
    "apply_over_axes",
    "argwhere",
    "choose",
    "compress",
    "diagonal",
    "extract",
    "fill_diagonal",
    "flatiter",
    "flatnonzero",
    "lexsort",
    "ndenumerate",
    "ndindex",
    "piecewise",
    "place",
    "put",
    "putmask",
    "ravel_multi_index",
    "select",
    "trace",
    "unravel_index",
    "vectorize",
]


def argwhere(a: Any) -> Any:
    """Return the indices of the elements that are not 0, one row an element."""
    a = core.asarray(a)
    if a.ndim == 0:
        return core.empty((int(bool(a)), 0), dtype=core.int64)
    return core.stack(core.nonzero(a), axis=1)


def flatnonzero(a: Any) -> Any:
    """Return the indices in the flattened input of the elements that are not 0."""
    return core.nonzero(core.ravel(core.asarray(a)))[0]


def extract(condition: Any, arr: Any) -> Any:
    """Return the elements, in C order, where the condition is not 0."""
    return core.take(core.ravel(core.asarray(arr)), flatnonzero(condition))


def compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    """Return the slices along an axis where a vector of conditions is true."""
    a, condition = core.asarray(a), core.asarray(condition)
    if condition.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    if axis is None:
        a, axis = core.ravel(a), 0
    places = flatnonzero(condition)
    if places.size and int(places[-1]) >= a.shape[_axis(axis, a.ndim)]:
        raise IndexError(
            f"index {int(places[-1])} is out of bounds for axis {axis} with size {a.shape[axis]}"
        )
    result = core.take(a, places, axis=axis)
    if out is None:
        return result
    out[...] = result
    return out


# ---- Writing -------------------------------------------------------------------------------


def _writable(a: Any, what: str) -> Any:
    if not isinstance(a, core.ndarray):
        raise TypeError(f"argument 1 of {what} must be an array, not {type(a).__name__}")
    if not a.flags["WRITEABLE"]:
        raise ValueError("assignment destination is read-only")
    return a


def _cycled(values: Any, count: int) -> Any:
    places = core.remainder(core.arange(count), values.size)
    return core.take(values, places)


def _write_flat(a: Any, places: Any, values: Any) -> None:
    if a.flags["C_CONTIGUOUS"]:
        core.reshape(a, (-1,))[places] = values
    else:
        a[unravel_index(places, a.shape)] = values


def place(arr: Any, mask: Any, vals: Any) -> None:
    """Set the elements where a mask is true to one value after the other, again and again."""
    _writable(arr, "place")
    mask = core.asarray(mask)
    if mask.size != arr.size:
        raise ValueError("place: mask and data must be the same size")
    places = flatnonzero(mask)
    values = core.ravel(core.asarray(vals))
    if places.size and not values.size:
        raise ValueError("Cannot insert from an empty array!")
    if places.size:
        _write_flat(arr, places, _cycled(values, places.size).astype(arr.dtype))


def putmask(a: Any, mask: Any, values: Any) -> None:
    """Set the elements where a mask is true to those of ``values``, repeated, at their places."""
    _writable(a, "putmask")
    mask = core.asarray(mask)
    if mask.size != a.size:
        raise ValueError("putmask: mask and data must be the same size")
    values = core.ravel(core.asarray(values))
    places = flatnonzero(mask)
    if places.size and values.size:
        chosen = core.take(values, core.remainder(places, values.size))
        _write_flat(a, places, chosen.astype(a.dtype))


def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Set the elements at indices of the flattened array to values, repeated as needed."""
    _writable(a, "put")
    places = core.ravel(core.asarray(ind))
    values = core.ravel(core.asarray(v))
    if not places.size or not values.size:
        return
    if places.dtype.kind not in "iub":
        raise TypeError("Cannot cast array data to dtype('int64') according to the rule 'safe'")
    places = places.astype(core.int64)
    if mode == "clip":
        places = core.clip(places, 0, a.size - 1)
    elif mode == "wrap":
        places = core.remainder(places, a.size)
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    elif bool(core.any(places < -a.size)) or bool(core.any(places >= a.size)):
        wrong = places[core.logical_or(places < -a.size, places >= a.size)]
        raise IndexError(f"index {wrong[0]} is out of bounds for axis 0 with size {a.size}")
    places = core.where(places < 0, places + a.size, places)
    _write_flat(a, places, _cycled(values, places.size).astype(a.dtype))


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Set the main diagonal, of any number of dimensions; ``wrap``: again in tall matrices."""
    _writable(a, "fill_diagonal")
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    end = None
    if a.ndim == 2:
        step = a.shape[1] + 1
        if not wrap:
            end = a.shape[1] * a.shape[1]
    else:
        if len(set(a.shape)) > 1:
            raise ValueError("All dimensions of input must be of equal length")
        step = sum(a.shape[0] ** i for i in range(a.ndim))
    places = core.arange(0, a.size if end is None else min(end, a.size), step)
    if places.size:
        values = core.ravel(core.asarray(val))
        _write_flat(a, places, _cycled(values, places.size).astype(a.dtype))


# ---- One of several ------------------------------------------------------------------------


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Return, place by place, the choice whose condition is the first true one."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if len(condlist) == 0:
        raise ValueError("select with an empty condition list is not possible")
    conditions = [core.asarray(one) for one in condlist]
    for i, condition in enumerate(conditions):
        if condition.dtype.kind != "b":
            raise TypeError(f"invalid entry {i} in condlist: should be boolean ndarray")
    from polyvm.np._types import result_type

    dtype = result_type(*choicelist, default)
    result = core.asarray(default, dtype=dtype)
    for condition, choice in zip(reversed(conditions), reversed(list(choicelist)), strict=True):
        result = core.where(condition, core.asarray(choice, dtype=dtype), result)
    return result


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """Return, place by place, the element of the choice whose number ``a`` names."""
    a = core.asarray(a)
    if a.dtype.kind not in "biu":
        raise TypeError("choose's first argument holds integers")
    arrays = broadcast_arrays(a.astype(core.int64), *choices)
    index, options = arrays[0], arrays[1:]
    if mode == "clip":
        index = core.clip(index, 0, len(options) - 1)
    elif mode == "wrap":
        index = core.remainder(index, len(options))
    elif bool(core.any(core.logical_or(index < 0, index >= len(options)))):
        raise ValueError("invalid entry in choice array")
    dtype = result_type(*options) if len(options) > 2 else None
    result = core.stack(options if dtype is None else [one.astype(dtype) for one in options])
    result = core.take_along_axis(result, core.expand_dims(index, 0), axis=0)[0]
    if out is None:
        return result
    out[...] = result
    return out


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Return a function defined by parts: each function, or number, where its condition holds."""
    x = core.asarray(x)
    if isinstance(condlist, core.ndarray):
        conditions = list(condlist) if condlist.ndim > 1 else [condlist]
    else:
        conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
        if x.ndim and not isinstance(conditions[0], (list, tuple, core.ndarray)):
            conditions = [condlist]
    masks = [core.broadcast_to(core.asarray(one, dtype=bool), x.shape) for one in conditions]
    if len(funclist) == len(masks) + 1:
        rest = masks[0]
        for mask in masks[1:]:
            rest = core.logical_or(rest, mask)
        masks.append(core.logical_not(rest))
    elif len(funclist) != len(masks):
        raise ValueError(
            f"with {len(masks)} condition(s), {len(masks)} or {len(masks) + 1} functions are "
            "expected"
        )
    result = core.zeros_like(x)
    for mask, function in zip(masks, funclist, strict=True):
        if not callable(function):
            result[mask] = function
        elif bool(core.any(mask)):
            result[mask] = core.asarray(function(x[mask], *args, **kw)).astype(result.dtype)
    return result


# ---- Diagonals -----------------------------------------------------------------------------


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonals of the matrices along two axes, as the last dimension."""
    a = core.asarray(a)
    if a.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    first, second = _axis(axis1, a.ndim), _axis(axis2, a.ndim)
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    rest = [i for i in range(a.ndim) if i not in (first, second)]
    moved = core.permute_dims(a, (first, second, *rest))
    rows, columns = moved.shape[:2]
    low, high = max(-offset, 0), max(offset, 0)
    places = core.arange(max(min(rows - low, columns - high), 0))
    return moveaxis(moved[places + low, places + high], 0, -1)


def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    """Return the sums along the diagonals."""
    return core.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


# ---- Orders and indices --------------------------------------------------------------------


def lexsort(keys: Any, axis: int = -1) -> Any:
    """Return the indices that sort by the last key, among equals by the one before, ..."""
    keys = [core.asarray(key) for key in keys]
    if not keys:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if keys[0].ndim == 0:
        return core.asarray(0)
    if any(key.shape != keys[0].shape for key in keys):
        raise ValueError("all keys need to be the same shape")
    axis = _axis(axis, keys[0].ndim)
    order = core.argsort(keys[0], axis=axis)
    for key in keys[1:]:
        by_key = core.argsort(core.take_along_axis(key, order, axis=axis), axis=axis)
        order = core.take_along_axis(order, by_key, axis=axis)
    return order


def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """Return the indices by dimension of flat indices into an array of ``shape``."""
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (operator.index(shape),)
    places = core.asarray(indices)
    if places.dtype.kind not in "iu":
        raise TypeError("only int indices permitted")
    total = 1
    for size in sizes:
        total *= size
    outside = core.logical_or(places < 0, places >= total)
    if bool(core.any(outside)):
        wrong = int(core.ravel(places)[core.ravel(outside)][0]) if places.ndim else int(places)
        raise ValueError(f"index {wrong} is out of bounds for array with size {total}")
    rest = places.astype(core.int64)
    result = []
    for size in reversed(sizes) if order == "C" else sizes:
        result.append(core.remainder(rest, size))
        rest = core.floor_divide(rest, size)
    return tuple(reversed(result)) if order == "C" else tuple(result)


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """Return the flat indices of indices by dimension. ``mode``: 'raise', 'wrap' or 'clip'."""
    sizes = tuple(dims) if isinstance(dims, (tuple, list)) else (operator.index(dims),)
    indices = [core.asarray(one) for one in multi_index]
    if len(indices) != len(sizes):
        raise ValueError(f"parameter multi_index must be a sequence of length {len(sizes)}")
    modes = mode if isinstance(mode, (tuple, list)) else (mode,) * len(sizes)
    pairs = list(zip(indices, sizes, modes, strict=True))
    flat: Any = 0
    for index, size, its_mode in pairs if order == "C" else reversed(pairs):
        place = index
        if index.dtype.kind not in "iu":
            raise TypeError("only int indices permitted")
        if its_mode == "wrap":
            place = core.remainder(index, size)
        elif its_mode == "clip":
            place = core.clip(index, 0, size - 1)
        elif bool(core.any(core.logical_or(index < 0, index >= size))):
            raise ValueError("invalid entry in coordinates array")
        flat = flat * size + place.astype(core.int64)
    return flat


class flatiter:  # noqa: N801 - NumPy's name
    """An array's elements in C order: iterates over them, and reads and sets them by flat index."""

    def __init__(self, base: Any) -> None:
        """Start at the first element of ``base``."""
        self.base = base
        self.index = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.index >= self.base.size:
            raise StopIteration
        self.index += 1
        return self.base[unravel_index(self.index - 1, self.base.shape)]

    def __len__(self) -> int:
        return int(self.base.size)

    def _places(self, key: Any) -> Any:
        return core.arange(self.base.size)[key]

    def __getitem__(self, key: Any) -> Any:
        """Return elements, as a copy."""
        return core.ravel(self.base)[key] if key is not Ellipsis else self.copy()

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set elements to values, repeated as needed."""
        places = core.reshape(self._places(key), (-1,))
        values = core.ravel(core.asarray(value))
        if places.size and not values.size:
            raise ValueError("Error setting single item of array.")
        if places.size:
            _write_flat(self.base, places, _cycled(values, places.size).astype(self.base.dtype))

    def copy(self) -> Any:
        """Return the elements as a vector of their own."""
        return core.reshape(self.base.copy(), (-1,))


class ndindex:  # noqa: N801 - NumPy's name
    """Iterates over the indices, as tuples, of an array of some shape."""

    def __init__(self, *shape: Any) -> None:
        """Take the sizes one by one, or as one tuple."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        if any(size < 0 for size in sizes):
            raise ValueError("negative dimensions are not allowed")
        self._places = itertools.product(*(range(size) for size in sizes))

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return self

    def __next__(self) -> tuple[int, ...]:
        return next(self._places)


class ndenumerate:  # noqa: N801 - NumPy's name
    """Iterates over the indices of an array and its elements."""

    def __init__(self, arr: Any) -> None:
        """Start at the first element, in C order."""
        self._array = core.asarray(arr)
        self._places = ndindex(self._array.shape)

    def __iter__(self) -> Iterator[tuple[tuple[int, ...], Any]]:
        return self

    def __next__(self) -> tuple[tuple[int, ...], Any]:
        place = next(self._places)
        return place, self._array[place]


# ---- Applying functions --------------------------------------------------------------------


def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """Call a function with every line along an axis; what it returns takes the axis's place."""
    arr = core.asarray(arr)
    axis = _axis(axis, arr.ndim)
    lines = moveaxis(arr, axis, -1)
    outer = lines.shape[:-1]
    if 0 in outer:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    results = [core.asarray(func1d(lines[place], *args, **kwargs)) for place in ndindex(outer)]
    inner = results[0].shape
    whole = core.reshape(core.stack(results), outer + inner)
    order = list(range(axis)) + list(range(len(outer), whole.ndim)) + list(range(axis, len(outer)))
    return core.permute_dims(whole, tuple(order)) if whole.ndim else whole[()]


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """Call ``func(array, axis)`` for each axis in turn, keeping the number of dimensions."""
    value = core.asarray(a)
    dims = value.ndim
    for axis in axes if isinstance(axes, (tuple, list)) else (axes,):
        along = _axis(axis, dims)
        result = core.asarray(func(value, along))
        if result.ndim != value.ndim:
            result = core.expand_dims(result, along)
        if result.ndim != value.ndim:
            raise ValueError("function is not returning an array of the correct shape")
        value = result
    return value


class vectorize:  # noqa: N801 - NumPy's name
    """A function of numbers, called for every element of broadcast arrays."""

    def __init__(
        self,
        pyfunc: Callable[..., Any],
        otypes: Any = None,
        doc: str | None = None,
        excluded: Any = None,
        cache: bool = False,
    ) -> None:
        """Wrap ``pyfunc``; ``otypes``: its results' types; ``excluded``: what is passed as is."""
        del cache
        self.pyfunc = pyfunc
        self.__doc__ = doc if doc is not None else pyfunc.__doc__
        self._excluded = set(excluded or ())
        if isinstance(otypes, str):
            otypes = list(otypes)
        self._types = None if otypes is None else [core.dtype(one) for one in otypes]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function element by element."""
        spread = [i for i in range(len(args)) if i not in self._excluded]
        named = [name for name in kwargs if name not in self._excluded]
        arrays = broadcast_arrays(*(args[i] for i in spread), *(kwargs[name] for name in named))
        shape = arrays[0].shape if arrays else ()
        columns = [core.ravel(one).tolist() for one in arrays]
        positional, options = list(args), dict(kwargs)
        results = []
        types = self._types
        if types is None and columns and columns[0]:  # of scalars, which have types
            first = [core.ravel(one)[0] for one in arrays]
            for i, value in zip(spread, first, strict=False):
                positional[i] = value
            options.update(zip(named, first[len(spread) :], strict=True))
            found = self.pyfunc(*positional, **options)
            parts = found if isinstance(found, tuple) else (found,)
            types = [core.asarray(part).dtype for part in parts]
        for values in zip(*columns, strict=True):
            for i, value in zip(spread, values, strict=False):
                positional[i] = value
            options.update(zip(named, values[len(spread) :], strict=True))
            results.append(self.pyfunc(*positional, **options))
        if not results and self._types is None:
            raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
        if (results and isinstance(results[0], tuple)) or (self._types and len(self._types) > 1):
            count = len(results[0]) if results else len(self._types or ())
            types = types or [None] * count
            return tuple(
                core.reshape(core.asarray([row[k] for row in results], dtype=types[k]), shape)
                for k in range(count)
            )
        dtype = types[0] if types else None
        return core.reshape(core.asarray(results, dtype=dtype), shape)
