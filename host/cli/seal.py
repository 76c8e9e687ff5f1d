"""``polyvm seal FOLDER|BUNDLE... [-o OUT]``."""

from __future__ import annotations

import argparse
import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host.cli.pack import add_output
from polyvm.host.errors import ExitCode, KeyFileError, UsageError
from polyvm.host.sealing import keyring, keys
from polyvm.host.sealing.keyring import Keyring
from polyvm.host.sealing.keys import KeyKind
from polyvm.host.sealing.opener import open_sealed
from polyvm.host.sealing.sealer import seal
from polyvm.vm import info, protect_process

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polyvm.host.sealing.keys import PublicKey, PublisherKey

_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SEQUENCES = range(1, 2**63)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "sources",
        metavar="FOLDER|BUNDLE",
        type=Path,
        nargs="+",
        help="task folders, or plain bundles",
    )
    add_output(parser)
    parser.add_argument(
        "--for",
        dest="recipients",
        metavar="HOST",
        action="append",
        default=[],
        help="a host's .pub file, or the id of a known one; repeatable (default: every known "
        "host and the key folder's own)",
    )
    parser.add_argument(
        "--publisher-key",
        metavar="SPEC",
        help="PATH, env:NAME or cmd:COMMAND of a secret key (default: the key folder's newest)",
    )
    parser.add_argument("--keys", metavar="DIR", type=Path, help="the key folder")
    parser.add_argument(
        "--sequence",
        metavar="N",
        type=_sequence,
        help="what orders the bundles of a task, older to newer (default: milliseconds since 1970)",
    )
    parser.add_argument(
        "--expires",
        metavar="WHEN",
        type=_expiry,
        help="30d (also s, m, h, w), 2030-01-31T00:00Z, or never (default: never)",
    )
    parser.add_argument(
        "--strip", action="store_true", help="leave out docstrings and line numbers"
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Seal each and say where it is, and for whom."""
    several = len(options.sources) > 1
    if several and options.output is not None and not options.output.is_dir():
        raise UsageError(f"{options.output}: not a folder; several bundles need one to land in")
    protect_process()
    ring = Keyring(options.keys or keyring.default_folder())
    recipients = _recipients(ring, options.recipients)
    publisher = _publisher(ring, options.publisher_key)
    for source in options.sources:
        path = seal(
            source,
            options.output,
            publisher=publisher,
            recipients=recipients,
            magic=info().bytecode_magic,
            sequence=options.sequence,
            expires=options.expires,
            strip=options.strip,
        )
        with open_sealed(path) as sealed:
            print(
                f"{path} ({sealed.size:,} bytes), sequence {sealed.header.sequence}, for "
                + ", ".join(key.text for key in recipients)
            )
    return ExitCode.OK


def _publisher(ring: Keyring, spec: str | None) -> PublisherKey:
    if spec is not None:
        return keys.load_secret(spec, KeyKind.PUBLISHER)
    own = ring.publisher_keys()
    if not own:
        raise KeyFileError(
            f"{ring.folder}: holds no publisher's key to sign with; make one with `polyvm keygen "
            "publisher`, or name one with --publisher-key"
        )
    return own[0]


def _recipients(ring: Keyring, named: Iterable[str]) -> list[PublicKey]:
    known = {key.text: key for key in ring.known_hosts()}
    chosen = {key.text: key for key in (_recipient(name, known) for name in named)} or known
    if not chosen:
        raise KeyFileError(
            f"{ring.folder}: knows no host to encrypt for; add one with `polyvm keys trust "
            "HOST.pub`, or name one with --for"
        )
    return list(chosen.values())


def _recipient(name: str, known: dict[str, PublicKey]) -> PublicKey:
    if name in known:
        return known[name]
    path = Path(name)
    if not path.exists():
        raise KeyFileError(
            f"{name}: neither the file of a host's public key nor the id of a known host; see "
            "`polyvm keys list`"
        )
    key = keyring.read_public(path)
    if key.kind is not KeyKind.HOST:
        raise KeyFileError(f"{name}: a publisher's key; bundles are encrypted for hosts")
    return key


def _sequence(text: str) -> int:
    if not text.isdecimal() or int(text) not in _SEQUENCES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_SEQUENCES[-1]}")
    return int(text)


def _expiry(text: str) -> int | None:
    if text == "never":
        return None
    if span := _SPAN.fullmatch(text):
        return int(time.time()) + int(span[1]) * _SECONDS[span[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a span such as 30d, nor a time such as 2030-01-31T00:00Z, nor "
            "never"
        ) from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} names no time zone; end it with Z for UTC")
    if moment.timestamp() <= time.time():
        raise argparse.ArgumentTypeError(f"{text!r} is over already")
    return int(moment.timestamp())
