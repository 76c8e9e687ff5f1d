"""SQL over kept events and feature tables: SQLite in memory, filled with what a query names.

A stream is a table of its name: ``sequence``, ``time`` and ``arrival`` (seconds since the epoch),
``key``, and a column for each field, those of its declaration first. A feature table is the table
``features.NAME`` with each key's latest row: ``key``, ``time``, and a column for each feature.
"""

from __future__ import annotations

import re
import sqlite3
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from polyvm.host import codec, stream_versions
from polyvm.host.errors import PolyvmError
from polyvm.host.event_store import Kept, Query, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from polyvm.vm import EventStore

FEATURES = "features"
_OWN = f"{FEATURES}."
_MISSING = re.compile(r"no such table: (.*)", re.DOTALL)
_AT_ONCE = 10_000  # events in memory beside the tables
_COLUMNS = 1900  # of a table; SQLite has 2000 at most
_REST = "rest"  # the column of what is beyond, as JSON
_LOOK_EVERY = 100_000  # steps of SQLite between looks for Ctrl-C
# Writing is refused by query_only: functions such as json_each make tables themselves.
_REFUSED = frozenset(
    {
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DETACH,
        sqlite3.SQLITE_PRAGMA,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_SAVEPOINT,
    }
)
_FORBIDDEN = frozenset({"load_extension", "writefile", "readfile", "edit"})


class SqlError(PolyvmError):
    """A query that cannot be run."""


class Source(Protocol):
    """Where streams are read."""

    def streams(self) -> list[str]:
        """Name the streams that there are."""

    def fields(self, stream: str) -> list[str]:
        """Name the fields that are declared for a stream; empty: none are."""

    def events(self, stream: str) -> Iterable[Kept]:
        """Read a stream, in the order of arrival."""


class StoreSource:
    """Streams of an open store."""

    def __init__(self, store: EventStore, folder: Path) -> None:
        """Read ``store``, which lies in ``folder``. Raises StateFileError."""
        self._store = store
        self._versions = stream_versions.read(folder)

    def streams(self) -> list[str]:
        """Name them."""
        return [each.name for each in self._store.streams()]

    def fields(self, stream: str) -> list[str]:
        """Name the fields of all versions, the latest version's first."""
        versions = reversed(self._versions.get(stream, []))
        return list(dict.fromkeys(name for each in versions for name in each.fields or {}))

    def events(self, stream: str) -> Iterator[Kept]:
        """Read one, a part at a time."""
        sequence = 0
        while found := read(self._store, Query(stream=stream, sequence=sequence, most=_AT_ONCE)):
            yield from found
            sequence = found[-1].sequence + 1


class Result(NamedTuple):
    """What a query gives. Rows can be read once."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


class Database:
    """Tables of a source, each as it is when the first query names it. For one thread."""

    def __init__(self, source: Source, stopped: Callable[[], bool] = lambda: False) -> None:
        """``stopped`` is asked while a query runs: whether that is to end, with a SqlError."""
        self._source = source
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.execute("PRAGMA temp_store = MEMORY")  # nothing is written to any file
        self._connection.execute(f"ATTACH ':memory:' AS {FEATURES}")
        # Python looks for signals while it is called.
        self._connection.set_progress_handler(lambda: int(stopped()), _LOOK_EVERY)
        self._streams = source.streams()
        self._loaded: set[str] = set()

    def close(self) -> None:
        """Forget the tables."""
        self._connection.close()

    def query(self, text: str) -> Result:
        """Run one SELECT. Raises SqlError with a sentence."""
        while True:
            self._connection.set_authorizer(None)
            self._connection.execute("PRAGMA query_only = ON")
            self._connection.set_authorizer(_authorize)
            try:
                cursor = self._connection.execute(text)
            except (sqlite3.Error, sqlite3.Warning) as error:
                self._connection.set_authorizer(None)
                missing = _MISSING.fullmatch(str(error))
                if missing is None:
                    raise _explained(error) from None
                self._load(missing[1])
            except (ValueError, UnicodeError) as error:
                raise SqlError(f"the query cannot be run: {error}") from None
            else:
                if cursor.description is None:
                    raise SqlError("the query gives no rows; write a SELECT")
                return Result([each[0] for each in cursor.description], self._rows(cursor))

    def _rows(self, cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
        while True:
            try:
                found = cursor.fetchmany(1000)
            except sqlite3.Error as error:
                raise _explained(error) from None
            if not found:
                return
            yield from found

    def _load(self, name: str) -> None:
        """Make the table that SQLite misses."""
        stream = self._find(name)
        if stream in self._loaded:
            raise SqlError(f"the query cannot be run: no such table: {name}")
        self._loaded.add(stream)
        try:
            self._connection.execute("PRAGMA query_only = OFF")
            self._fill(stream)
        except sqlite3.Error as error:
            raise SqlError(f"stream {stream!r} cannot be a table: {error}") from None

    def _fill(self, stream: str) -> None:
        self._connection.execute("BEGIN")
        if stream.startswith(_OWN):
            rows = _latest(self._source.events(stream))
            _fill(self._connection, stream, ["key", "time"], [], rows)
        else:
            columns = ["sequence", "time", "arrival", "key"]
            fields = self._source.fields(stream)
            _fill(self._connection, stream, columns, fields, map(_row, self._source.events(stream)))
        self._connection.execute("COMMIT")

    def _find(self, name: str) -> str:
        plain = name.removeprefix("main.")
        same = [each for each in self._streams if each.lower() == plain.lower()]
        if plain in same or len(same) == 1:
            return plain if plain in same else same[0]
        if same:
            raise SqlError(f"there are streams {' and '.join(same)}; write the name as one of them")
        known = ", ".join(self._streams) or "none"
        raise SqlError(f"there is no stream or table {plain!r}; there are: {known}")


def _authorize(
    action: int, first: str | None, second: str | None, database: str | None, view: str | None
) -> int:
    """Let a query read, and do nothing else."""
    del first, database, view
    if action == sqlite3.SQLITE_FUNCTION and second in _FORBIDDEN:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_DENY if action in _REFUSED else sqlite3.SQLITE_OK


def _explained(error: sqlite3.Error | sqlite3.Warning) -> SqlError:
    what = str(error)
    if any(words in what for words in ("authoriz", "prohibited", "one statement", "readonly")):
        return SqlError("the query cannot be run: it is to be one SELECT, which changes nothing")
    return SqlError(f"the query cannot be run: {what}")


# ---- Rows --------------------------------------------------------------------


class Row(NamedTuple):
    """One of a table: what every one has, and its fields."""

    common: tuple[Any, ...]
    fields: dict[Any, Any]


def _row(event: Kept) -> Row:
    fields = event.event if isinstance(event.event, dict) else {"event": event.event}
    return Row((event.sequence, event.time_ns / 1e9, event.arrival_ns / 1e9, event.key), fields)


def _latest(events: Iterable[Kept]) -> Iterator[Row]:
    """What is valid of a feature table's rows: a row with no features ends those before it."""
    rows: dict[str, Kept] = {}
    for event in events:
        before = rows.get(event.key)
        if before is None or event.time_ns >= before.time_ns:
            rows[event.key] = event
    for key, event in rows.items():
        if isinstance(event.event, dict):
            yield Row((key, event.time_ns / 1e9), event.event)


class _Columns:
    """A table's columns: names that SQLite tells apart, which it does not by their case."""

    def __init__(self, connection: sqlite3.Connection, table: str, common: list[str]) -> None:
        self._connection = connection
        self._table = table
        self._taken = {*common, _REST}
        self.of: dict[str, str] = {}  # by field; the empty text: among the rest
        columns = ", ".join([*map(_quoted, common), _REST])
        connection.execute(f"CREATE TABLE {table} ({columns})")

    def add(self, field: str) -> None:
        """Make the column of a field."""
        name = field.replace("\0", "") or "_"
        if name.lower() in self._taken:
            name = f"event_{name}"
        number = 2
        while name.lower() in self._taken:
            name, number = f"{field}_{number}", number + 1
        if len(self.of) >= _COLUMNS:
            self.of[field] = ""
            return
        self._taken.add(name.lower())
        self.of[field] = name
        self._connection.execute(f"ALTER TABLE {self._table} ADD COLUMN {_quoted(name)}")


def _fill(
    connection: sqlite3.Connection,
    stream: str,
    common: list[str],
    fields: list[str],
    rows: Iterable[Row],
) -> None:
    name = stream.removeprefix(_OWN)
    table = f"{FEATURES if stream.startswith(_OWN) else 'main'}.{_quoted(name)}"
    columns = _Columns(connection, table, common)
    for field in fields:
        columns.add(field)
    rest = iter(rows)
    while part := list(islice(rest, _AT_ONCE)):
        for field in dict.fromkeys(str(field) for row in part for field in row.fields):
            if field not in columns.of:
                columns.add(field)
        places = {field: i for i, field in enumerate(f for f, c in columns.of.items() if c)}
        names = [*common, _REST, *(column for column in columns.of.values() if column)]
        marks = ", ".join("?" * len(names))
        quoted = ", ".join(map(_quoted, names))
        connection.executemany(
            f"INSERT INTO {table} ({quoted}) VALUES ({marks})",  # noqa: S608 - names are quoted
            (_values(row, places) for row in part),
        )


def _values(row: Row, places: dict[str, int]) -> list[Any]:
    values: list[Any] = [None] * len(places)
    beyond = {}
    for field, value in row.fields.items():
        place = places.get(str(field))
        if place is None:
            beyond[str(field)] = value
        else:
            values[place] = _value(value)
    return [*row.common, _json(beyond) if beyond else None, *values]


def _value(value: Any) -> Any:
    if value is None or isinstance(value, str | float | bytes):
        return value
    if isinstance(value, int):  # booleans too, which are 0 and 1
        return value if -(2**63) <= value < 2**63 else float(value)
    return _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=codec.as_json).decode()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
