"""Where the API listens, and whose requests it hears.

Over TCP it must not be driven by a page in a browser on the same machine. A page of another site
gives itself away by an Origin or Sec-Fetch-Site header; one whose own name was made to point here
(DNS rebinding), by a Host that is that name. So a Host must be an address, which no page of
another site can be served from, or a name that is this machine's.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyvm.host.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PORTS = range(65536)
_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:\[\]]*)(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What `polyvm run` was told. Nothing of it: no API."""

    address: tuple[str, int] | None = None  # an IP address and a port, 0 for any free one
    socket: Path | None = None
    names: frozenset[str] = frozenset()  # further names that requests over TCP may use

    def __bool__(self) -> bool:
        return self.address is not None or self.socket is not None


def parse_address(text: str, *, anywhere: bool) -> tuple[str, int]:
    """Read ``ADDRESS:PORT``, the address an IP address or localhost.

    Raises UsageError, also for one that other machines can reach unless ``anywhere``.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) not in _PORTS:
        raise UsageError(f"--listen {text}: not ADDRESS:PORT, such as 127.0.0.1:8080")
    name = host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address("127.0.0.1" if name == "localhost" else name)
    except ValueError:
        raise UsageError(f"--listen {text}: {host!r} is no IP address, nor localhost") from None
    if not address.is_loopback and not anywhere:
        raise UsageError(
            f"--listen {text}: other machines can reach that, and there is no password; use "
            "127.0.0.1, or add --listen-anywhere"
        )
    return str(address), int(port)


def objection(access: Access, headers: Mapping[str, str], *, tcp: bool) -> str | None:
    """Return why a request must not be heard."""
    if "Origin" in headers or headers.get("Sec-Fetch-Site", "none") != "none":
        return "requests of web pages are refused"
    if not tcp:
        return None
    host = headers.get("Host", "")
    if not _is_ours(access, host):
        return (
            f"the Host header {host[:100]!r} is not localhost, nor an address, nor a name given "
            "with --allow-host"
        )
    return None


def _is_ours(access: Access, host: str) -> bool:
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].lower().removesuffix(".")
    if name in {"localhost", *access.names}:
        return True
    try:
        address = ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return name == socket.gethostname().lower() and not _is_loopback(access)
    return address.is_loopback or not _is_loopback(access)


def _is_loopback(access: Access) -> bool:
    return access.address is not None and ipaddress.ip_address(access.address[0]).is_loopback
