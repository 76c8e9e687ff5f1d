"""``polyvm features``: the feature tables of a running host."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from polyvm.host.api import client
from polyvm.host.cli import arguments
from polyvm.host.errors import ExitCode, UsageError
from polyvm.host.features import Given
from polyvm.host.lines import MAX_LINE_BYTES, OverlongLine, read_lines
from polyvm.vm import LATEST

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_AT_ONCE = 1 << 20  # bytes of lines in a request
_WORDS = {
    "list": "",
    "get": "TABLE KEY",
    "history": "TABLE KEY",
    "scan": "TABLE",
    "put": "TABLE KEY JSON",
    "remove": "TABLE KEY",
    "load": "TABLE FILE",
}


_NAMED = frozenset({"TABLE", "KEY"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "words",
        metavar="WORD",
        nargs="*",
        help="what to do: " + "; ".join(f"{word} {rest}".strip() for word, rest in _WORDS.items()),
    )
    parser.add_argument(
        "--at",
        metavar="SECONDS",
        type=float,
        help="since the epoch: read what was valid then, or write what is from then on "
        "(default: the latest row; now)",
    )
    parser.add_argument(
        "--merge",
        action="store_true",
        help="features that are not named are taken over from the row that was valid",
    )
    parser.add_argument("--most", metavar="N", type=int, help="scan: no more than so many")
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Print one JSON object a line, or how many rows were put."""
    word, *names = options.words or ["list"]
    if word not in _WORDS or len(names) != len(_WORDS[word].split()):
        usage = "; ".join(f"{word} {rest}".strip() for word, rest in _WORDS.items())
        raise UsageError(f"write one of: {usage}")
    for what, name in zip(_WORDS[word].split(), names, strict=True):
        arguments.text(what, name)
        if what in _NAMED and not name:
            raise UsageError(f"{what} has no name")
    at_ns = arguments.nanoseconds("--at", options.at)
    if options.most is not None:
        arguments.number("--most", options.most)
    host = client.connect(options)
    reading = urlencode({"at_ns": at_ns if at_ns is not None else LATEST})
    writing = {"merge": str(options.merge).lower()}
    match word, names:
        case "list", []:
            _print(host.get("/v1/features")["tables"])
        case "get", [table, key]:
            _print([host.get(f"{_place(table, key)}?{reading}")])
        case "history", [table, key]:
            _print(host.get(f"{_place(table, key)}?history=true")["rows"])
        case "scan", [table]:
            most = f"&most={options.most}" if options.most is not None else ""
            _print(host.get(f"{_place(table)}?{reading}{most}")["rows"])
        case "put", [table, key, text]:
            row = {"key": key, "time_ns": at_ns, "values": _values(text)}
            body = msgspec.json.encode([row])
            host.send(f"{_place(table)}?{urlencode(writing)}", body, "application/json")
        case "remove", [table, key]:
            body = msgspec.json.encode([{"key": key, "time_ns": at_ns, "values": None}])
            host.send(_place(table), body, "application/json")
        case "load", [table, file]:
            if at_ns is not None:
                raise UsageError("each line of a file has its own time_ns; leave --at out")
            put = 0
            for body in _bodies(file):
                target = f"{_place(table)}?{urlencode(writing)}"
                put += host.send(target, body, "application/x-ndjson")["put"]
            print(f"{put:,} rows")
    return ExitCode.OK


def _place(*names: str) -> str:
    return "/".join(["/v1/features", *(quote(name, safe="") for name in names)])


def _values(text: str) -> Any:
    try:
        values = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise UsageError(f"the values are no JSON: {error}") from None
    if not isinstance(values, dict):
        raise UsageError("the values are a JSON object, such as '{\"clicks\": 3}'")
    return values


def _print(rows: list[Any]) -> None:
    for row in rows:
        sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")


def _bodies(file: str) -> Iterator[bytes]:
    """Lines of a file in parts, each of them checked, so that an error names its line."""
    decoder = msgspec.json.Decoder(Given)
    part = bytearray()
    for number, line in enumerate(read_lines(file, threading.Event()), 1):
        if isinstance(line, OverlongLine):
            raise UsageError(f"{file}:{number}: the line is longer than {MAX_LINE_BYTES} bytes")
        if not line.strip():
            continue
        try:
            decoder.decode(line)
        except msgspec.DecodeError as error:
            raise UsageError(f"{file}:{number}: no row: {error}") from None
        if part and len(part) + len(line) >= _AT_ONCE:
            yield bytes(part)
            part.clear()
        part += line + b"\n"
    if part:
        yield bytes(part)
