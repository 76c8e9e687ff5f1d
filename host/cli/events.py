"""``polyvm events DIR``, or of a running host: what was kept, as JSON lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from polyvm.host.api import client
from polyvm.host.errors import ExitCode, MissingError, UsageError
from polyvm.host.event_store import Keeping, Query, losses, open_store, read

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

_AT_ONCE = 10_000  # events in memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "folder",
        metavar="DIR",
        type=Path,
        nargs="?",
        help="as given to `polyvm run --events`, when that has ended (default: ask a running host)",
    )
    parser.add_argument("--streams", action="store_true", help="list the streams instead")
    parser.add_argument("--stream", default="events", help="which stream (default: %(default)s)")
    parser.add_argument("--key", help="the events of this key, the latest first")
    parser.add_argument("--from", dest="since", type=float, help="seconds since the epoch")
    parser.add_argument("--until", type=float, help="seconds since the epoch, not included")
    parser.add_argument(
        "--after", metavar="NUMBER", type=int, default=0, help="those behind this one"
    )
    parser.add_argument("--most", metavar="N", type=int, help="no more than so many")
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Print one JSON object a line."""
    if options.most is not None and options.most < 1:
        raise UsageError(f"--most is 1 or more, not {options.most}")
    write = sys.stdout.buffer.write
    for each in _of_host(options) if options.folder is None else _of_folder(options):
        write(msgspec.json.encode(each) + b"\n")
    return ExitCode.OK


def _query(options: argparse.Namespace, sequence: int, most: int) -> Query:
    until_ns = 2**63 - 1 if options.since is not None else 0
    if options.until is not None:
        until_ns = int(options.until * 1e9)
    return Query(
        stream=options.stream,
        key=options.key,
        from_ns=int((options.since or 0) * 1e9),
        until_ns=until_ns,
        sequence=sequence,
        most=most,
    )


def _of_folder(options: argparse.Namespace) -> Iterable[Any]:
    if not options.folder.is_dir():
        raise MissingError(f"{options.folder}: no such folder; `polyvm run --events` makes one")
    store = open_store(Keeping(folder=options.folder))
    try:
        for lost in filter(None, map(losses, store.streams())):
            print(f"polyvm: {lost}", file=sys.stderr)
        if options.streams:
            yield from map(msgspec.to_builtins, store.streams())
            return
        left, sequence = options.most or 2**63, options.after + 1
        by_number = options.key is None and options.until is None and options.since is None
        while left > 0:
            most = min(left, _AT_ONCE) if by_number else left
            found = read(store, _query(options, sequence, most))
            yield from (one._asdict() for one in found)
            if not by_number or len(found) < most:
                return
            left -= len(found)
            sequence = found[-1].sequence + 1
    finally:
        store.close()


def _of_host(options: argparse.Namespace) -> Iterable[Any]:
    host = client.connect(options)
    if options.streams:
        return list(host.get("/v1/streams")["streams"])
    query = _query(options, options.after + 1, options.most or _AT_ONCE)
    asked = {name: value for name, value in msgspec.to_builtins(query).items() if value is not None}
    return list(host.get(f"/v1/events?{urlencode(asked)}")["events"])
