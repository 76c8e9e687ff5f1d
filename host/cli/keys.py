"""``polyvm keys list | trust | revoke | rotate``."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path

from polyvm.host.errors import ExitCode, UsageError
from polyvm.host.sealing import keyring
from polyvm.host.sealing.keys import MAX_COMMENT, KeyKind, is_comment
from polyvm.vm import protect_process

_ID = re.compile(r"[0-9a-f]{16}")


def comment(text: str) -> str:
    """Check the type of an argument that goes into a key file."""
    if not is_comment(text):
        raise argparse.ArgumentTypeError(f"not up to {MAX_COMMENT} printable characters")
    return text


def print_made(secret: Path, public: Path) -> None:
    """Tell of a new key pair."""
    kind, _, text = secret.stem.partition("-")
    print(f"{kind} {text}")
    print(f"secret  {secret} (keep it to yourself)")
    print(f"public  {public}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--keys", metavar="DIR", type=Path, help="the key folder")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    action = actions.add_parser("list", parents=[folder], help="tell which keys are known")
    action.add_argument("--json", action="store_true", help="one JSON list, for programs")
    action.set_defaults(act=_list)

    action = actions.add_parser(
        "trust", parents=[folder], help="run a publisher's tasks; seal for a host"
    )
    action.add_argument("files", metavar="FILE", type=Path, nargs="+", help="a .pub file")
    action.add_argument(
        "--endorsed",
        action="store_true",
        help="only if a publisher that is trusted already vouches for the key",
    )
    action.set_defaults(act=_trust)

    action = actions.add_parser("revoke", parents=[folder], help="run a publisher's tasks no more")
    action.add_argument("key", metavar="ID|FILE", help="the publisher's id, or its .pub file")
    action.add_argument(
        "--reason", metavar="TEXT", type=comment, default="", help="why, for people"
    )
    action.set_defaults(act=_revoke)

    action = actions.add_parser("rotate", parents=[folder], help="make the next own key")
    action.add_argument("kind", choices=[kind.value for kind in KeyKind])
    action.add_argument(
        "--comment", metavar="TEXT", type=comment, default="", help="whose key it is, for people"
    )
    action.set_defaults(act=_rotate)


def run(options: argparse.Namespace) -> ExitCode:
    """Do what the action says."""
    options.act(keyring.Keyring(options.keys or keyring.default_folder()), options)
    return ExitCode.OK


def _list(ring: keyring.Keyring, options: argparse.Namespace) -> None:
    entries = ring.entries()
    if options.json:
        rows = [
            {
                "kind": entry.kind,
                "id": entry.id.hex(),
                "roles": entry.roles,
                "comment": entry.comment,
            }
            for entry in entries
        ]
        print(json.dumps(rows, indent=2))
    elif not entries:
        print(f"no keys in {ring.folder}; make one with `polyvm keygen`")
    else:
        cells = [
            (entry.kind.value, entry.id.hex(), ", ".join(entry.roles), entry.comment)
            for entry in entries
        ]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
            print("  ".join(padded).rstrip())


def _trust(ring: keyring.Keyring, options: argparse.Namespace) -> None:
    for file in options.files:
        key, path = ring.trust(file, endorsed=options.endorsed)
        done = "trusted" if key.kind is KeyKind.PUBLISHER else "known"
        print(f"{key.kind} {key.text} is {done} now ({path})")


def _revoke(ring: keyring.Keyring, options: argparse.Namespace) -> None:
    if _ID.fullmatch(options.key):
        publisher, kind = bytes.fromhex(options.key), KeyKind.PUBLISHER
        if ring.knows(KeyKind.HOST, publisher):
            kind = KeyKind.HOST
    else:
        key = keyring.read_public(Path(options.key))
        publisher, kind = key.id, key.kind
    if kind is KeyKind.HOST:
        raise UsageError(
            f"{options.key} is a host's key, and only publishers are revoked; to seal for that "
            f"host no more, delete host-{publisher.hex()}.pub from {ring.folder / 'known-hosts'}"
        )
    path = ring.revoke(publisher, options.reason)
    print(f"publisher {publisher.hex()} is revoked; to undo it, delete {path}")
    if not ring.knows(kind, publisher):
        print("no key of that id is known here: see that the id is right")


def _rotate(ring: keyring.Keyring, options: argparse.Namespace) -> None:
    protect_process()
    kind = KeyKind(options.kind)
    secret, public = ring.rotate(kind, options.comment)
    print_made(secret, public)
    if kind is KeyKind.PUBLISHER:
        quoted = shlex.quote(public.name)
        print("give the .pub file to hosts that trust the old key; there, before the next bundle:")
        print(f"  polyvm keys trust --endorsed {quoted}")
        print("once all have it, revoke the old key there and delete its .key file here")
    else:
        print("give the .pub file to publishers, who take it with `polyvm keys trust` and delete")
        print("the old one from their known-hosts; keep the old .key file here as long as bundles")
        print("that are sealed for it are in use")
