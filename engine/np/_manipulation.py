"""Moving elements: joining, splitting, repeating, turning, padding."""

from __future__ import annotations

import itertools
import operator

from polyvm.np import _core as core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "append",
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block",
    "broadcast_arrays",
    "broadcast_shapes",
    "column_stack",
    "copyto",
    "delete",
    "dsplit",
    "dstack",
    "flip",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "insert",
    "matrix_transpose",
    "moveaxis",
    "ndim",
    "pad",
    "repeat",
    "resize",
    "roll",
    "rollaxis",
    "rot90",
    "shape",
    "size",
    "split",
    "tile",
    "trim_zeros",
    "unstack",
    "vsplit",
    "vstack",
]


def _axis(axis: int, ndim: int) -> int:
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise core.AxisError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    return axis % ndim


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(_axis(one, ndim) for one in given)
    if len(set(axes)) != len(axes):
        raise ValueError("repeated axis")
    return axes


def ndim(a: Any) -> int:
    """Return how many dimensions there are."""
    return core.asarray(a).ndim  # type: ignore[no-any-return]


def shape(a: Any) -> tuple[int, ...]:
    """Return the sizes of the dimensions."""
    return core.asarray(a).shape  # type: ignore[no-any-return]


def size(a: Any, axis: int | None = None) -> int:
    """Return how many elements there are, in all or along an axis."""
    a = core.asarray(a)
    return a.size if axis is None else a.shape[_axis(axis, a.ndim)]  # type: ignore[no-any-return]


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Copy values into an array, where a mask says so."""
    src = core.asarray(src, dtype=None if isinstance(src, core.ndarray) else dst.dtype)
    if not core.tensor._can_cast(src.dtype, dst.dtype, casting):
        raise TypeError(
            f"Cannot cast array data from dtype('{src.dtype}') to dtype('{dst.dtype}') according "
            f"to the rule '{casting}'"
        )
    dst[...] = src if where is True else core.where(where, src.astype(dst.dtype), dst)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Return a view with dimensions moved to other places."""
    a = core.asarray(a)
    origin, target = _axes(source, a.ndim), _axes(destination, a.ndim)
    if len(origin) != len(target):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = [i for i in range(a.ndim) if i not in origin]
    for to, come in sorted(zip(target, origin, strict=True)):
        order.insert(to, come)
    return core.permute_dims(a, tuple(order))


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Return a view with one dimension moved before another."""
    axis = _axis(axis, a.ndim)
    start = start + a.ndim if start < 0 else start
    return moveaxis(a, axis, start - (axis < start))


def matrix_transpose(x: Any, /) -> Any:
    """Return a view with the last two dimensions exchanged."""
    return core.asarray(x).mT


def flip(m: Any, axis: Any = None) -> Any:
    """Return a view with the elements in reverse order along the axes (None: all)."""
    m = core.asarray(m)
    axes = range(m.ndim) if axis is None else _axes(axis, m.ndim)
    key = [slice(None)] * m.ndim
    for one in axes:
        key[one] = slice(None, None, -1)
    return m[tuple(key)]


def flipud(m: Any) -> Any:
    """Return a view with the first dimension reversed."""
    m = core.asarray(m)
    if m.ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(m, 0)


def fliplr(m: Any) -> Any:
    """Return a view with the second dimension reversed."""
    m = core.asarray(m)
    if m.ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(m, 1)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Return the array turned by 90 degrees ``k`` times in the plane of two axes."""
    m = core.asarray(m)
    one, other = axes
    if one == other or abs(one - other) == m.ndim:
        raise ValueError("Axes must be different.")
    if not (-m.ndim <= one < m.ndim and -m.ndim <= other < m.ndim):
        raise ValueError(f"Axes={axes} out of range for array of ndim={m.ndim}.")
    first, second = _axes(axes, m.ndim)
    turns = k % 4
    if turns == 0:
        return m[...]
    if turns == 2:
        return flip(m, (first, second))
    if turns == 1:
        return core.swapaxes(flip(m, second), first, second)
    return flip(core.swapaxes(m, first, second), second)


def roll(x: Any, /, shift: Any, axis: Any = None) -> Any:
    """Return the elements moved along the axes, those from the end coming in at the front."""
    x = core.asarray(x)
    if axis is None:
        return core.reshape(roll(core.ravel(x), shift, 0), x.shape)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    if len(shifts) == 1:
        shifts = tuple(shifts) * len(axes)
    if len(axes) == 1:
        axes = tuple(axes) * len(shifts)
    for by, one in zip(shifts, axes, strict=True):
        along = _axis(one, x.ndim)
        length = x.shape[along]
        at = (length - int(by) % length) % length if length else 0
        key = (slice(None),) * along
        x = core.concat((x[(*key, slice(at, None))], x[(*key, slice(None, at))]), axis=along)
    return x


def tile(x: Any, repetitions: Any, /) -> Any:
    """Return the array repeated as a whole along each dimension."""
    x = core.asarray(x)
    if type(repetitions) is int and x.ndim == 1 and repetitions >= 0:
        size = x.shape[0]
        wide = core.broadcast_to(x, (repetitions, size))
        return core.reshape(wide, (repetitions * size,), copy=True)
    reps = tuple(repetitions) if isinstance(repetitions, (tuple, list)) else (repetitions,)
    dims = max(len(reps), x.ndim)
    reps = (1,) * (dims - len(reps)) + reps
    sizes = (1,) * (dims - x.ndim) + x.shape
    wide = core.reshape(x, tuple(part for size in sizes for part in (1, size)))
    full = tuple(part for rep, size in zip(reps, sizes, strict=True) for part in (rep, size))
    result = core.broadcast_to(wide, full).copy()
    return core.reshape(result, tuple(r * s for r, s in zip(reps, sizes, strict=True)))


def _repeated(x: Any, times: int, axis: int) -> Any:
    shape = x.shape
    before, after = shape[: axis + 1], shape[axis + 1 :]
    wide = core.broadcast_to(core.reshape(x, (*before, 1, *after)), (*before, times, *after))
    return core.reshape(wide, (*shape[:axis], shape[axis] * times, *after), copy=True)


def repeat(x: Any, repeats: Any, /, axis: int | None = None) -> Any:
    """Return every element repeated, by one number or one for each along the axis."""
    x = core.asarray(x)
    if axis is None:
        if type(repeats) is int and repeats >= 0:
            size = x.size
            wide = core.broadcast_to(core.reshape(x, (size, 1)), (size, repeats))
            return core.reshape(wide, (size * repeats,), copy=True)
        x, axis = core.ravel(x), 0
    axis = _axis(axis, x.ndim)
    if type(repeats) is int and repeats >= 0:
        return _repeated(x, repeats, axis)
    counts = core.asarray(repeats)
    if counts.size == 0 and not isinstance(repeats, core.ndarray):
        counts = counts.astype(core.int64)
    if counts.dtype.kind not in "iub":
        raise TypeError(
            f"Cannot cast array data from dtype('{counts.dtype}') to dtype('int64') according to "
            "the rule 'safe'"
        )
    if bool(core.any(counts < 0)):
        raise ValueError("repeats may not contain negative values.")
    if counts.size == 1:
        return _repeated(x, int(core.reshape(counts, ())), axis)
    if counts.ndim != 1 or counts.shape[0] != x.shape[axis]:
        raise ValueError(
            f"operands could not be broadcast together with shape ({x.shape[axis]},) {counts.shape}"
        )
    ends = core.cumsum(counts.astype(core.int64))
    total = int(ends[-1]) if ends.size else 0
    places = core.searchsorted(ends, core.arange(total), side="right")
    return core.take(x, places, axis=axis)


def resize(a: Any, new_shape: Any) -> Any:
    """Return an array of another shape, its elements repeated as often as needed."""
    a = core.ravel(core.asarray(a))
    sizes = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    count = 1
    for one in sizes:
        if one < 0:
            raise ValueError("all elements of `new_shape` must be non-negative")
        count *= one
    if a.size == 0 or count == 0:
        return core.zeros(sizes, dtype=a.dtype)
    return core.reshape(core.concat((a,) * -(-count // a.size))[:count], sizes)


# ---- Joining and splitting -----------------------------------------------------------------


def atleast_1d(*arrays: Any) -> Any:
    """Return the inputs with at least one dimension."""
    made = [core.reshape(a, (1,)) if (a := core.asarray(x)).ndim == 0 else a for x in arrays]
    return made[0] if len(made) == 1 else tuple(made)


def atleast_2d(*arrays: Any) -> Any:
    """Return the inputs with at least two dimensions, new ones in front."""
    made = []
    for x in arrays:
        a = core.asarray(x)
        made.append(core.reshape(a, (1,) * (2 - a.ndim) + a.shape) if a.ndim < 2 else a)
    return made[0] if len(made) == 1 else tuple(made)


def atleast_3d(*arrays: Any) -> Any:
    """Return the inputs with at least three dimensions."""
    made = []
    for x in arrays:
        a = core.asarray(x)
        if a.ndim == 0:
            a = core.reshape(a, (1, 1, 1))
        elif a.ndim == 1:
            a = core.reshape(a, (1, a.shape[0], 1))
        elif a.ndim == 2:
            a = core.expand_dims(a, 2)
        made.append(a)
    return made[0] if len(made) == 1 else tuple(made)


def _listed(arrays: Any) -> list[Any]:
    return [arrays] if isinstance(arrays, core.ndarray) and arrays.ndim == 0 else list(arrays)


def vstack(tup: Any) -> Any:
    """Join along the first dimension, rows being made of vectors."""
    return core.concat([atleast_2d(a) for a in _listed(tup)], axis=0)


def hstack(tup: Any) -> Any:
    """Join along the second dimension, vectors along their only one."""
    arrays = [atleast_1d(a) for a in _listed(tup)]
    return core.concat(arrays, axis=0 if arrays and arrays[0].ndim == 1 else 1)


def dstack(tup: Any) -> Any:
    """Join along the third dimension."""
    return core.concat([atleast_3d(a) for a in _listed(tup)], axis=2)


def column_stack(tup: Any) -> Any:
    """Join vectors as columns."""
    arrays = []
    for x in _listed(tup):
        a = core.asarray(x)
        arrays.append(core.reshape(a, (-1, 1)) if a.ndim < 2 else a)
    return core.concat(arrays, axis=1)


def block(arrays: Any) -> Any:
    """Assemble an array from nested lists of blocks."""

    def depth_of(part: Any) -> int:
        return 1 + max(map(depth_of, part), default=0) if isinstance(part, list) else 0

    depth = depth_of(arrays)
    widest = max(depth, max((core.asarray(leaf).ndim for leaf in _leaves(arrays)), default=0))

    def join(part: Any, level: int) -> Any:
        if isinstance(part, list):
            return core.concat([join(one, level + 1) for one in part], axis=level - depth)
        a = core.asarray(part)
        return core.reshape(a, (1,) * (widest - a.ndim) + a.shape)

    return join(arrays, 0)


def _leaves(part: Any) -> list[Any]:
    return [leaf for one in part for leaf in _leaves(one)] if isinstance(part, list) else [part]


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Return views of the parts along an axis, without it."""
    x = core.asarray(x)
    if x.ndim == 0:
        raise ValueError("Input array must be at least 1-d.")
    return tuple(moveaxis(x, axis, 0))


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return views of parts, of about equal size or cut at the given places."""
    ary = core.asarray(ary)
    axis = _axis(axis, ary.ndim)
    length = ary.shape[axis]
    if isinstance(indices_or_sections, (tuple, list, core.ndarray)) and not (
        isinstance(indices_or_sections, core.ndarray) and indices_or_sections.ndim == 0
    ):
        cuts = [0, *(int(i) for i in indices_or_sections), length]
    else:
        parts = operator.index(indices_or_sections)
        if parts <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, more = divmod(length, parts)
        cuts = [0]
        for i in range(parts):
            cuts.append(cuts[-1] + each + (i < more))
    key = (slice(None),) * axis
    return [ary[(*key, slice(start, end))] for start, end in itertools.pairwise(cuts)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return views of parts of equal size, or cut at the given places."""
    ary = core.asarray(ary)
    if isinstance(indices_or_sections, int):
        length = ary.shape[_axis(axis, ary.ndim)]
        if length % indices_or_sections:  # of none: ZeroDivisionError
            raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the first dimension."""
    if core.asarray(ary).ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the second dimension, vectors along their only one."""
    dims = core.asarray(ary).ndim
    if dims == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(ary, indices_or_sections, 1 if dims > 1 else 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the third dimension."""
    if core.asarray(ary).ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Return a copy with values at the end."""
    if axis is None:
        return core.concat((core.ravel(core.asarray(arr)), core.ravel(core.asarray(values))))
    return core.concat((arr, values), axis=axis)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Return a copy without the parts at some places of an axis."""
    arr = core.asarray(arr)
    if axis is None:
        arr, axis = core.ravel(arr), 0
    axis = _axis(axis, arr.ndim)
    length = arr.shape[axis]
    keep = core.ones((length,), dtype=bool)
    if isinstance(obj, slice):
        keep[obj] = False
    else:
        places = core.asarray(obj)
        if places.dtype.kind not in "iub" and places.size == 0:
            places = places.astype(core.int64)
        keep[places] = False
    return arr[(slice(None),) * axis + (keep,)]


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """Return a copy with values before some places of an axis."""
    arr = core.asarray(arr)
    if axis is None:
        arr, axis = core.ravel(arr), 0
    axis = _axis(axis, arr.ndim)
    length = arr.shape[axis]
    places = core.asarray(range(*obj.indices(length)) if isinstance(obj, slice) else obj)
    one = places.ndim == 0
    places = core.reshape(places, (-1,)).astype(core.int64)
    if bool(core.any(core.logical_or(places < -length, places > length))):
        raise IndexError(f"an index is out of bounds for axis {axis} with size {length}")
    places = core.where(places < 0, places + length, places)
    order = core.argsort(places)
    at = core.empty_like(places)
    at[order] = places[order] + core.arange(places.size)
    new = core.asarray(values, dtype=None if isinstance(values, core.ndarray) else arr.dtype)
    if one and new.ndim and arr.ndim > 1:
        new = moveaxis(core.reshape(new, (1,) * (arr.ndim - new.ndim) + new.shape), 0, axis)
    result = core.empty(
        (*arr.shape[:axis], length + places.size, *arr.shape[axis + 1 :]), dtype=arr.dtype
    )
    old = core.ones((length + places.size,), dtype=bool)
    old[at] = False
    key = (slice(None),) * axis
    result[(*key, old)] = arr
    result[(*key, at)] = new
    return result


def trim_zeros(filt: Any, trim: str = "fb") -> Any:
    """Return a vector without the zeros at its front ('f') and back ('b')."""
    filt = core.asarray(filt)
    (places,) = core.nonzero(filt)
    if places.size == 0:
        return filt[:0]
    start = int(places[0]) if "f" in trim.lower() else 0
    end = int(places[-1]) + 1 if "b" in trim.lower() else filt.shape[0]
    return filt[start:end]


# ---- Broadcasting --------------------------------------------------------------------------


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """Return what shapes broadcast to. Raises ValueError where they do not."""
    result: list[int] = []
    for given in shapes:
        sizes = (given,) if isinstance(given, int) else tuple(given)
        result = [1] * (len(sizes) - len(result)) + result
        for i, one in enumerate(sizes, len(result) - len(sizes)):
            if one not in (1, result[i]):
                if result[i] != 1:
                    raise ValueError(
                        "shape mismatch: objects cannot be broadcast to a single shape: "
                        + ", ".join(map(str, shapes))
                    )
                result[i] = one
    return tuple(result)


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """Return views of the inputs with the shape that all broadcast to."""
    made = [core.asarray(a) for a in arrays]
    common = broadcast_shapes(*(a.shape for a in made))
    return [a if a.shape == common else core.broadcast_to(a, common) for a in made]


# ---- Padding -------------------------------------------------------------------------------


def _widths(pad_width: Any, dims: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        widths = [(0, 0)] * dims
        for axis, width in pad_width.items():
            widths[_axis(axis, dims)] = (width, width) if isinstance(width, int) else tuple(width)
    else:
        table = core.broadcast_to(core.asarray(pad_width), (dims, 2)).tolist()
        widths = [(int(before), int(after)) for before, after in table]
    if any(before < 0 or after < 0 for before, after in widths):
        raise ValueError("index can't contain negative values")
    return widths


def _folded(length: int, before: int, after: int, mode: str) -> list[int]:
    """Which element stands at each place of a padded axis."""
    places = range(-before, length + after)
    if mode == "wrap":
        return [i % length for i in places]
    if mode == "edge":
        return [min(max(i, 0), length - 1) for i in places]
    if mode == "symmetric":
        return [min(i % (2 * length), 2 * length - 1 - i % (2 * length)) for i in places]
    period = max(2 * (length - 1), 1)  # reflect
    return [min(i % period, period - i % period) if length > 1 else 0 for i in places]


def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    """Return a copy with elements added around it.

    ``mode``: constant (``constant_values``), edge, reflect, symmetric, wrap, empty, or a
    statistic of the whole axis: maximum, minimum, mean.
    """
    array = core.asarray(array)
    widths = _widths(pad_width, array.ndim)
    modes = ("constant", "empty", "edge", "reflect", "symmetric", "wrap")
    if mode in modes[2:]:
        for axis, (before, after) in enumerate(widths):
            if before or after:
                if array.shape[axis] == 0:
                    raise ValueError(f"can't extend empty axis {axis} using mode {mode!r}")
                places = _folded(array.shape[axis], before, after, mode)
                array = core.take(array, core.asarray(places), axis=axis)
        return array
    inner = tuple(slice(b, b + size) for (b, _), size in zip(widths, array.shape, strict=True))
    full = tuple(b + size + a for (b, a), size in zip(widths, array.shape, strict=True))
    if mode in modes[:2]:
        result = core.zeros(full, dtype=array.dtype)
        result[inner] = array
        values = core.asarray(options.pop("constant_values", 0))
        if options:
            raise ValueError(f"unsupported keyword arguments for mode {mode!r}: {set(options)}")
        if mode == "constant" and bool(core.any(values != 0)):
            table = core.broadcast_to(values, (array.ndim, 2))
            for axis, (before, after) in enumerate(widths):
                key = (slice(None),) * axis
                result[(*key, slice(0, before))] = table[axis, 0]
                result[(*key, slice(full[axis] - after, None))] = table[axis, 1]
        return result
    statistics = {"maximum": core.max, "minimum": core.min, "mean": core.mean}
    if mode not in statistics:
        raise ValueError(f"mode {mode!r} is not supported")
    for axis, (before, after) in enumerate(widths):
        value = statistics[mode](array, axis=axis, keepdims=True)
        if array.dtype.kind in "iu" and mode == "mean":
            value = core.rint(value)
        value = value.astype(array.dtype)
        parts = [array]
        for count, at in ((before, 0), (after, 2)):
            sizes = (*array.shape[:axis], count, *array.shape[axis + 1 :])
            parts.insert(at, core.broadcast_to(value, sizes))
        array = core.concat(parts, axis=axis)
    return array
