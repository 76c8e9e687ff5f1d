"""SQL over kept events and feature tables: SQLite, filled with what a query reads.

A stream is a table of its name: ``sequence``, ``time`` and ``arrival`` (seconds since the epoch),
``key``, and a column for each field, those of its declaration first. A feature table is the table
``features.NAME`` with each key's latest row: ``key``, ``time``, and a column for each feature.

A query is prepared first over tables without rows, which tells the columns that it reads; they are
filled with these alone. Tables lie in memory up to a bound and beyond it in a temporary file that
has no name; what must not come to a disk stays in memory, or is refused.
"""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from polyvm.host.errors import PolyvmError
from polyvm.host.sql_sources import TABLES
from polyvm.host.sql_tables import Reading, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from polyvm.host.sql_sources import Source

FEATURES = "features"
_PRIVATE = "private"  # of what stays in memory
_MISSING = re.compile(r"no such table: (.*)", re.DOTALL)
_NATURAL = re.compile(r"\bnatural\b", re.IGNORECASE)
_USING = re.compile(r"\busing\b", re.IGNORECASE)
_CACHE = 64  # MiB of tables that are in memory
_MOST_PRIVATE = 1024  # MiB of tables that cannot be anywhere else
_PAGE = 4096  # bytes
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


class Result(NamedTuple):
    """What a query gives. Rows can be read once."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


def _untold(stream: str, done: int, of: int) -> None:
    del stream, done, of


class Database:
    """Tables of a source, each as it is when the first query names it. For one thread."""

    def __init__(
        self,
        source: Source,
        stopped: Callable[[], bool] = lambda: False,
        told: Callable[[str, int, int], object] = _untold,
    ) -> None:
        """``stopped`` is asked while a query runs: whether that is to end, with a SqlError.

        ``told(stream, done, of)`` is called while its events are read.
        """
        self._source = source
        self._stopped = stopped
        self._streams = source.streams()
        self._tables: dict[str, Table] = {}  # by stream
        self._reading = Reading(source, self._look, told)
        self._connection = sqlite3.connect("", isolation_level=None)  # a file without a name
        features = any(source.in_memory(each) for each in self._streams if each.startswith(TABLES))
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{_CACHE * 1024}",
            f"ATTACH ':memory:' AS {_PRIVATE}",
            f"PRAGMA {_PRIVATE}.max_page_count = {_MOST_PRIVATE * 2**20 // _PAGE}",
            f"ATTACH '{':memory:' if features else ''}' AS {FEATURES}",
        ):
            self._connection.execute(statement)
        # Python looks for signals while it is called.
        self._connection.set_progress_handler(lambda: int(stopped()), _LOOK_EVERY)

    def close(self) -> None:
        """Forget the tables."""
        self._connection.close()

    def query(self, text: str) -> Result:
        """Run one SELECT. Raises SqlError with a sentence."""
        read = self._read_by(text)
        for table in self._tables.values():
            name = table.name.lower()
            places = [place for place in ((table.schema, name), ("", name)) if place in read]
            if places:
                columns = {column for place in places for column in read[place]}
                self._have(table, self._wanted(table, text, columns))
        while True:
            try:
                cursor = self._execute(text, _authorize)
            except (sqlite3.Error, sqlite3.Warning) as error:
                self._have(self._missed_by(error), None)  # it could not be explained
                continue
            if cursor.description is None:
                raise SqlError("the query gives no rows; write a SELECT")
            return Result([each[0] for each in cursor.description], self._rows(cursor))

    @staticmethod
    def _wanted(table: Table, text: str, read: set[str]) -> set[str] | None:
        """The columns to have; None: all. SQLite does not tell of those that join tables."""
        if _NATURAL.search(text):
            return None
        if _USING.search(text):
            small = text.lower()
            return read | {each for each in table.columns if each.lower() in small}
        return read

    def _read_by(self, text: str) -> dict[tuple[str, str], set[str]]:
        """Make the tables that a query names; the columns of each that it reads.

        Tables are named by schema, empty where the query names none, and name in small letters.
        Nothing is said of what is no query.
        """
        while True:
            read: dict[tuple[str, str], set[str]] = {}
            try:
                self._execute(f"EXPLAIN {text}", _noting(read)).close()
            except (sqlite3.Error, sqlite3.Warning) as error:
                if _MISSING.fullmatch(str(error)) is None:
                    return {}
                self._missed_by(error)
            else:
                return read

    def _execute(self, text: str, authorize: Callable[..., int]) -> sqlite3.Cursor:
        self._connection.set_authorizer(None)
        self._connection.execute("PRAGMA query_only = ON")
        self._connection.set_authorizer(authorize)
        try:
            return self._connection.execute(text)
        except (ValueError, UnicodeError) as error:
            raise SqlError(f"the query cannot be run: {error}") from None
        finally:
            self._connection.set_authorizer(_authorize)

    def _rows(self, cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
        while True:
            try:
                found = cursor.fetchmany(1000)
            except sqlite3.Error as error:
                raise self._explained(error) from None
            if not found:
                return
            yield from found

    def _look(self) -> None:
        if self._stopped():
            raise SqlError("the query was stopped")

    def _missed_by(self, error: sqlite3.Error | sqlite3.Warning) -> Table:
        """Make the table that SQLite misses. Raises what the error is, if it is another one."""
        missing = _MISSING.fullmatch(str(error))
        if missing is None:
            raise self._explained(error) from None
        stream = self._find(missing[1])
        if stream in self._tables:
            raise SqlError(f"the query cannot be run: no such table: {missing[1]}")
        schema = FEATURES if stream.startswith(TABLES) else "main"
        try:
            self._writable()
            if self._source.in_memory(stream):
                schema = FEATURES if schema == FEATURES else _PRIVATE
                self._connection.execute("PRAGMA temp_store = MEMORY")  # what a query sorts
            self._tables[stream] = Table(self._connection, schema, stream, self._reading)
        except sqlite3.Error as why:
            raise SqlError(f"stream {stream!r} cannot be a table: {why}") from None
        return self._tables[stream]

    def _have(self, table: Table, columns: set[str] | None) -> None:
        """Fill a table with some columns; None: with all."""
        try:
            self._writable()
            table.fill(columns)
        except sqlite3.Error as error:
            if "interrupted" in str(error):
                raise self._explained(error) from None
            where = "temporary files"
            if self._source.in_memory(table.stream):
                where = f"{_MOST_PRIVATE} MiB of memory, outside of which it must not be"
            raise SqlError(
                f"stream {table.stream!r} cannot be a table: {error}; what the query reads of it "
                f"goes to {where}. Ask for fewer columns or a shorter span of time"
            ) from None

    def _writable(self) -> None:
        self._connection.set_authorizer(None)
        self._connection.execute("PRAGMA query_only = OFF")

    def _find(self, name: str) -> str:
        plain = name.removeprefix("main.")
        same = [each for each in self._streams if each.lower() == plain.lower()]
        if plain in same or len(same) == 1:
            return plain if plain in same else same[0]
        if same:
            raise SqlError(f"there are streams {' and '.join(same)}; write the name as one of them")
        known = ", ".join(self._streams) or "none"
        raise SqlError(f"there is no stream or table {plain!r}; there are: {known}")

    def _explained(self, error: sqlite3.Error | sqlite3.Warning) -> BaseException:
        what = str(error)
        if what == "interrupted":
            return SqlError("the query was stopped") if self._stopped() else KeyboardInterrupt()
        refused = ("authoriz", "prohibited", "one statement", "readonly")
        if any(words in what for words in refused):
            what = "it is to be one SELECT, which changes nothing"
        return SqlError(f"the query cannot be run: {what}")


def _authorize(
    action: int, first: str | None, second: str | None, database: str | None, view: str | None
) -> int:
    """Let a query read, and do nothing else."""
    del first, database, view
    if action == sqlite3.SQLITE_FUNCTION and second in _FORBIDDEN:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_DENY if action in _REFUSED else sqlite3.SQLITE_OK


def _noting(read: dict[tuple[str, str], set[str]]) -> Callable[..., int]:
    """Let it do as much, and note which columns it reads."""

    def note(
        action: int, first: str | None, second: str | None, database: str | None, view: str | None
    ) -> int:
        if action == sqlite3.SQLITE_READ and first:
            read.setdefault(((database or "").lower(), first.lower()), set()).add(second or "")
        return _authorize(action, first, second, database, view)

    return note
