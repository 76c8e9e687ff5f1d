"""Walking over several arrays at once: broadcast and nditer."""

from __future__ import annotations

import itertools

from polyvm.np import _core as core
from polyvm.np._manipulation import broadcast_shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["broadcast", "nditer"]


class broadcast:  # noqa: N801 - NumPy's name
    """Arrays stretched to one shape, and a walk over their elements in C order."""

    def __init__(self, *arrays: Any) -> None:
        inputs = [core.asarray(one) for one in arrays]
        self.shape: tuple[int, ...] = broadcast_shapes(*(one.shape for one in inputs))
        self._arrays = [core.broadcast_to(one, self.shape) for one in inputs]
        self.reset()

    @property
    def nd(self) -> int:
        """How many dimensions the shape has."""
        return len(self.shape)

    ndim = nd

    @property
    def size(self) -> int:
        """How many elements the shape has."""
        count = 1
        for one in self.shape:
            count *= one
        return count

    @property
    def numiter(self) -> int:
        """How many arrays there are."""
        return len(self._arrays)

    @property
    def iters(self) -> tuple[Any, ...]:
        """One walk an array."""
        return tuple(one.flat for one in self._arrays)

    def reset(self) -> None:
        """Begin again."""
        self.index = 0
        self._places = itertools.product(*(range(n) for n in self.shape))

    def __iter__(self) -> broadcast:
        return self

    def __next__(self) -> tuple[Any, ...]:
        place = next(self._places)
        self.index += 1
        return tuple(one[place] for one in self._arrays)


_FLAGS = (
    *("buffered", "c_index", "f_index", "multi_index", "external_loop", "refs_ok", "zerosize_ok"),
    *("grow_inner", "ranged", "reduce_ok", "common_dtype", "copy_if_overlap", "delay_bufalloc"),
)


class nditer:  # noqa: N801 - NumPy's name
    """A walk over broadcast arrays: 0-d views of their elements, which may be written where
    ``op_flags`` say 'readwrite' or 'writeonly'.

    ``flags``: 'multi_index', 'c_index', 'f_index' and 'external_loop' (all elements as one array a
    step) have an effect. ``order``: 'C', 'F', or 'K', the order in memory of the first array.
    An operand None with 'allocate' is made, of the others' type. There is no buffering and no
    casting: ``op_dtypes`` are the types that copies of read-only operands get.
    """

    def __init__(
        self,
        op: Any,
        flags: Any = (),
        op_flags: Any = None,
        op_dtypes: Any = None,
        order: str = "K",
        casting: str = "safe",
        op_axes: Any = None,
        itershape: Any = None,
        buffersize: int = 0,
    ) -> None:
        del casting, buffersize
        if op_axes is not None:
            raise NotImplementedError("nditer takes no op_axes here: transpose the operands")
        for flag in flags or ():
            if flag not in _FLAGS:
                raise ValueError(f'Unexpected iterator global flag "{flag}"')
        if order not in ("C", "F", "A", "K"):
            raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got {order!r})")
        many = isinstance(op, (tuple, list))
        given = list(op) if many else [op]
        modes = self._modes(op_flags, len(given), many)
        types = op_dtypes if isinstance(op_dtypes, (tuple, list)) else [op_dtypes] * len(given)
        present = [core.asarray(one) for one in given if one is not None]
        shapes = [one.shape for one in present]
        if itershape is not None:
            shapes.append(tuple(itershape))
        self.shape: tuple[int, ...] = broadcast_shapes(*shapes)
        self.operands = tuple(
            self._operand(one, mode, dtype, present)
            for one, mode, dtype in zip(given, modes, types, strict=True)
        )
        self._flags = frozenset(flags or ())
        if self.itersize == 0 and "zerosize_ok" not in self._flags:
            raise ValueError("Iteration of zero-sized operands is not enabled")
        self._views = [
            self._view(one, mode) for one, mode in zip(self.operands, modes, strict=True)
        ]
        self._axes = self._order(order)
        self.reset()

    @staticmethod
    def _modes(op_flags: Any, count: int, many: bool) -> list[set[str]]:
        if not op_flags:
            return [{"readonly"}] * count
        if isinstance(op_flags[0], str):
            return [set(op_flags)] * count
        if len(op_flags) != count:
            raise ValueError("op_flags must be a tuple or array of per-op flag-tuples")
        assert many or count == 1
        return [set(one) for one in op_flags]

    def _operand(self, one: Any, mode: set[str], dtype: Any, present: list[Any]) -> Any:
        if one is None:
            if dtype is None:
                dtype = present[0].dtype
                for other in present[1:]:
                    dtype = core.tensor._promote(dtype, other.dtype)
            mode |= {"readwrite"}
            return core.empty(self.shape, dtype=dtype)
        array = core.asarray(one)
        if dtype is not None and core.dtype(dtype) != array.dtype:
            if "readonly" not in mode:
                raise TypeError(
                    "Iterator operand required copying or buffering, but neither copying nor "
                    "buffering was enabled"
                )
            array = array.astype(dtype)
        return array

    def _view(self, array: Any, mode: set[str]) -> Any:
        if mode & {"readwrite", "writeonly"}:
            if not array.flags.writeable:
                raise ValueError(
                    "output array is read-only, but was flagged for writing in the iterator"
                )
            if array.shape != self.shape:
                raise ValueError(
                    f"non-broadcastable operand with shape {array.shape} doesn't match the "
                    f"broadcast shape {self.shape}"
                )
            return array
        return core.broadcast_to(array, self.shape)

    def _order(self, order: str) -> list[int]:
        """Return the dimensions, the one that changes least often first."""
        axes = list(range(len(self.shape)))
        if order == "F":
            return axes[::-1]
        if order in ("K", "A"):
            first = self._views[0]
            axes.sort(key=lambda i: -abs(first.strides[i]))
        return axes

    def reset(self) -> None:
        """Begin again."""
        self._places = itertools.product(*(range(self.shape[i]) for i in self._axes))
        self._current: Any = None
        self.multi_index: tuple[int, ...] = ()
        self.finished = False
        self.iternext()

    def iternext(self) -> bool:
        """Go to the next element; False where there is none."""
        if "external_loop" in self._flags:
            self.finished = self._current is not None
            self._current = tuple(self._line(one) for one in self._views)
            return not self.finished
        place = next(self._places, None)
        if place is None:
            self.finished = True
            return False
        index = [0] * len(place)
        for axis, at in zip(self._axes, place, strict=True):
            index[axis] = at
        self.multi_index = tuple(index)
        self._current = tuple(one[(*index, ...)] for one in self._views)
        return True

    def _line(self, view: Any) -> Any:
        return core.ravel(core.permute_dims(view, tuple(self._axes)))

    @property
    def value(self) -> Any:
        """The current elements: one, or a tuple of one an operand."""
        return self._current if len(self._views) > 1 else self._current[0]

    def __getitem__(self, k: int) -> Any:
        return self._current[k]

    def __len__(self) -> int:
        return len(self._views)

    @property
    def index(self) -> int:
        """The current element's number, in C order or Fortran's as the flag says."""
        if not self._flags & {"c_index", "f_index"}:
            raise ValueError("Iterator does not have an index")
        pairs = list(zip(self.multi_index, self.shape, strict=True))
        number = 0
        for at, size in pairs if "c_index" in self._flags else reversed(pairs):
            number = number * size + at
        return number

    @property
    def itersize(self) -> int:
        """How many elements the walk has."""
        count = 1
        for one in self.shape:
            count *= one
        return count

    @property
    def ndim(self) -> int:
        """How many dimensions the walk has."""
        return len(self.shape)

    @property
    def nop(self) -> int:
        """How many operands there are."""
        return len(self.operands)

    def __iter__(self) -> Iterator[Any]:
        while not self.finished:
            yield self.value
            self.iternext()

    def close(self) -> None:
        """Nothing is buffered, so nothing is to be written back."""

    def __enter__(self) -> nditer:  # noqa: PYI034 - typing's Self costs an import
        return self

    def __exit__(self, *caught: object) -> None:
        self.close()
