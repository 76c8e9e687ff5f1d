"""Features by SQL: one query over events and feature tables, whose rows become a table's rows.

All rows get one time, that at which the query was done, and none is put before that: whoever reads
as of an earlier time sees none of them. While they are put, the latest rows of some keys are new
and those of others not yet.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from polyvm.host import durations
from polyvm.host.errors import PolyvmError
from polyvm.host.features import Given
from polyvm.host.sql import Database, SqlError
from polyvm.host.sql_sources import Span, StoreSource

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from polyvm.host.features import FeatureTables
    from polyvm.host.jobs import Into, Job
    from polyvm.vm import EventStore

MOST_ROWS = 1_000_000  # of a query; they are in memory
_AT_ONCE = 10_000  # rows of one put


class JobError(PolyvmError):
    """A job that could not be done."""


class Stopped(PolyvmError):
    """The host stops, so the job does."""


class Done(NamedTuple):
    """What became of a query."""

    put: int
    removed: int


def run(
    job: Job,
    store: EventStore,
    folder: Path,
    tables: FeatureTables,
    *,
    stopping: threading.Event,
    now_ns: Callable[[], int] = time.time_ns,
) -> Done:
    """Run a job's query and put what it gives. Raises PolyvmError with a sentence."""
    assert job.sql is not None, "it is one with a query"
    assert job.into is not None, "`jobs.check` has seen that"
    since = now_ns() - durations.parse(job.since) if job.since is not None else None
    source = StoreSource(store, folder, Span(from_ns=since), tables.ttls)
    database = Database(source, stopping.is_set)
    try:
        result = database.query(job.sql)
        rows = _rows(job.into, result.columns, result.rows)
    except SqlError:
        if stopping.is_set():
            raise Stopped("the host stops") from None
        raise
    finally:
        database.close()
    if stopping.is_set():
        raise Stopped("the host stops")
    at_ns = now_ns()
    tables.find(job.into.table)
    put = _put(tables, job.into, [_given(key, values, at_ns) for key, values in rows.items()])
    removed = 0
    if job.into.remove:
        there = tables.scan(job.into.table, most=2**62)
        gone = [_given(row.key, None, at_ns) for row in there if row.key not in rows]
        removed = _put(tables, job.into, gone)
    return Done(put, removed)


def _given(key: str, values: dict[str, Any] | None, at_ns: int) -> Given:
    return Given(key=key, values=values, time_ns=at_ns)


def _rows(
    into: Into, columns: list[str], rows: Iterator[tuple[Any, ...]]
) -> dict[str, dict[str, Any]]:
    """The features of each key; those that are NULL are left out."""
    if into.key not in columns:
        known = ", ".join(columns)
        raise JobError(f"the query has no column {into.key!r} for the key; it has: {known}")
    if len(set(columns)) < len(columns):
        raise JobError("two columns of the query have the same name; name them with AS")
    place = columns.index(into.key)
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        key = row[place]
        if not isinstance(key, str | int):
            raise JobError(f"a row's key {into.key!r} is {key!r}; a key is a text or an integer")
        key = str(key)
        if len(found) == MOST_ROWS:
            raise JobError(f"the query gives more than {MOST_ROWS} rows")
        if key in found:
            raise JobError(f"two rows have the key {key!r}; group the query by {into.key!r}")
        found[key] = {
            name: value
            for name, value in zip(columns, row, strict=True)
            if name != into.key and value is not None
        }
    return found


def _put(tables: FeatureTables, into: Into, rows: list[Given]) -> int:
    put = 0
    rest = iter(rows)
    while part := list(islice(rest, _AT_ONCE)):
        try:
            report = tables.put(into.table, part, merge=into.merge)
        except (TypeError, ValueError) as error:
            raise JobError(f"a row cannot be put in {into.table!r}: {error}") from None
        put += report.put
        if report.error is not None:
            raise JobError(f"{put} of {len(rows)} rows were put in {into.table!r}: {report.error}")
    return put
