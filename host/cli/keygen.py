"""``polyvm keygen publisher|host|events``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host.cli.keys import comment, print_made
from polyvm.host.errors import ExitCode
from polyvm.host.sealing import events_key, keyring
from polyvm.host.sealing.keys import KeyKind
from polyvm.vm import protect_process

if TYPE_CHECKING:
    import argparse

_NEXT = {
    KeyKind.PUBLISHER: "give the .pub file to hosts, which take it with `polyvm keys trust`",
    KeyKind.HOST: "give the .pub file to publishers, who take it with `polyvm keys trust`",
}

_EVENTS = "events"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "kind",
        choices=[*(kind.value for kind in KeyKind), _EVENTS],
        help="publishers sign bundles, hosts decrypt them; events: what seals sensitive streams",
    )
    parser.add_argument("--keys", metavar="DIR", type=Path, help="the key folder")
    parser.add_argument(
        "--comment", metavar="TEXT", type=comment, default="", help="whose key it is, for people"
    )
    parser.add_argument(
        "--if-missing", action="store_true", help="make none if the folder has one of its own"
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Make a key pair and say where it is and what to do with it."""
    protect_process()
    folder = options.keys or keyring.default_folder()
    if options.kind == _EVENTS:
        return _make_events_key(folder, options)
    kind = KeyKind(options.kind)
    ring = keyring.Keyring(folder)
    if options.if_missing:
        for entry in ring.entries():
            if entry.kind is kind and "own" in entry.roles and "revoked" not in entry.roles:
                print(f"{kind} {entry.id.hex()} is there already")
                return ExitCode.OK
    secret, public = ring.generate(kind, options.comment)
    print_made(secret, public)
    print(_NEXT[kind])
    return ExitCode.OK


def _make_events_key(folder: Path, options: argparse.Namespace) -> ExitCode:
    if options.if_missing and (there := events_key.kept(folder)):
        print(f"{_EVENTS} {there[0].stem.partition('-')[2]} is there already")
        return ExitCode.OK
    key = events_key.generate(options.comment)
    try:
        path = events_key.keep(key, folder)
        print(f"{_EVENTS} {key.text}")
    finally:
        key.wipe()
    print(f"secret  {path} (keep it to yourself, and a copy of it: without it events are lost)")
    print(f"name it with `polyvm run --events-key`, or in {events_key.VARIABLE}")
    return ExitCode.OK
