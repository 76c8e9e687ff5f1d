"""The options of `polyvm run` that open the host to requests, and the access they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host.api.access import Access, parse_address

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("requests")
    group.add_argument(
        "--socket", metavar="PATH", type=Path, help="serve the API at a Unix socket, for this user"
    )
    group.add_argument(
        "--listen", metavar="ADDRESS:PORT", help="serve the API over TCP, for every local user"
    )
    group.add_argument(
        "--listen-anywhere",
        action="store_true",
        help="let --listen take an address that other machines reach; there is no password",
    )
    group.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name by which clients reach --listen, beside localhost and addresses; repeatable",
    )
    group.add_argument(
        "--switches", metavar="FILE.toml", type=Path, help="tasks and lanes that are off; watched"
    )


def access(options: argparse.Namespace) -> Access:
    """Return what the options say."""
    return Access(
        address=parse_address(options.listen, anywhere=options.listen_anywhere)
        if options.listen is not None
        else None,
        socket=options.socket,
        names=frozenset(name.lower() for name in options.allow_host),
    )
