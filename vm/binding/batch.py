"""Many completions in columns: nothing is decoded or copied before somebody asks for it."""

from __future__ import annotations

import enum
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

from .library import check, ffi, lib
from .messages import holding
from .traces import traces_of


class Outcome(enum.IntEnum):
    """How an invocation ended."""

    DONE = 0
    FAILED = 1
    TIMED_OUT = 2
    OVER_QUOTA = 3
    CRASHED = 4
    CANCELLED = 5
    REJECTED = 6


@dataclass(slots=True)
class Completion:
    """One ended invocation.

    tag: the submitter's; task: the task's id; worker: index of the thread that ran it.
    id: the invocation's, never the same again; attempt: 1, or more if an earlier process had
    accepted it. trigger: of a chain, the id of its first invocation; else 0.
    queued_ns: from acceptance to start. load_ns: of the start, making the VM ready (0
    when warm). run_ns: the call, codec included.
    data: MessagePack result (DONE), UTF-8 traceback (FAILED) or reason. A result with shared
    arrays is a Message: these live as long as it.
    """

    tag: int
    task: int
    outcome: Outcome
    worker: int
    queued_ns: int
    load_ns: int
    run_ns: int
    data: bytes
    id: int = 0
    attempt: int = 1
    trigger: int = 0


_OUTCOMES = tuple(Outcome)
_RECORD = struct.Struct("=QQqiIQQQQQQ")  # pvm_record
assert _RECORD.size == ffi.sizeof("pvm_record")
_HEAD = 5  # bytes of the header before an array's results
_NIL = b"\xc0"


class Batch(Sequence[Completion]):
    """Completions of one collection, or of one array; made by Executor and Array.

    traces: of those that were traced.
    """

    __slots__ = ("_data", "_first", "_held", "_records", "not_done", "traces")

    def __init__(self, raw: Any, not_done: int | None = None) -> None:
        """Take over a pvm_batch. not_done: of an array, how many are not DONE."""
        try:
            count = raw.count
            self._records: bytes = ffi.buffer(raw.records, count * _RECORD.size)[:]
            self._first = _HEAD if not_done is not None else 0
            size = raw.records[count - 1].end if count else self._first
            self._data: bytes = ffi.unpack(ffi.cast("char *", raw.data), size) if size else b""
            self._held = None  # of shared arrays in the data
            if raw.held != ffi.NULL:
                self._held = ffi.gc(raw.held, lib.pvm_held_free)
                raw.held = ffi.NULL
            self.not_done = not_done
            self.traces = traces_of(raw) if raw.trace_count else ()
        finally:
            lib.pvm_batch_free(raw)

    def __len__(self) -> int:
        return len(self._records) // _RECORD.size

    def __iter__(self) -> Iterator[Completion]:
        data, start, held = self._data, self._first, self._held
        for record in _RECORD.iter_unpack(self._records):
            id, tag, task, outcome, worker, queued, load, run, end, attempt, trigger = record
            yield Completion(
                tag,
                task,
                _OUTCOMES[outcome],
                worker,
                queued,
                load,
                run,
                data[start:end] if held is None else holding(data[start:end]),
                id,
                attempt,
                trigger,
            )
            start = end

    @overload
    def __getitem__(self, index: int) -> Completion: ...
    @overload
    def __getitem__(self, index: slice) -> list[Completion]: ...
    def __getitem__(self, index: int | slice) -> Completion | list[Completion]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError("there are not so many completions")
        at = index * _RECORD.size
        record = _RECORD.unpack_from(self._records, at)
        id, tag, task, outcome, worker, queued, load, run, end, attempt, trigger = record
        start = self._end(index - 1) if index else self._first
        data = self._data[start:end]
        if self._held is not None:
            data = holding(data)
        return Completion(
            tag, task, _OUTCOMES[outcome], worker, queued, load, run, data, id, attempt, trigger
        )

    def _end(self, index: int) -> int:
        end: int = _RECORD.unpack_from(self._records, index * _RECORD.size)[8]
        return end

    def _column(self, number: int, kind: Literal["i", "Q"]) -> memoryview[int]:
        column = memoryview(self._records).cast(kind)
        return column[number :: _RECORD.size // column.itemsize]

    @property
    def outcomes(self) -> Sequence[int]:
        """Of each, as Outcome counts them."""
        return self._column(6, "i")

    @property
    def queued_ns(self) -> Sequence[int]:
        """Of each, from acceptance to start."""
        return self._column(4, "Q")

    @property
    def run_ns(self) -> Sequence[int]:
        """Of each, the call, codec included."""
        return self._column(6, "Q")

    @property
    def packed(self) -> bytes:
        """Of an array: the MessagePack array of the results in order; nil where there is none."""
        if self.not_done is None:
            raise ValueError("only what was submitted as an array comes back as one")
        if self.not_done == 0:
            return self._data if self._held is None else holding(self._data)
        pieces = [self._data[:_HEAD]]
        pieces += [each.data if each.outcome is Outcome.DONE else _NIL for each in self]
        packed = b"".join(pieces)
        return packed if self._held is None else holding(packed)


class Array:
    """Invocations that were submitted together; made by Executor.submit_array. For any thread.

    One that is dropped before its end runs on, and nobody learns how it ended.
    """

    def __init__(self, raw: Any, count: int) -> None:
        self._raw = ffi.gc(raw, lib.pvm_array_free)
        self._count = count
        self._lock = threading.Lock()
        self._batch: Batch | None = None

    def __len__(self) -> int:
        return self._count

    def wait(self, timeout_ms: int = 100) -> bool:
        """Whether all have ended, for which it waits so long at most."""
        return bool(check(lib.pvm_array_wait(self._raw, timeout_ms)))

    def result(self) -> Batch:
        """How each ended, in the order of the elements; waits for all of them."""
        while not self.wait():  # again and again, so that signals are seen
            pass
        with self._lock:
            if self._batch is None:
                raw = ffi.new("pvm_batch *")
                self._batch = Batch(raw, check(lib.pvm_array_take(self._raw, raw)))
            return self._batch
