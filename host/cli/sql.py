"""``polyvm sql "select ..." DIR``, or of a running host: kept events and feature tables by SQL."""

from __future__ import annotations

import base64
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from polyvm.host.api import client
from polyvm.host.cli import events_key
from polyvm.host.errors import ExitCode, MissingError
from polyvm.host.event_store import Keeping, Kept, losses, open_store
from polyvm.host.sql import Database, Result, Source, StoreSource

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from polyvm.host.api.client import HostClient

_AT_ONCE = 10_000  # events of one answer
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
    events_key.add_arguments(parser)
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Print what the query gives."""
    query = sys.stdin.read() if options.query == "-" else options.query
    write = _FORMATS[options.format]
    if options.folder is None:
        _run(query, _HostSource(client.connect(options)), write)
        return ExitCode.OK
    if not options.folder.is_dir():
        raise MissingError(f"{options.folder}: no such folder; `polyvm run --events` makes one")
    store = open_store(Keeping(folder=options.folder, key=events_key.spec(options)))
    try:
        for lost in filter(None, map(losses, store.streams())):
            print(f"polyvm: {lost}", file=sys.stderr)
        _run(query, StoreSource(store, options.folder), write)
    finally:
        store.close()
    return ExitCode.OK


def _run(query: str, source: Source, write: Any) -> None:
    database = Database(source)
    try:
        write(database.query(query))
    finally:
        database.close()


class _HostSource:
    """Streams of a running host, over its API."""

    def __init__(self, host: HostClient) -> None:
        self._host = host
        self._streams = {each["name"]: each for each in host.get("/v1/streams")["streams"]}

    def streams(self) -> list[str]:
        return list(self._streams)

    def fields(self, stream: str) -> list[str]:
        return list(self._streams[stream].get("fields") or ())

    def events(self, stream: str) -> Iterator[Kept]:
        sequence = 0
        while True:
            asked = urlencode({"stream": stream, "sequence": sequence, "most": _AT_ONCE})
            found = self._host.get(f"/v1/events?{asked}")["events"]
            if not found:
                return
            yield from (Kept(**each) for each in found)
            sequence = found[-1]["sequence"] + 1


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
