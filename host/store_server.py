"""Answers what tasks outside of VMs ask of the host's store, by what VMs' tasks have of it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from polyvm.host.store_requests import (
    MAX_BYTES,
    Append,
    Done,
    FindTable,
    GetHistory,
    GetRows,
    PutRow,
    ReadEvents,
    ReadSeries,
    Refused,
)
from polyvm.vm import DEPTH_MAX, StoreError, UnknownTask, VmError

if TYPE_CHECKING:
    from polyvm.host.store_requests import Answer, Request
    from polyvm.vm import EventStore, Features

SERIES_ROWS = 10_000  # ROWS_MAX of vm/src/task_series.c

_E_NOMEM, _E_INVALID = -1, -2  # pvm_status of vm.h
_NIL = Done(b"\xc0")
_ANSWER_BYTES = MAX_BYTES - 1024  # what it is wrapped in needs some
_KEYS_AT_ONCE = 64  # of a MiB each at most
_ARRAY, _ARRAY_HEAD = struct.Struct(">BI"), 0xDD  # how the library's answers begin


class Taken(NamedTuple):
    """What became of events."""

    events: int  # that were taken in, the next two included
    duplicates: int  # passed over
    dead: int  # refused, and kept as dead letters
    error: Exception | None  # why the next one was not taken in


class Intake(Protocol):
    """Takes events that a task appends, and starts what they fire."""

    def __call__(self, events: bytes, *, source: str, depth: int) -> Taken:
        """Hand in MessagePack maps one behind the other."""


class StoreServer:
    """The store of one host. For any thread; requests of one task, or of many."""

    def __init__(self, features: Features, store: EventStore | None, take: Intake) -> None:
        """store: where events are kept; None: nowhere."""
        self._features = features
        self._store = store
        self._take = take

    def answer(self, request: Request, task: str, depth: int) -> Answer:
        """Do as it says.

        task: who asks. depth: how many tasks in a row appended what started its run.
        """
        try:
            return self._answer(request, task, depth)
        except UnknownTask:
            return Refused("LookupError", self._unknown(request))
        except VmError as error:
            return _refused(error)
        except UnicodeEncodeError as error:
            return Refused("ValueError", str(error))

    def _answer(self, request: Request, task: str, depth: int) -> Answer:
        features = self._features
        match request:
            case FindTable(name):
                features.get(name, b"\x90")
                return _NIL
            case GetRows():
                return self._get(request)
            case GetHistory(table, key):
                return _sized(features.history(table, key))
            case PutRow():
                return self._put(request)
            case Append():
                return self._append(request, task, depth)
            case ReadEvents():
                return self._read(request)
            case ReadSeries():
                return self._series(request)

    def _get(self, request: GetRows) -> Answer:
        rows: list[bytes] = []
        size = 0
        for start in range(0, len(request.keys), _KEYS_AT_ONCE):
            keys = msgspec.msgpack.encode(request.keys[start : start + _KEYS_AT_ONCE])
            rows.append(self._features.get(request.table, keys, request.at_ns)[_ARRAY.size :])
            size += len(rows[-1])
            if size > _ANSWER_BYTES:
                return _TOO_LONG
        return Done(_ARRAY.pack(_ARRAY_HEAD, len(request.keys)) + b"".join(rows))

    def _put(self, row: PutRow) -> Answer:
        values = msgspec.Raw(row.values) if row.values is not None else None
        rows = msgspec.msgpack.encode([[row.key, row.time_ns, values]])
        report = self._features.put(row.table, rows, merge=row.merge)
        return _refused(report.error) if report.error is not None else _NIL

    def _append(self, request: Append, task: str, depth: int) -> Answer:
        if depth >= DEPTH_MAX:
            return Refused(
                "RuntimeError",
                "this run was started by an event that a task appended, and that one too, "
                f"{DEPTH_MAX} times in a row: it may append none",
            )
        report = self._take(request.events, source=task, depth=depth + 1)
        if report.error is None:
            counted = report.events - report.duplicates - report.dead
            return Done(msgspec.msgpack.encode(counted))
        kind = _refused(report.error).kind
        return Refused(
            kind if kind != "ValueError" else "RuntimeError",
            f"{report.events} of {request.count} events were appended, and the next one was not: "
            f"{report.error}",
        )

    def _read(self, query: ReadEvents) -> Answer:
        if self._store is None:
            return _NO_STORE
        try:
            packed = self._store.read(
                query.stream,
                key=query.key,
                from_ns=query.from_ns,
                until_ns=query.until_ns,
                sequence=query.sequence,
                most=query.most,
                max_bytes=_ANSWER_BYTES,
            )
        except VmError as error:
            if error.status != _E_NOMEM:
                raise
            return _TOO_LONG
        return Done(packed)

    def _series(self, query: ReadSeries) -> Answer:
        if self._store is None:
            return _NO_STORE
        packed = self._store.series(
            query.stream,
            query.field,
            key=query.key,
            from_ns=query.from_ns,
            until_ns=query.until_ns,
            step_ns=query.step_ns,
            functions=query.functions,
            fill=query.fill,
            value=query.value,
            rows=SERIES_ROWS,
        )
        return Done(packed)

    def _unknown(self, request: Request) -> str:
        if isinstance(request, ReadEvents | ReadSeries):
            return f"there is no stream '{request.stream}'"
        assert not isinstance(request, Append), "it names nothing"
        name = request.name if isinstance(request, FindTable) else request.table
        known = ", ".join(table.name for table in self._features.stats()) or "None"
        return (
            f"there is no table of features '{name}'; there are: {known}. A manifest declares one "
            "with [[tables]]"
        )


_NO_STORE = Refused("RuntimeError", "this host keeps no events; it does with --events DIR")


_TOO_LONG = Refused("MemoryError", f"the answer takes more than {_ANSWER_BYTES} bytes")


def _sized(data: bytes) -> Answer:
    return Done(data) if len(data) <= _ANSWER_BYTES else _TOO_LONG


def _refused(error: Exception) -> Refused:
    status = error.status if isinstance(error, VmError) else 0
    if isinstance(error, StoreError):
        return Refused("OSError", str(error))
    if status == _E_NOMEM:
        return Refused("MemoryError", str(error))
    return Refused("ValueError" if status == _E_INVALID else "RuntimeError", str(error))
