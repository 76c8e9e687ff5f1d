"""The store of an executor's events: folders of streams, kept and read in C."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .library import ERR_MAX, check, ffi, lib, take

if TYPE_CHECKING:
    from pathlib import Path


class Level(enum.IntEnum):
    """What an accepted event outlives: nothing, the process, the machine; see pvm_level."""

    MEMORY = 1
    FLUSHED = 2
    SYNCED = 3


class Sealing(NamedTuple):
    """A key of 32 bytes, its id of 8, and the addresses of what seals; see pvm_sealing."""

    key: bytes
    key_id: bytes
    xchacha_seal: int
    xchacha_unseal: int
    aes_seal: int  # 0: the processor has no instructions for it
    aes_unseal: int


@dataclass(frozen=True, slots=True)
class StreamStats:
    """What a stream holds; see pvm_stream_stats."""

    name: str
    first: int
    next: int
    synced: int
    bytes: int
    segments: int
    keys: int
    dropped: int
    damaged: int
    aside: int
    cleared: int
    level: str  # "memory", "flushed" or "synced"
    sealed: bool


_COUNTS = tuple(StreamStats.__dataclass_fields__)[1:-2]


def _raw(sealing: Sealing) -> Any:
    raw = ffi.new("pvm_sealing *")
    raw.key, raw.key_id = sealing.key, sealing.key_id
    for name in Sealing._fields[2:]:
        setattr(raw, name, ffi.cast("void *", getattr(sealing, name)))
    return raw


def _wipe(raw: Any) -> None:
    ffi.memmove(raw, bytes(ffi.sizeof("pvm_sealing")), ffi.sizeof("pvm_sealing"))


def rekey(folder: Path, old: Sealing, newer: Sealing) -> int:
    """Wrap the keys of a store's sealed segments by another key; how many have that now.

    Nobody may have it open. Raises VmError with the reason.
    """
    err, done = ffi.new("char[]", ERR_MAX), ffi.new("uint64_t *")
    before, after = _raw(old), _raw(newer)
    try:
        check(lib.pvm_store_rekey(bytes(folder), before, after, done, err), err)
    finally:
        _wipe(before)
        _wipe(after)
    return int(done[0])


class EventColumn(enum.IntEnum):
    """What a row has of an event, beside fields; see pvm_event_column."""

    SEQUENCE = lib.PVM_EVENT_SEQUENCE
    TIME = lib.PVM_EVENT_TIME
    ARRIVAL = lib.PVM_EVENT_ARRIVAL
    KEY = lib.PVM_EVENT_KEY
    NIL = lib.PVM_EVENT_NIL


NESTED = 3  # PVM_EVENT_NESTED
NO_TEXT = 4  # PVM_EVENT_NO_TEXT


def seal_stream(folder: Path, stream: str, sealing: Sealing) -> int | None:
    """Seal a stream that was kept plain; how many events it has. None: it was sealed already.

    Nobody may have the store open. Raises VmError with the reason, UnknownTask if there is none.
    """
    err, done = ffi.new("char[]", ERR_MAX), ffi.new("uint64_t *")
    raw = _raw(sealing)
    try:
        check(lib.pvm_store_seal(bytes(folder), stream.encode(), raw, done, err), err)
    finally:
        _wipe(raw)
    events = int(done[0])
    return events if events != 2**64 - 1 else None


class EventStore:
    """An open store. Every method is for any thread, but `close`, which comes last."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = 0,
        keep_bytes: int = 0,
        keep_events: int = 0,
        keep_ns: int = 0,
        level: Level = Level.FLUSHED,
        sealing: Sealing | None = None,
    ) -> None:
        """Open the folder, or make it. 0: the default size; no limit.

        Without sealing, a store that has sealed streams is not opened. Raises VmError with the
        reason: another process has it, a disk is full, ...
        """
        config = ffi.new("pvm_store_config *")
        lib.pvm_store_config_init(config)
        config.segment_bytes = segment_bytes or config.segment_bytes
        config.keep_bytes, config.keep_events, config.keep_ns = keep_bytes, keep_events, keep_ns
        config.level = level
        raw = _raw(sealing) if sealing is not None else None
        config.sealing = raw if raw is not None else ffi.NULL
        err = ffi.new("char[]", ERR_MAX)
        opened = ffi.new("pvm_store **")
        try:
            check(lib.pvm_store_open(bytes(folder), config, opened, err), err)
        finally:
            if raw is not None:
                _wipe(raw)
        self.handle: Any = opened[0]  # what pvm_trigger_config takes

    def close(self) -> None:
        """Close the files. No executor may use the store any more."""
        handle, self.handle = self.handle, ffi.NULL
        lib.pvm_store_close(handle)

    def sync(self) -> None:
        """Wait until all that is kept outlives the machine too."""
        check(lib.pvm_store_sync(self.handle))

    def declare(self, stream: str, *, level: Level | None = None, sealed: bool = False) -> None:
        """Make a stream, or tell one without events, how it is kept. None: as the store's.

        Raises VmError with the reason: it has events that are kept in another way, ...
        """
        err = ffi.new("char[]", ERR_MAX)
        check(lib.pvm_store_declare(self.handle, stream.encode(), level or 0, sealed, err), err)

    def retain(
        self, stream: str, *, keep_bytes: int = 0, keep_events: int = 0, keep_ns: int = 0
    ) -> None:
        """Give a stream, which is made if there is none, limits of its own. 0: no limit."""
        name = stream.encode()
        check(lib.pvm_store_retain(self.handle, name, keep_bytes, keep_events, keep_ns))

    def streams(self) -> list[StreamStats]:
        """Return all streams, by name."""
        found: list[StreamStats] = []
        raw = ffi.new("pvm_stream_stats *")
        while lib.pvm_stream_stats_get(self.handle, len(found), raw) == lib.PVM_OK:
            name = ffi.string(raw.name).decode("utf-8", "replace")
            counts = {count: getattr(raw, count) for count in _COUNTS}
            level = Level(raw.level).name.lower()
            found.append(StreamStats(name, **counts, level=level, sealed=bool(raw.sealed)))
        return sorted(found, key=lambda stream: stream.name)

    def read(
        self,
        stream: str,
        *,
        key: bytes | None = None,
        from_ns: int = 0,
        until_ns: int = 0,
        sequence: int = 0,
        most: int = 2**63,
        max_bytes: int = 0,
    ) -> bytes:
        """Return MessagePack: an array of [sequence, time_ns, arrival_ns, key, event].

        Of a key, in a span of time if until_ns is not 0, the latest first; else from a sequence
        number on, those of such a span or all. Raises UnknownTask for a stream that is not there,
        and VmError with the status -1 for an answer of more than max_bytes; 0: no limit.
        """
        query, kept = _query(
            stream, key, from_ns=from_ns, until_ns=until_ns, sequence=sequence, most=most
        )
        query.max_bytes = max_bytes
        events = ffi.new("pvm_buffer *")
        check(lib.pvm_store_read(self.handle, query, events))
        del kept
        return take(events[0])

    def fields(
        self,
        stream: str,
        *,
        from_ns: int = 0,
        until_ns: int = 0,
        sequence: int = 0,
        most: int = 2**63,
    ) -> bytes:
        """Return which fields such events have; see pvm_store_fields. Raises UnknownTask."""
        query, kept = _query(
            stream, None, from_ns=from_ns, until_ns=until_ns, sequence=sequence, most=most
        )
        told = ffi.new("pvm_buffer *")
        check(lib.pvm_store_fields(self.handle, query, told))
        del kept
        return take(told[0])

    def columns(
        self,
        stream: str,
        columns: bytes,
        *,
        from_ns: int = 0,
        until_ns: int = 0,
        sequence: int = 0,
        most: int = 2**63,
    ) -> tuple[bytes, int]:
        """Return rows of such events, and the number behind the last one; see pvm_store_columns.

        columns: MessagePack. Raises UnknownTask for a stream that is not there.
        """
        query, kept = _query(
            stream, None, from_ns=from_ns, until_ns=until_ns, sequence=sequence, most=most
        )
        rows, behind = ffi.new("pvm_buffer *"), ffi.new("uint64_t *")
        check(lib.pvm_store_columns(self.handle, query, columns, len(columns), rows, behind))
        del kept
        return take(rows[0]), int(behind[0])

    def series(
        self,
        stream: str,
        field: str,
        *,
        key: bytes | None = None,
        from_ns: int | None = None,
        until_ns: int | None = None,
        step_ns: int = 0,
        functions: str = "",
        fill: str = "none",
        value: float = 0.0,
        rows: int = 0,
    ) -> bytes:
        """Return MessagePack: an array of [time_ns, value, ...]; see pvm_series_query.

        Raises UnknownTask for a stream that is not there, VmError with the reason for a query
        that is none.
        """
        query = ffi.new("pvm_series_query *")
        texts = [ffi.new("char[]", text.encode()) for text in (stream, field, functions, fill)]
        query.stream, query.field, query.functions, query.fill = texts
        kept = ffi.from_buffer(key) if key else ffi.new("char[1]")
        query.key = kept if key is not None else ffi.NULL
        query.key_len = len(key or b"")
        query.from_ns = -(2**63) if from_ns is None else from_ns
        query.until_ns = 2**63 - 1 if until_ns is None else until_ns
        query.step_ns, query.value, query.rows = step_ns, value, rows
        answer = ffi.new("pvm_buffer *")
        err = ffi.new("char[]", ERR_MAX)
        check(lib.pvm_series_read(self.handle, query, answer, err), err)
        return take(answer[0])


def _query(
    stream: str, key: bytes | None, *, from_ns: int, until_ns: int, sequence: int, most: int
) -> tuple[Any, Any]:
    """A query, and what it points to."""
    query = ffi.new("pvm_store_query *")
    name = ffi.new("char[]", stream.encode())
    query.stream = name
    kept = ffi.from_buffer(key) if key else ffi.new("char[1]")
    query.key = kept if key is not None else ffi.NULL
    query.key_len = len(key or b"")
    query.from_ns, query.until_ns = from_ns, until_ns
    query.sequence, query.most = sequence, most
    return query, (name, kept)
