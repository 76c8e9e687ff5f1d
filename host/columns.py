"""Columns of NumPy and Arrow, for C to read where they lie; others as Python's values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.host import codec
from polyvm.vm import Column, ColumnError, ColumnKind, pack_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_NESTED = 64  # types within one another; others go through Python's values
_TIMES = re.compile(r"[<>=|]?M8\[(\d*)([a-z]+)\]", re.IGNORECASE)
_FACTORS = {  # nanoseconds
    "W": 7 * 86_400 * 10**9,
    "D": 86_400 * 10**9,
    "h": 3600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
_NUMBERS = {"i": ColumnKind.INTEGERS, "u": ColumnKind.NATURALS, "f": ColumnKind.FLOATS}


class TimeError(ValueError):
    """A time that 64 bits of nanoseconds cannot tell."""


class Columns:
    """Columns of the same length, packed as events a part at a time.

    Each is described, or what gives its values from a row to another.
    """

    def __init__(
        self, columns: dict[str, Column | Callable[[int, int], Sequence[Any]]], unit_ns: int
    ) -> None:
        """``unit_ns``: times become numbers of it."""
        self._unit_ns = unit_ns
        self._described = {
            name: _named(each, msgspec.msgpack.encode(name))
            for name, each in columns.items()
            if isinstance(each, Column)
        }
        self._given = {name: each for name, each in columns.items() if not isinstance(each, Column)}
        self._names = list(columns)

    def pack(self, start: int, rows: int) -> bytes:
        """Return rows as a MessagePack array.

        Raises TimeError; TypeError, ValueError, OverflowError or RecursionError where a value
        cannot be packed: then `rows` has these rows all the same.
        """
        packed = {
            name: _packed(name, list(values(start, start + rows)))
            for name, values in self._given.items()
        }
        columns = {**self._described, **packed}
        return codec.held(self._pack({name: columns[name] for name in self._names}, start, rows))

    def rows(self, start: int, rows: int) -> list[dict[str, Any]]:
        """Return rows as maps. Raises TimeError."""
        found = msgspec.msgpack.decode(self._pack(self._described, start, rows))
        given = {name: values(start, start + rows) for name, values in self._given.items()}
        for i, row in enumerate(found):
            row.update({name: values[i] for name, values in given.items()})
        return [{name: row[name] for name in self._names} for row in found]

    def _pack(self, columns: dict[str, Column], start: int, rows: int) -> bytes:
        try:
            return pack_columns(list(columns.values()), start, rows, self._unit_ns)
        except ColumnError as error:
            raise TimeError(
                f"column {list(columns)[error.column]!r} has a time beyond what 64 bits of "
                "nanoseconds hold, 1677 to 2262"
            ) from None


def _packed(name: str, values: list[Any]) -> Column:
    count = len(values)
    head = 1 if count < 16 else 3 if count < 2**16 else 5
    packed = codec.encode_payload(values)[head:]
    return Column(name=msgspec.msgpack.encode(name), kind=ColumnKind.PACKED, packed=packed)


def _named(column: Column, name: bytes) -> Column:
    fields = {each: getattr(column, each) for each in Column.__slots__}
    return Column(**{**fields, "name": name})


def of_numpy(array: Any) -> Column | None:
    """Describe an array of one dimension; None for what C does not read."""
    interface = getattr(array, "__array_interface__", None)
    dtype = getattr(array, "dtype", None)
    if interface is None or dtype is None or len(array.shape) != 1 or hasattr(array, "mask"):
        return None
    if not getattr(dtype, "isnative", False):
        return None
    kind, width, factor = ColumnKind.NIL, dtype.itemsize, 1
    if dtype.kind == "b":
        kind = ColumnKind.BOOLEANS
    elif dtype.kind in _NUMBERS and width in ((4, 8) if dtype.kind == "f" else (1, 2, 4, 8)):
        kind = _NUMBERS[dtype.kind]
    elif dtype.kind == "M" and (unit := _TIMES.fullmatch(dtype.str)) and unit[2] in _FACTORS:
        kind, factor = ColumnKind.TIMES, int(unit[1] or 1) * _FACTORS[unit[2]]
    if kind is ColumnKind.NIL or factor >= 2**63:
        return None
    return Column(
        kind=kind,
        width=width,
        stride=array.strides[0],
        values=interface["data"][0],
        factor=factor,
        owner=array,
    )


def of_arrow(array: Any, depth: int = 0) -> Column | None:
    """Describe an array of pyarrow, which is sound; None for a type that C does not read."""
    from pyarrow import types

    array = _read_as(array)
    kind, buffers = array.type, array.buffers()
    described: dict[str, Any] = {
        "first": array.offset,
        "valid": _address(buffers[0]) if array.null_count else 0,
        "owner": array,
    }
    if types.is_null(kind):
        return Column(kind=ColumnKind.NIL)
    if types.is_struct(kind) or types.is_list(kind) or types.is_large_list(kind):
        children = _children(array, depth) if depth < _MOST_NESTED else None
        if children is None:
            return None
        described["children"] = children
    if types.is_struct(kind):
        return Column(kind=ColumnKind.MAPS, **described)
    wide = types.is_large_list(kind) or types.is_large_string(kind) or types.is_large_binary(kind)
    if types.is_list(kind) or types.is_large_list(kind):
        described |= {"width": 8 if wide else 4, "offsets": _address(buffers[1])}
        return Column(kind=ColumnKind.LISTS, **described)
    described["values"] = _address(buffers[-1])
    if types.is_boolean(kind):
        return Column(kind=ColumnKind.BITS, **described)
    if types.is_timestamp(kind):
        described |= {"width": 8, "stride": 8, "factor": _FACTORS[kind.unit]}
        return Column(kind=ColumnKind.TIMES, **described)
    for is_one, number in (
        (types.is_signed_integer, ColumnKind.INTEGERS),
        (types.is_unsigned_integer, ColumnKind.NATURALS),
        (types.is_floating, ColumnKind.FLOATS),
    ):
        if is_one(kind):
            width = kind.bit_width // 8
            return Column(kind=number, width=width, stride=width, **described)
    text = types.is_string(kind) or types.is_large_string(kind)
    if text or types.is_binary(kind) or types.is_large_binary(kind):
        described |= {"width": 8 if wide else 4, "offsets": _address(buffers[1])}
        return Column(kind=ColumnKind.TEXT if text else ColumnKind.BINARY, **described)
    return None


def _read_as(array: Any) -> Any:
    """The same values in a form that C reads, where there is one."""
    import pyarrow as pa
    from pyarrow import types

    while types.is_dictionary(array.type):
        array = array.dictionary_decode()
    for is_one, form in (
        (types.is_float16, pa.float32()),
        (types.is_string_view, pa.large_string()),
        (types.is_binary_view, pa.large_binary()),
        (types.is_fixed_size_binary, pa.binary()),
    ):
        if is_one(array.type):
            return array.cast(form)
    return array


def _children(array: Any, depth: int) -> tuple[Column, ...] | None:
    """The columns within a list or a struct; None if C does not read one."""
    from pyarrow import types

    if not types.is_struct(array.type):
        child = of_arrow(array.values, depth + 1)
        return (child,) if child is not None else None
    children = []
    for i in range(array.type.num_fields):
        child = of_arrow(array.field(i), depth + 1)
        if child is None:
            return None
        children.append(_named(child, msgspec.msgpack.encode(array.type.field(i).name)))
    return tuple(children)


def has_times(kind: Any) -> bool:
    """Whether there are timestamps within an Arrow type."""
    from pyarrow import types

    if types.is_timestamp(kind):
        return True
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return has_times(kind.value_type)
    return any(has_times(kind.field(i).type) for i in range(kind.num_fields))


def _address(buffer: Any) -> int:
    return buffer.address if buffer is not None else 0
