"""Events in columns, made rows of MessagePack in C; engine/include/columns.h."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from .library import check, ffi, lib, take

if TYPE_CHECKING:
    from collections.abc import Sequence


class ColumnKind(IntEnum):
    """What a column's memory holds."""

    NIL = lib.PVM_COLUMN_NIL
    BITS = lib.PVM_COLUMN_BITS
    BOOLEANS = lib.PVM_COLUMN_BOOLEANS
    INTEGERS = lib.PVM_COLUMN_INTEGERS
    NATURALS = lib.PVM_COLUMN_NATURALS
    FLOATS = lib.PVM_COLUMN_FLOATS
    TIMES = lib.PVM_COLUMN_TIMES
    TEXT = lib.PVM_COLUMN_TEXT
    BINARY = lib.PVM_COLUMN_BINARY
    LISTS = lib.PVM_COLUMN_LISTS
    MAPS = lib.PVM_COLUMN_MAPS
    PACKED = lib.PVM_COLUMN_PACKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; values, offsets and valid are addresses, 0 where there are none.

    name: MessagePack of its text. packed: instead of values. owner: what the memory belongs to.
    """

    name: bytes = b""
    kind: ColumnKind
    width: int = 0
    stride: int = 0
    first: int = 0
    values: int = 0
    offsets: int = 0
    valid: int = 0
    factor: int = 1
    packed: bytes = b""
    children: tuple[Column, ...] = ()
    owner: Any = None


class ColumnError(ValueError):
    """A column whose values cannot be packed: its place among those that were given."""

    def __init__(self, column: int, *, beyond: bool) -> None:
        super().__init__("a time is too large" if beyond else "it is no MessagePack")
        self.column = column
        self.beyond = beyond  # a time is beyond what 64 bits of nanoseconds hold


def pack_columns(columns: Sequence[Column], row: int, rows: int, unit_ns: int) -> bytes:
    """Return rows from ``row`` on as a MessagePack array of maps; times are numbers of ``unit_ns``.

    Values of PACKED columns are those of these rows. Raises ColumnError, VmError without memory.
    """
    kept: list[Any] = []
    described = _described(columns, kept)
    packed, which = ffi.new("pvm_buffer *"), ffi.new("uint32_t *")
    status = lib.pvm_columns_pack(described, len(columns), row, rows, unit_ns, packed, which)
    if status in (lib.PVM_E_INVALID, lib.PVM_E_DECODE):
        raise ColumnError(which[0], beyond=status == lib.PVM_E_INVALID)
    check(status)
    return take(packed[0])


def _described(columns: Sequence[Column], kept: list[Any]) -> Any:
    """The columns as C has them. kept: what they point to."""
    described = ffi.new("pvm_column[]", len(columns))
    kept.append(described)
    for column, to in zip(columns, described, strict=True):
        name, packed = ffi.from_buffer(column.name), ffi.from_buffer(column.packed)
        kept += [name, packed]
        to.name, to.name_len = name, len(column.name)
        to.kind, to.width, to.stride, to.first = (
            column.kind,
            column.width,
            column.stride,
            column.first,
        )
        to.values = packed if column.packed else _address(column.values)
        to.len = len(column.packed)
        to.offsets, to.valid = _address(column.offsets), _address(column.valid)
        to.factor = column.factor
        to.count = len(column.children)
        if column.children:
            to.children = _described(column.children, kept)
    return described


def _address(number: int) -> Any:
    return ffi.cast("unsigned char *", number)
