"""Tables of features: rows by key and time, read without a lock, in C."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .library import ERR_MAX, check, ffi, lib, refusal, take, text

if TYPE_CHECKING:
    from .errors import VmError
    from .event_store import EventStore
    from .executor import Executor

LATEST = 2**63 - 1  # PVM_TABLE_LATEST
"""As a time: the latest row, whatever its time."""


@dataclass(frozen=True, slots=True)
class TableStats:
    """What a table holds, and what was done with it; see pvm_table_stats."""

    name: str
    keys: int
    rows: int
    bytes: int
    puts: int
    gets: int
    misses: int
    expired: int
    dropped: int
    ttl_ns: int  # 0: keys do not expire
    newest_ns: int | None  # None: no row was ever put


class PutReport(NamedTuple):
    """How many rows were put, and why the next one was not; None: all were."""

    put: int
    error: VmError | None


_COUNTS = tuple(TableStats.__dataclass_fields__)[1:-1]
_NEVER = -(2**63)


class Features:
    """Tables by name. Every method is for any thread, but `close`, which comes last."""

    def __init__(self, store: EventStore | None = None) -> None:
        """Have tables in memory, or with a store that keeps their rows and is closed after them."""
        err = ffi.new("char[]", ERR_MAX)
        opened = ffi.new("pvm_features **")
        handle = store.handle if store is not None else ffi.NULL
        check(lib.pvm_features_open(handle, opened, err), err)
        self._store = store
        self._told = threading.local()
        self.handle: Any = opened[0]

    def close(self) -> None:
        """Let go of all tables. No executor may use them any more."""
        handle, self.handle = self.handle, ffi.NULL
        lib.pvm_features_close(handle)

    def attach(self, executor: Executor) -> None:
        """Let the executor's tasks and flows read and write them. StateError: it has others."""
        check(lib.pvm_features_attach(executor.handle, self.handle))

    def open(
        self,
        table: str,
        *,
        versions: int = 1,
        ttl_ns: int = 0,
        max_keys: int = 0,
        max_bytes: int = 0,
    ) -> None:
        """Make the table, with what is kept of it; one that is there gets these bounds.

        Raises VmError with a sentence.
        """
        config = ffi.new("pvm_table_config *")
        config.versions, config.ttl_ns = versions, ttl_ns
        config.max_keys, config.max_bytes = max_keys, max_bytes
        self._open(table, config)

    def find(self, table: str) -> None:
        """Make the table with the defaults unless it is there. Raises as `open` does."""
        self._open(table, ffi.NULL)

    def _open(self, table: str, config: Any) -> None:
        err = ffi.new("char[]", ERR_MAX)
        check(lib.pvm_table_open(self.handle, table.encode(), config, err), err)

    def put(self, table: str, rows: bytes, *, merge: bool = False) -> PutReport:
        """Put rows: MessagePack, an array of [key, time_ns or nil, map or nil].

        Raises UnknownTask for a table that is not there, and DecodeError for what is no array.
        """
        try:
            status, err = self._told.status, self._told.err
        except AttributeError:  # the thread's first one: memory costs more than a row
            status, err = ffi.new("int *"), ffi.new("char[]", ERR_MAX)
            self._told.status, self._told.err = status, err
        put = lib.pvm_table_put(self.handle, table.encode(), rows, len(rows), merge, status, err)
        if put < 0:
            check(put, err)
        return PutReport(put, refusal(status[0], text(err)) if status[0] else None)

    def get(self, table: str, keys: bytes, at_ns: int = LATEST) -> bytes:
        """Return the rows of keys, a MessagePack array, at a time.

        MessagePack: an array of nil or [time_ns, version, values].
        """
        rows = ffi.new("pvm_buffer *")
        check(lib.pvm_table_get(self.handle, table.encode(), keys, len(keys), at_ns, rows))
        return take(rows[0])

    def scan(self, table: str, at_ns: int = LATEST, most: int = 2**63) -> bytes:
        """Return all rows at a time: an array of [key, time_ns, version, values]."""
        rows = ffi.new("pvm_buffer *")
        check(lib.pvm_table_scan(self.handle, table.encode(), at_ns, most, rows))
        return take(rows[0])

    def history(self, table: str, key: bytes) -> bytes:
        """Return the rows of one key, the oldest first, likewise."""
        rows = ffi.new("pvm_buffer *")
        check(lib.pvm_table_history(self.handle, table.encode(), key, len(key), rows))
        return take(rows[0])

    def stats(self) -> list[TableStats]:
        """Return the figures of all tables, by name."""
        found: list[TableStats] = []
        raw = ffi.new("pvm_table_stats *")
        while lib.pvm_table_stats_get(self.handle, len(found), raw) == lib.PVM_OK:
            counts = {count: getattr(raw, count) for count in _COUNTS}
            newest = raw.newest_ns if raw.newest_ns != _NEVER else None
            found.append(TableStats(name=text(raw.name), newest_ns=newest, **counts))
        return sorted(found, key=lambda table: table.name)
