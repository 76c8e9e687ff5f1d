"""``polyvm keygen publisher|host``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host.cli.keys import comment, print_made
from polyvm.host.errors import ExitCode
from polyvm.host.sealing import keyring
from polyvm.host.sealing.keys import KeyKind
from polyvm.vm import protect_process

if TYPE_CHECKING:
    import argparse

_NEXT = {
    KeyKind.PUBLISHER: "give the .pub file to hosts, which take it with `polyvm keys trust`",
    KeyKind.HOST: "give the .pub file to publishers, who take it with `polyvm keys trust`",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "kind",
        choices=[kind.value for kind in KeyKind],
        help="publishers sign bundles, hosts decrypt them",
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
    kind = KeyKind(options.kind)
    ring = keyring.Keyring(options.keys or keyring.default_folder())
    if options.if_missing:
        for entry in ring.entries():
            if entry.kind is kind and "own" in entry.roles and "revoked" not in entry.roles:
                print(f"{kind} {entry.id.hex()} is there already")
                return ExitCode.OK
    secret, public = ring.generate(kind, options.comment)
    print_made(secret, public)
    print(_NEXT[kind])
    return ExitCode.OK
