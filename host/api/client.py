"""Asks a running host at its Unix socket or its address, for the commands."""

from __future__ import annotations

import http.client
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from polyvm.host.errors import HostUnreachableError, UsageError

if TYPE_CHECKING:
    import argparse

VARIABLE = "POLYVM_SOCKET"
_TIMEOUT = 30.0  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--socket`` and ``--url``."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--socket",
        metavar="PATH",
        type=Path,
        help=f"where `polyvm run --socket PATH` listens (default: ${VARIABLE})",
    )
    where.add_argument(
        "--url",
        metavar="http://ADDRESS:PORT",
        help="where `polyvm run --listen ADDRESS:PORT` listens",
    )


def connect(options: argparse.Namespace) -> HostClient:
    """Return a client of the host that the options name. Raises UsageError."""
    if options.url is not None:
        return HostClient(options.url, *_address(options.url))
    path = options.socket or os.environ.get(VARIABLE)
    if not path:
        raise UsageError(
            f"which host? name the socket of one that runs with --socket, or set {VARIABLE}"
        )
    return HostClient(str(path))


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    bare = not parts.query and not parts.fragment and parts.path in {"", "/"}
    if parts.scheme != "http" or not host or port is None or not bare:
        raise UsageError(f"--url {url}: not http://ADDRESS:PORT, such as http://127.0.0.1:8080")
    return host, port


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a decoded body; ``retry`` if the host says that it is worth coming back."""

    status: int
    body: dict[str, Any]
    retry: bool


class HostClient:
    """One host. Each request has a connection of its own, so that a restart of it is no matter."""

    def __init__(self, place: str, host: str | None = None, port: int = 0) -> None:
        """``place``: the path of its socket, or what to call the ``host`` and ``port`` by."""
        self._place = place
        self._host = host
        self._port = port

    def get(self, target: str) -> Any:
        """Return what the host answers. Raises HostUnreachableError."""
        return self._agreed("GET", target)

    def send(self, target: str, body: bytes, content_type: str) -> Any:
        """Hand a body over, and return the answer. Raises HostUnreachableError."""
        return self._agreed("POST", target, body, content_type)

    def post(self, target: str) -> Any:
        """Have it done, and return the answer. Raises HostUnreachableError."""
        return self._agreed("POST", target)

    def delete(self, target: str) -> Any:
        """Have it ended, and return the answer. Raises HostUnreachableError."""
        return self._agreed("DELETE", target)

    def run(self, task: str, payload: bytes, parameters: dict[str, str]) -> Answer:
        """Run a task on JSON, and wait for as long as it takes. Raises HostUnreachableError.

        Should this process end meanwhile, the host cancels the invocation.
        """
        query = urlencode({**parameters, "hangup": "cancel"})
        target = f"/v1/tasks/{quote(task, safe='')}:run?{query}"
        return self._ask("POST", target, payload, timeout=None)

    def _agreed(
        self, method: str, target: str, body: bytes | None = None, content_type: str = ""
    ) -> Any:
        answer = self._ask(method, target, body, content_type=content_type)
        if answer.status not in {http.HTTPStatus.OK, http.HTTPStatus.ACCEPTED}:
            raise HostUnreachableError(f"{self._place}: {answer.body['error']}")
        return answer.body

    def _ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        timeout: float | None = _TIMEOUT,
        content_type: str = "",
    ) -> Answer:
        headers = {"Content-Type": content_type} if content_type else {}
        connection = (
            http.client.HTTPConnection(self._host, self._port, timeout=timeout)
            if self._host is not None
            else _UnixConnection(Path(self._place), timeout)
        )
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            answer = msgspec.json.decode(response.read(), type=dict[str, Any])
        except OSError as error:
            reason = error.strerror or str(error)
            raise HostUnreachableError(
                f"{self._place}: no host answers: {reason}; start one with `polyvm run TASKS "
                f"{'--listen ADDRESS:PORT' if self._host else '--socket ' + self._place}`"
            ) from None
        except (http.client.HTTPException, msgspec.DecodeError):
            raise HostUnreachableError(f"{self._place}: what answers there is no host") from None
        finally:
            connection.close()
        return Answer(response.status, answer, "Retry-After" in response.headers)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
