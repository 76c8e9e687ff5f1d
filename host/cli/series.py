"""``polyvm series DIR``, or of a running host: kept events as a time series, in JSON lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from polyvm.host import series
from polyvm.host.api import client
from polyvm.host.cli import arguments, events_key
from polyvm.host.errors import ExitCode, MissingError
from polyvm.host.event_store import Keeping, losses, open_store

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "folder",
        metavar="DIR",
        type=Path,
        nargs="?",
        help="as given to `polyvm run --events`, when that has ended (default: ask a running host)",
    )
    parser.add_argument("--stream", default="events", help="which stream (default: %(default)s)")
    parser.add_argument(
        "--field", required=True, help="whose numbers are taken, with dots into nested maps"
    )
    parser.add_argument("--key", help="of this key only")
    parser.add_argument("--from", dest="since", type=float, help="seconds since the epoch")
    parser.add_argument("--until", type=float, help="seconds since the epoch, not included")
    parser.add_argument("--step", help='such as "1m" (default: the points themselves)')
    parser.add_argument(
        "--agg", help="of count,sum,mean,min,max,first,last, for each step (default: mean)"
    )
    parser.add_argument(
        "--fill",
        default="none",
        help="of steps without points: none, null, previous, linear or a number (default: "
        "%(default)s, no row)",
    )
    events_key.add_arguments(parser)
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Print one JSON object a row."""
    for name in ("stream", "field", "key"):
        if getattr(options, name) is not None:
            arguments.text(f"--{name}", getattr(options, name))
    query = series.Query(
        **{name: getattr(options, name) for name in series.Query.__struct_fields__}
    )
    rows = _of_host(query, options) if options.folder is None else _of_folder(query, options)
    for row in rows:
        sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
    return ExitCode.OK


def _of_folder(query: series.Query, options: argparse.Namespace) -> list[dict[str, Any]]:
    if not options.folder.is_dir():
        raise MissingError(f"{options.folder}: no such folder; `polyvm run --events` makes one")
    store = open_store(Keeping(folder=options.folder, key=events_key.spec(options)))
    try:
        for lost in filter(None, map(losses, store.streams())):
            print(f"polyvm: {lost}", file=sys.stderr)
        return series.read(store, query)
    finally:
        store.close()


def _of_host(query: series.Query, options: argparse.Namespace) -> list[dict[str, Any]]:
    asked = {name: value for name, value in msgspec.to_builtins(query).items() if value is not None}
    return list(client.connect(options).get(f"/v1/series?{urlencode(asked)}")["series"])
