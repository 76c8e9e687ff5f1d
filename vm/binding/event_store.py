"""The store of an executor's events: folders of streams, kept and read in C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .library import ERR_MAX, check, ffi, lib, take

if TYPE_CHECKING:
    from pathlib import Path


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


_COUNTS = tuple(StreamStats.__dataclass_fields__)[1:]


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
    ) -> None:
        """Open the folder, or make it. 0: the default size; no limit.

        Raises VmError with the reason: another process has it, a disk is full, ...
        """
        config = ffi.new("pvm_store_config *")
        lib.pvm_store_config_init(config)
        config.segment_bytes = segment_bytes or config.segment_bytes
        config.keep_bytes, config.keep_events, config.keep_ns = keep_bytes, keep_events, keep_ns
        err = ffi.new("char[]", ERR_MAX)
        opened = ffi.new("pvm_store **")
        check(lib.pvm_store_open(bytes(folder), config, opened, err), err)
        self.handle: Any = opened[0]  # what pvm_trigger_config takes

    def close(self) -> None:
        """Close the files. No executor may use the store any more."""
        handle, self.handle = self.handle, ffi.NULL
        lib.pvm_store_close(handle)

    def sync(self) -> None:
        """Wait until all that is kept outlives the machine too."""
        check(lib.pvm_store_sync(self.handle))

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
            found.append(StreamStats(name, *(getattr(raw, count) for count in _COUNTS)))
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
    ) -> bytes:
        """Return MessagePack: an array of [sequence, time_ns, arrival_ns, key, event].

        Of a key, the latest first; else of a span of time (until_ns is not 0), else from a sequence
        number on. Raises UnknownTask for a stream that is not there.
        """
        query = ffi.new("pvm_store_query *")
        name = ffi.new("char[]", stream.encode())
        query.stream = name
        kept = ffi.from_buffer(key) if key else ffi.new("char[1]")
        query.key = kept if key is not None else ffi.NULL
        query.key_len = len(key or b"")
        query.from_ns, query.until_ns = from_ns, until_ns
        query.sequence, query.most = sequence, most
        events = ffi.new("pvm_buffer *")
        check(lib.pvm_store_read(self.handle, query, events))
        return take(events[0])

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
        query.step_ns, query.value = step_ns, value
        rows = ffi.new("pvm_buffer *")
        err = ffi.new("char[]", ERR_MAX)
        check(lib.pvm_series_read(self.handle, query, rows, err), err)
        return take(rows[0])
