"""``polyvm sql "select ..." DIR``, or of a running host: kept events and feature tables by SQL."""

from __future__ import annotations

import base64
import csv
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from polyvm.host.api import client
from polyvm.host.cli import events_key
from polyvm.host.errors import ExitCode, MissingError
from polyvm.host.event_store import Fields, Keeping, Kept, losses, open_store
from polyvm.host.sql import Database, Result
from polyvm.host.sql_sources import LOOKED_AT, TABLES, Source, Span, StoreSource

if TYPE_CHECKING:
    import argparse

    from polyvm.host.api.client import HostClient

_SHOW_AFTER = 1.0  # seconds
_SHOW_EVERY = 0.2
_WIDEST = 60  # of a value in a table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("query", metavar="QUERY", help="one SELECT of SQLite; - is stdin")
    parser.add_argument(
        "folder",
        metavar="DIR",
        type=Path,
        nargs="?",
        help="as given to `polyvm run --events`, when that has ended (default: ask a running host)",
    )
    parser.add_argument(
        "--format",
        choices=list(_FORMATS),
        default="table",
        help="how rows are printed; json is one object a line (default: %(default)s)",
    )
    parser.add_argument(
        "--from",
        dest="since",
        metavar="S",
        type=float,
        help="events from this time of theirs on, in seconds since the epoch",
    )
    parser.add_argument(
        "--until", metavar="S", type=float, help="events before it, in seconds since the epoch"
    )
    events_key.add_arguments(parser)
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Print what the query gives."""
    query = sys.stdin.read() if options.query == "-" else options.query
    write = _FORMATS[options.format]
    if options.folder is None:
        _run(query, _HostSource(client.connect(options), _span(options)), write)
        return ExitCode.OK
    if not options.folder.is_dir():
        raise MissingError(f"{options.folder}: no such folder; `polyvm run --events` makes one")
    store = open_store(Keeping(folder=options.folder, key=events_key.spec(options)))
    try:
        for lost in filter(None, map(losses, store.streams())):
            print(f"polyvm: {lost}", file=sys.stderr)
        _run(query, StoreSource(store, options.folder, _span(options)), write)
    finally:
        store.close()
    return ExitCode.OK


def _run(query: str, source: Source, write: Any) -> None:
    progress = _Progress()
    database = Database(source, told=progress)
    try:
        try:
            result = database.query(query)
        finally:
            progress.clear()
        write(result)
    finally:
        database.close()


def _span(options: argparse.Namespace) -> Span:
    bounds = (options.since, options.until)
    since, until = (None if each is None else round(each * 1e9) for each in bounds)
    return Span(since, until)


class _HostSource(Source):
    """Streams of a running host, over its API."""

    def __init__(self, host: HostClient, span: Span) -> None:
        self._host = host
        self._span = span
        self._streams = {each["name"]: each for each in host.get("/v1/streams")["streams"]}
        self._ttls: dict[str, int] | None = None

    def streams(self) -> list[str]:
        return list(self._streams)

    def declared(self, stream: str) -> list[str]:
        return list(self._streams[stream].get("fields") or ())

    def fields(self, stream: str, sequence: int) -> Fields:
        return Fields(**self._ask("/v1/streams/fields", stream, sequence, LOOKED_AT))

    def events(self, stream: str, sequence: int, most: int) -> list[Kept]:
        found = self._ask("/v1/events", stream, sequence, most)["events"]
        return [Kept(**each) for each in found]

    def in_memory(self, stream: str) -> bool:
        told = self._streams[stream]
        return bool(told["sealed"]) or told["level"] == "memory"

    def ttl_ns(self, stream: str) -> int:
        if self._ttls is None:
            tables = self._host.get("/v1/features")["tables"]
            self._ttls = {each["name"]: each["ttl_ns"] for each in tables}
        return self._ttls.get(stream.removeprefix(TABLES), 0)

    def _ask(self, target: str, stream: str, sequence: int, most: int) -> Any:
        query = msgspec.to_builtins(self._span.of(stream, sequence, most))
        asked = {name: value for name, value in query.items() if value is not None}
        return self._host.get(f"{target}?{urlencode(asked)}")


class _Progress:
    """How many events are read, on a terminal, where that takes a while."""

    def __init__(self) -> None:
        self._shown = 0  # characters
        self._next = time.monotonic() + _SHOW_AFTER

    def __call__(self, stream: str, done: int, of: int) -> None:
        now = time.monotonic()
        if not sys.stderr.isatty() or now < self._next:
            return
        self._next = now + _SHOW_EVERY
        self._show(f"polyvm: reading {stream}: {done:,} of {of:,} events")

    def clear(self) -> None:
        if self._shown:
            self._show("")
            print(end="\r", file=sys.stderr, flush=True)

    def _show(self, text: str) -> None:
        print(f"\r{text.ljust(self._shown)}", end="", file=sys.stderr, flush=True)
        self._shown = len(text)


# ---- Printing ----------------------------------------------------------------


def _as_json(result: Result) -> None:
    for row in result.rows:
        object_ = dict(zip(result.columns, row, strict=True))
        sys.stdout.write(msgspec.json.encode(object_).decode() + "\n")


def _as_csv(result: Result) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(result.columns)
    for row in result.rows:
        writer.writerow([_plain(value) for value in row])


def _as_table(result: Result) -> None:
    rows = [[_short(value) for value in row] for row in result.rows]
    right = [
        all(isinstance(value, _Number) or not value for value in column)
        for column in zip(*rows, strict=True)
    ]
    widths = [
        max(len(name), *(len(row[i]) for row in rows)) if rows else len(name)
        for i, name in enumerate(result.columns)
    ]

    def line(cells: list[str]) -> str:
        return "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(
                cells, widths, right or [False] * len(cells), strict=True
            )
        ).rstrip()

    print(line(result.columns))
    print("  ".join("-" * width for width in widths))
    for row in rows:
        print(line(row))


class _Number(str):
    """A number as text."""

    __slots__ = ()


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _short(value: Any) -> str:
    if isinstance(value, int | float):
        return _Number(value)
    text = "" if value is None else str(_plain(value))
    text = text.translate({code: f"\\x{code:02x}" for code in range(32)})
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


_FORMATS = {"table": _as_table, "json": _as_json, "csv": _as_csv}
