"""Batches of events from what programs have: lists, JSON lines, NumPy arrays, columns, Arrow.

A batch is one call into C, which reads, checks, keeps and matches its events without this
process's GIL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from polyvm.host import codec
from polyvm.host.columns import Columns, TimeError, has_times, of_arrow, of_numpy
from polyvm.host.errors import UsageError
from polyvm.vm import Column

ROWS = 512  # of a batch; of columns more, as long as they are small
BYTES = 2**18  # of a batch of lines, and of columns, about

Values = Callable[[int, int], Sequence[Any]]  # those from a row to another


class Batch(NamedTuple):
    """MessagePack values one behind the other, or JSON lines; an array stands for what is in it.

    bad: what cannot be an event, as text, and why.
    """

    data: bytes | memoryview
    lines: bool = False
    bad: tuple[tuple[bytes, str], ...] = ()


def batches(data: Any, unit_ns: int = 10**9) -> Iterator[Batch]:
    """Cut events into batches.

    data: JSON lines as bytes or str; an array of NumPy with named fields; a map of columns of the
    same length, each a sequence or an array; anything that gives Arrow's C stream or array, such as
    tables of pyarrow, polars and pandas; or an iterable of events. Times of NumPy and Arrow become
    numbers of ``unit_ns``, which is the unit of `--event-field`.
    Raises TypeError for other values, ValueError for columns that differ in length, UsageError
    for Arrow where pyarrow is not installed.
    """
    if isinstance(data, str):
        data = data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return _of_lines(memoryview(data).cast("B"))
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        return _of_arrow(data, unit_ns)
    names = getattr(getattr(data, "dtype", None), "names", None)
    if names:
        return _of_columns({name: data[name] for name in names}, unit_ns)
    if isinstance(data, Mapping):
        return _of_columns(data, unit_ns)
    if isinstance(data, Iterable) and not hasattr(data, "dtype"):
        return _of_events(data)
    raise TypeError(
        f"events come as an iterable of maps, JSON lines, an array with named fields, a map of "
        f"columns, or Arrow, not as {type(data).__name__}"
    )


def _of_lines(data: memoryview) -> Iterator[Batch]:
    start, size = 0, len(data)
    while start < size:
        end = min(start + BYTES, size)
        if end < size:
            newline = bytes(data[start:end]).rfind(b"\n")
            while newline < 0 and end < size:  # a line that is longer than a batch
                end = min(end + BYTES, size)
                newline = bytes(data[start:end]).rfind(b"\n")
            end = start + newline + 1 if newline >= 0 else size
        yield Batch(data[start:end], lines=True)
        start = end


def _of_events(events: Iterable[Any]) -> Iterator[Batch]:
    rest = iter(events)
    while chunk := list(islice(rest, ROWS)):
        try:
            yield Batch(codec.encode_payload(chunk))
        except (TypeError, ValueError, OverflowError, RecursionError):
            yield _one_by_one(chunk)


def _one_by_one(events: list[Any]) -> Batch:
    """Events of which some cannot be packed."""
    good, bad = [], []
    for event in events:
        try:
            good.append(codec.encode_payload(event))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            shown = ascii(event) if not isinstance(error, RecursionError) else type(event).__name__
            bad.append((shown[:4096].encode(), f"it cannot be packed: {error}"))
    return Batch(b"".join(good), bad=tuple(bad))


def _of_columns(columns: Mapping[str, Any], unit_ns: int) -> Iterator[Batch]:
    if not all(isinstance(name, str) for name in columns):
        raise TypeError("the names of columns are text")
    values = {name: _column(name, column, unit_ns) for name, column in columns.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        (first, one), (second, other) = (
            min(lengths.items(), key=_length),
            max(lengths.items(), key=_length),
        )
        raise ValueError(f"column {first!r} has {one} values, and {second!r} has {other}")
    return _of_rows(Columns(values, unit_ns), next(iter(lengths.values()), 0))


def _length(item: tuple[str, int]) -> int:
    return item[1]


def _of_rows(columns: Columns, length: int) -> Iterator[Batch]:
    start, rows = 0, ROWS
    while start < length:
        rows = min(rows, length - start)
        try:
            batch = Batch(columns.pack(start, rows))
        except TimeError:
            raise
        except (TypeError, ValueError, OverflowError, RecursionError):
            batch = _one_by_one(columns.rows(start, rows))
        yield batch
        start += rows
        rows = rows * 2 if len(batch.data) < BYTES else max(rows // 2, ROWS)


def _column(name: str, column: Any, unit_ns: int) -> Column | Values:
    if (described := of_numpy(column)) is not None:
        return described
    dtype = getattr(column, "dtype", None)
    if dtype is not None and getattr(dtype, "kind", "") == "M":
        column = _numbers([None if ns == _NOT_A_TIME else ns for ns in _ns(column)], unit_ns)
    if hasattr(column, "tolist"):
        column = column.tolist()
    if isinstance(column, str | bytes) or not isinstance(column, Sequence):
        raise TypeError(f"column {name!r} is of type {type(column).__name__}, no sequence or array")
    return _sliced(column)


def _sliced(values: Sequence[Any]) -> Values:
    return lambda start, end: values[start:end]


_NOT_A_TIME = -(2**63)  # what NumPy has for it


def _ns(column: Any) -> list[int]:
    """Nanoseconds of an array of datetime64."""
    numbers: list[int] = column.astype("datetime64[ns]").astype("int64").tolist()
    return numbers


def _numbers(times: Iterable[int | None], unit_ns: int) -> list[int | float | None]:
    """Nanoseconds in units: whole ones as integers."""
    return [
        None if ns is None else ns // unit_ns if ns % unit_ns == 0 else ns / unit_ns for ns in times
    ]


def _of_arrow(data: Any, unit_ns: int) -> Iterator[Batch]:
    try:
        import pyarrow as pa
    except ImportError:
        raise UsageError(
            "events in Arrow need pyarrow, which is not installed: pip install polyvm[arrow]"
        ) from None
    if hasattr(data, "__arrow_c_stream__"):
        reader = pa.RecordBatchReader.from_stream(data)
    else:
        batch = pa.record_batch(data)
        reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    return of_record_batches(reader, unit_ns)


def of_record_batches(reader: Iterable[Any], unit_ns: int) -> Iterator[Batch]:
    """Cut pyarrow's record batches; timestamps become numbers of ``unit_ns``.

    Raises pyarrow.ArrowInvalid for a batch that is not sound, TypeError for one with times within
    what only Python's values can tell.
    """
    for batch in reader:
        batch.validate(full=True)  # C relies on it
        columns = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            described = of_arrow(column)
            if described is None and has_times(column.type):
                raise TypeError(
                    f"column {name!r} is of type {column.type}, with times in it that cannot be "
                    "told; make columns of them"
                )
            columns[name] = described or _listed(column)
        yield from _of_rows(Columns(columns, unit_ns), batch.num_rows)


def _listed(column: Any) -> Values:
    def values(start: int, end: int) -> list[Any]:
        found: list[Any] = column.slice(start, end - start).to_pylist()
        return found

    return values
