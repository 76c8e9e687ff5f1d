"""Asks a running host at its Unix socket, for the commands."""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.host.errors import HostUnreachableError, UsageError

if TYPE_CHECKING:
    import argparse

VARIABLE = "POLYVM_SOCKET"
_TIMEOUT = 30.0  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--socket``."""
    parser.add_argument(
        "--socket",
        metavar="PATH",
        type=Path,
        help=f"where `polyvm run --socket PATH` listens (default: ${VARIABLE})",
    )


def connect(options: argparse.Namespace) -> HostClient:
    """Return a client of the host that the options name."""
    path = options.socket or os.environ.get(VARIABLE)
    if not path:
        raise UsageError(
            f"which host? name the socket of one that runs with --socket, or set {VARIABLE}"
        )
    return HostClient(Path(path))


class HostClient:
    """One host. Each request has a connection of its own, so that a restart of it is no matter."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, target: str) -> Any:
        """Return what the host answers. Raises HostUnreachableError."""
        return self._ask("GET", target)

    def post(self, target: str) -> Any:
        """Have it done, and return the answer. Raises HostUnreachableError."""
        return self._ask("POST", target)

    def _ask(self, method: str, target: str) -> Any:
        connection = _UnixConnection(self._path)
        try:
            connection.request(method, target)
            response = connection.getresponse()
            answer = msgspec.json.decode(response.read())
        except OSError as error:
            reason = error.strerror or str(error)
            raise HostUnreachableError(
                f"{self._path}: no host answers: {reason}; start one with `polyvm run TASKS "
                f"--socket {self._path}`"
            ) from None
        except (http.client.HTTPException, msgspec.DecodeError):
            raise HostUnreachableError(f"{self._path}: what answers there is no host") from None
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise HostUnreachableError(f"{self._path}: {answer['error']}")
        return answer


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
