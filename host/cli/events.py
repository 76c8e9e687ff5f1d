"""``polyvm events DIR``, or of a running host: what was kept, as JSON lines.

``polyvm events append FILE`` hands events to a running host. ``polyvm events rekey DIR`` gives
sealed streams another key, ``polyvm events seal DIR STREAM`` seals streams that were kept plain.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from polyvm.host import codec, event_files
from polyvm.host.api import client
from polyvm.host.cli import arguments, events_key
from polyvm.host.errors import ExitCode, MissingError, UsageError
from polyvm.host.event_store import (
    Keeping,
    Query,
    change_key,
    losses,
    open_store,
    read,
    seal_plain,
)
from polyvm.host.streams import DEAD, STREAM

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

_AT_ONCE = 10_000  # events in memory
_COUNTED = ("events", "duplicates", "dead", "fired", "refused")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "places",
        metavar="DIR | append FILE | rekey DIR | seal DIR STREAM...",
        nargs="*",
        help="as given to `polyvm run --events`, when that has ended (default: ask a running "
        "host); append: hand the events of a file to a host, JSON lines, .gz of them, .parquet or "
        ".arrow; - is stdin; rekey: sealed streams get the key --new-key; seal: streams that were "
        "kept plain are sealed with --events-key",
    )
    parser.add_argument("--streams", action="store_true", help="list the streams instead")
    parser.add_argument(
        "--stream",
        help=f"which stream (default: {STREAM}); append: that of events that name none",
    )
    parser.add_argument(
        "--dead", action="store_true", help="events that were refused, with the reason"
    )
    parser.add_argument("--key", help="the events of this key, the latest first")
    parser.add_argument("--from", dest="since", type=float, help="seconds since the epoch")
    parser.add_argument("--until", type=float, help="seconds since the epoch, not included")
    parser.add_argument(
        "--after", metavar="NUMBER", type=int, default=0, help="those behind this one"
    )
    parser.add_argument("--most", metavar="N", type=int, help="no more than so many")
    events_key.add_arguments(parser)
    parser.add_argument("--new-key", metavar="SPEC", help="rekey: the key to change to")
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Print one JSON object a line."""
    _check(options)
    match options.places:
        case ["append", file]:
            return _append(options, file)
        case ["rekey", folder]:
            return _change_key(options, Path(folder))
        case ["seal", folder, _, *_]:
            return _seal(options, Path(folder), options.places[2:])
        case [folder] if folder not in {"append", "rekey", "seal"}:
            found = _of_folder(options, Path(folder))
        case []:
            found = _of_host(options)
        case _:
            raise UsageError(
                "name one folder, or append and one file, or rekey and one folder, or seal, one "
                "folder and its streams"
            )
    write = sys.stdout.buffer.write
    for each in found:
        write(msgspec.json.encode(each, enc_hook=codec.as_json) + b"\n")
    return ExitCode.OK


def _check(options: argparse.Namespace) -> None:
    if options.most is not None:
        arguments.number("--most", options.most, least=1)
    arguments.number("--after", options.after)
    for name in ("stream", "key"):
        if getattr(options, name) is not None:
            arguments.text(f"--{name}", getattr(options, name))


def _change_key(options: argparse.Namespace, folder: Path) -> ExitCode:
    old = events_key.spec(options)
    if old is None or options.new_key is None:
        raise UsageError("rekey needs the key of now, --events-key, and the next one, --new-key")
    _check_folder(folder)
    print(f"{change_key(folder, old, options.new_key):,} segments have the new key")
    return ExitCode.OK


def _seal(options: argparse.Namespace, folder: Path, streams: list[str]) -> ExitCode:
    key = events_key.spec(options)
    if key is None:
        raise UsageError("seal needs the key to seal with, --events-key")
    _check_folder(folder)
    for stream in streams:
        sealed = seal_plain(folder, stream, key)
        print(
            f"{stream}: {sealed:,} events are sealed"
            if sealed is not None
            else f"{stream}: it was sealed already"
        )
    return ExitCode.OK


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise MissingError(f"{folder}: no such folder; `polyvm run --events` makes one")


def _append(options: argparse.Namespace, file: str) -> ExitCode:
    host = client.connect(options)
    target = (
        f"/v1/events?{urlencode({'stream': options.stream})}" if options.stream else "/v1/events"
    )
    total: Counter[str] = Counter()
    for body, content_type in event_files.bodies(file):
        answer = host.send(target, body, content_type)
        total.update({what: answer[what] for what in ("events", "duplicates", "dead", "fired")})
        total["refused"] += len(answer["refused"])
    print(", ".join(f"{total[what]:,} {what}" for what in _COUNTED))
    return ExitCode.PARTIAL if total["dead"] or total["refused"] else ExitCode.OK


def _query(options: argparse.Namespace, sequence: int, most: int) -> Query:
    since_ns = arguments.nanoseconds("--from", options.since)
    until_ns = arguments.nanoseconds("--until", options.until)
    if until_ns is None:
        until_ns = 2**63 - 1 if since_ns is not None else 0
    return Query(
        stream=DEAD if options.dead else options.stream or STREAM,
        key=options.key,
        from_ns=since_ns or 0,
        until_ns=until_ns,
        sequence=sequence,
        most=most,
    )


def _of_folder(options: argparse.Namespace, folder: Path) -> Iterable[Any]:
    _check_folder(folder)
    store = open_store(Keeping(folder=folder, key=events_key.spec(options)))
    try:
        for lost in filter(None, map(losses, store.streams())):
            print(f"polyvm: {lost}", file=sys.stderr)
        if options.streams:
            yield from map(msgspec.to_builtins, store.streams())
            return
        if options.dead and all(each.name != DEAD for each in store.streams()):
            return  # nothing was ever refused
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
    if options.streams or options.dead:
        streams = list(host.get("/v1/streams")["streams"])
        if options.streams:
            return streams
        if all(each["name"] != DEAD for each in streams):
            return []  # nothing was ever refused
    query = _query(options, options.after + 1, options.most or _AT_ONCE)
    asked = {name: value for name, value in msgspec.to_builtins(query).items() if value is not None}
    return list(host.get(f"/v1/events?{urlencode(asked)}")["events"])
