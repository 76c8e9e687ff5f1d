"""The host's tables of features: rows from outside, and what tasks and flows put and read."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from polyvm.host import codec, log, table_ttls
from polyvm.host.errors import MissingError, StateFileError, TableError
from polyvm.host.event_store import Nanoseconds
from polyvm.host.tables import Bounds
from polyvm.vm import LATEST, Features, UnknownTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from polyvm.host.manifest import Manifest
    from polyvm.vm import EventStore, Executor, PutReport, TableStats

MOST = 100_000  # rows of one answer
_OWN = "."  # what the names of tables begin with that the host has for itself


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row as it is delivered. values None: from that time on the key has nothing.

    time_ns: from when it is valid, since the epoch; None: now. A version is passed over, so that
    what was read can be put again.
    """

    key: str | int
    values: dict[str, Any] | None
    time_ns: Nanoseconds | None = None
    version: int | None = None


class Row(NamedTuple):
    """A row as it was read."""

    key: str
    time_ns: int  # from when it is valid, since the epoch
    version: int  # counts up in its table
    values: dict[str, Any]


class FeatureTables:
    """Tables by name. Every method is for any thread, but `close`, which comes last."""

    def __init__(self, store: EventStore | None = None, folder: Path | None = None) -> None:
        """Have them in memory, or with a store, which keeps their rows and is closed after them.

        folder: of the store; how long keys live is noted there.
        """
        self._features = Features(store)
        self._folder = folder
        self._lock = threading.Lock()
        self._operators: dict[str, Bounds] = {}
        self._tasks: dict[str, dict[str, Bounds]] = {}  # by task

    @property
    def packed(self) -> Features:
        """The same with rows as MessagePack."""
        return self._features

    def attach(self, executor: Executor) -> None:
        """Let the executor's tasks and flows use them."""
        self._features.attach(executor)

    def close(self) -> None:
        """Let go of them. No executor may use them any more."""
        self._features.close()

    # ---- Declarations ----

    def find(self, table: str) -> None:
        """Have a table, with the defaults if there is none. Raises VmError with a sentence."""
        self._features.find(table)

    def _open(self, name: str, bounds: Bounds) -> None:
        amounts = bounds.amounts
        self._features.open(name, **amounts)
        if self._folder is None:
            return
        try:
            table_ttls.note(self._folder, name, amounts["ttl_ns"])
        except StateFileError as error:  # who reads the store alone takes old rows for valid
            log.get().error("ttl not noted", table=name, reason=str(error))

    def declare(self, tables: Mapping[str, Bounds]) -> None:
        """Have the tables that the operators declare. Raises VmError with a sentence."""
        with self._lock:
            for name, bounds in tables.items():
                self._open(name, bounds)
            self._operators.update(tables)

    def check(self, manifest: Manifest) -> None:
        """Raise TableError where a live task declares a table otherwise than this one."""
        with self._lock:
            for table in manifest.tables:
                for task, tables in self._tasks.items():
                    other = tables.get(table.name, table.bounds)
                    if task != manifest.name and other != table.bounds:
                        raise TableError(
                            f"table {table.name!r} is declared otherwise by the task {task}; give "
                            "both the same bounds, or leave them to --flows FILE"
                        )

    def deploy(self, manifest: Manifest) -> None:
        """Have the tables that a task declares, but for what operators declare. Raises VmError.

        What a former version declared is what it was until the host ends: rows outlive tasks.
        """
        with self._lock:
            wanted = {table.name: table.bounds for table in manifest.tables}
            for name, bounds in wanted.items():
                if name not in self._operators:
                    self._open(name, bounds)
            self._tasks[manifest.name] = wanted

    def withdraw(self, task: str) -> None:
        """Forget what a task declares. The tables stay, as others may read them."""
        with self._lock:
            self._tasks.pop(task, None)

    # ---- Rows ----

    def put(self, table: str, rows: Iterable[Given], *, merge: bool = False) -> PutReport:
        """Put rows, and tell how many were, and why the next one was not.

        Raises MissingError for a table that is not there, TypeError or ValueError for values that
        cannot be held: then none was put.
        """
        packed = codec.encode_payload([[row.key, row.time_ns, row.values] for row in rows])
        try:
            return self._features.put(table, packed, merge=merge)
        except UnknownTask:
            raise self._missing(table) from None

    def get(self, table: str, key: str, at_ns: int = LATEST) -> Row | None:
        """Return the row of a key that was valid at a time. Raises MissingError for the table."""
        return self.get_many(table, [key], at_ns)[0]

    def get_many(self, table: str, keys: Sequence[str], at_ns: int = LATEST) -> list[Row | None]:
        """Return `get` of each key, in order."""
        try:
            packed = self._features.get(table, codec.encode_payload(list(keys)), at_ns)
        except UnknownTask:
            raise self._missing(table) from None
        found = codec.decode(packed)
        return [Row(key, *row) if row else None for key, row in zip(keys, found, strict=True)]

    def scan(self, table: str, at_ns: int = LATEST, most: int = MOST) -> list[Row]:
        """Return the rows of all keys that were valid at a time, in no order."""
        try:
            return _rows(self._features.scan(table, at_ns, most))
        except UnknownTask:
            raise self._missing(table) from None

    def history(self, table: str, key: str) -> list[Row]:
        """Return all rows of a key, the oldest first."""
        try:
            return _rows(self._features.history(table, key.encode()))
        except UnknownTask:
            raise self._missing(table) from None

    def ttls(self) -> dict[str, int]:
        """For how long keys of each table live after their last row, in ns; 0: they stay."""
        return {each.name: each.ttl_ns for each in self._features.stats()}

    def stats(self) -> list[TableStats]:
        """Return the figures of all tables, by name, but for the host's own."""
        return [each for each in self._features.stats() if not each.name.startswith(_OWN)]

    def _missing(self, table: str) -> MissingError:
        known = ", ".join(each.name for each in self.stats()) or "none"
        return MissingError(
            f"there is no table of features {table[:80]!r}; there are: {known}. A manifest "
            "declares one with [[tables]], and --flows FILE with [tables.NAME]"
        )


def _rows(packed: bytes) -> list[Row]:
    return [
        Row(key.decode("utf-8", "replace"), time_ns, version, values)
        for key, time_ns, version, values in codec.decode(packed)
    ]
