"""A stream, or a feature table, as a table of SQLite: the columns of it that are read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from polyvm.host import sql_values
from polyvm.host.sql_sources import TABLES
from polyvm.vm import EventColumn

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from polyvm.host.event_store import Kept
    from polyvm.host.sql_sources import Source

_AT_ONCE = 10_000  # events in memory beside the tables
_COLUMNS = 1900  # of fields; SQLite has 2000 at most
_REST = "rest"  # the column of what is beyond, as JSON
_EVENTS = {  # what each event has
    "sequence": EventColumn.SEQUENCE,
    "time": EventColumn.TIME,
    "arrival": EventColumn.ARRIVAL,
    "key": EventColumn.KEY,
}
_COMMON = {**_EVENTS, _REST: EventColumn.NIL}
_ROWS = ("key", "time")  # what each row of a feature table has


class Reading(NamedTuple):
    """How events are read: from where, and who is told of it."""

    source: Source
    look: Callable[[], None]  # called between parts; raises what is to end it
    told: Callable[[str, int, int], object]  # of the stream: events that are in, and of how many


class Table:
    """One that is made, without rows at first."""

    def __init__(
        self, connection: sqlite3.Connection, schema: str, stream: str, reading: Reading
    ) -> None:
        """Make it, with a column for each field that its events have now. Raises sqlite3.Error."""
        self.stream = stream
        self.schema = schema
        self.name = stream.removeprefix(TABLES) if schema == TABLES.removesuffix(".") else stream
        self._connection = connection
        self._reading = reading
        self._place = f"{schema}.{_quoted(self.name)}"
        self._events = 0
        self._behind = 0  # the sequence number behind the last event that is in it
        self._is_table = stream.startswith(TABLES)
        self._common = _ROWS if self._is_table else tuple(_EVENTS)
        names = self._names()
        self._beyond = len(names) > _COLUMNS  # some fields are among the rest
        self._columns = _columns(names, {*self._common, _REST})  # of fields
        self._read: set[str] | None = None  # columns with their values; None: there are no rows
        self._valid: set[int] | None = None  # see `_latest`
        made = ", ".join(map(_quoted, self.columns))
        connection.execute(f"CREATE TABLE {self._place} ({made})")

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, in order."""
        return (*self._common, _REST, *self._columns.values())

    def _names(self) -> list[str]:
        """The names of all fields; also finds out how many events there are."""
        source = self._reading.source
        found = dict.fromkeys(source.declared(self.stream))
        sequence = 0
        while (part := source.fields(self.stream, sequence)).events:
            self._reading.look()
            found.update(dict.fromkeys(part.names))
            self._events += part.events
            sequence = self._behind = part.behind
        return list(found)

    def fill(self, wanted: set[str] | None) -> None:
        """Have the values of some columns at least; None: of all. Raises sqlite3.Error."""
        known = self._read or set()
        needed = [
            each for each in self.columns if wanted is None or each in wanted or each in known
        ]
        if self._read is not None and known.issuperset(needed):
            return
        self._read = None
        self._connection.execute(f"DELETE FROM {self._place}")  # noqa: S608 - it is quoted
        self._connection.execute("BEGIN")
        try:
            self._insert(needed or [_REST])
        finally:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        self._read = set(needed)

    def _insert(self, columns: list[str]) -> None:
        marks = ", ".join("?" * len(columns))
        quoted = ", ".join(map(_quoted, columns))
        insert = f"INSERT INTO {self._place} ({quoted}) VALUES ({marks})"  # noqa: S608 - likewise
        done = 0
        for rows, count in self._rows_of(columns):
            self._connection.executemany(insert, rows)
            done += count
            self._reading.told(self.stream, done, self._events)

    def _rows_of(self, columns: list[str]) -> Iterator[tuple[Iterable[list[Any]], int]]:
        """Rows of some columns, and of how many events."""
        field_of = {column: field for field, column in self._columns.items()}
        if self._is_table or (self._beyond and _REST in columns):
            shape = _Shape(
                common=[self._common.index(each) for each in columns if each in self._common],
                rest=_REST in columns,
                fields=[field_of[each] for each in columns if each in field_of],
                columns=self._columns,
            )
            for part in self._parts():
                yield map(shape.row, self._valid_of(part)), len(part)
            return
        wanted = [field_of[each] if each in field_of else _COMMON[each] for each in columns]
        source, sequence = self._reading.source, 0
        while sequence < self._behind:
            self._reading.look()
            rows, behind = source.rows(self.stream, sequence, _AT_ONCE, wanted)
            if not rows:
                return
            if behind > self._behind:  # some came since
                numbers, _ = source.rows(self.stream, sequence, len(rows), [EventColumn.SEQUENCE])
                rows = rows[: sum(number < self._behind for (number,) in numbers)]
            sequence = behind
            yield rows, len(rows)

    def _parts(self) -> Iterator[list[Kept]]:
        """All events, as they were when the table was made."""
        sequence = 0
        while sequence < self._behind:
            self._reading.look()
            part = self._reading.source.events(self.stream, sequence, _AT_ONCE)
            if not part:
                return
            sequence = part[-1].sequence + 1
            if sequence > self._behind:
                part = [each for each in part if each.sequence < self._behind]
            yield part

    def _valid_of(self, part: list[Kept]) -> Iterable[tuple[tuple[Any, ...], Any]]:
        if not self._is_table:
            return (
                ((each.sequence, each.time_ns / 1e9, each.arrival_ns / 1e9, each.key), each.event)
                for each in part
            )
        latest = self._latest()
        return (
            ((each.key, each.time_ns / 1e9), each.event)
            for each in part
            if each.sequence in latest and isinstance(each.event, dict)
        )

    def _latest(self) -> set[int]:
        """The numbers of the rows that are valid: the latest of each key that has not expired."""
        if self._valid is None:
            keys: dict[str, tuple[int, int, int]] = {}  # time, number, when the last one came
            for part in self._parts():
                for each in part:
                    at, number, came = keys.get(each.key, (each.time_ns, 0, 0))
                    if each.time_ns >= at:
                        at, number = each.time_ns, each.sequence
                    keys[each.key] = (at, number, max(came, each.arrival_ns))
            ttl_ns = self._reading.source.ttl_ns(self.stream)
            since = time.time_ns() - ttl_ns if ttl_ns else 0
            self._valid = {number for _, number, came in keys.values() if came >= since}
        return self._valid


class _Shape(NamedTuple):
    """What of an event goes into a row."""

    common: list[int]
    rest: bool
    fields: list[str]
    columns: dict[str, str]  # of fields; those that have none are among the rest

    def row(self, given: tuple[tuple[Any, ...], Any]) -> list[Any]:
        """The values of a row."""
        common, event = given
        fields = sql_values.fields(event)
        values = [common[i] for i in self.common]
        if self.rest:
            beyond = {name: each for name, each in fields.items() if name not in self.columns}
            values.append(sql_values.as_json(beyond) if beyond else None)
        values += [sql_values.plain(fields.get(name)) for name in self.fields]
        return values


def _columns(fields: list[str], taken: set[str]) -> dict[str, str]:
    """Names for columns by field that SQLite tells apart, which it does not by their case."""
    columns: dict[str, str] = {}
    for field in fields[:_COLUMNS]:
        name = field.replace("\0", "") or "_"
        if name.lower() in taken:
            name = f"event_{name}"
        number = 2
        while name.lower() in taken:
            name, number = f"{field}_{number}", number + 1
        taken.add(name.lower())
        columns[field] = name
    return columns


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
