"""The sockets that the API listens on, opened before anything else is started."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

from polyvm.host.errors import ListenError

if TYPE_CHECKING:
    from pathlib import Path

_BACKLOG = 128
_OWNER_ONLY = 0o600


def open_tcp(host: str, port: int) -> socket.socket:
    """Listen at an IP address. Raises ListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ListenError(
            f"cannot listen at {host}:{port}: {error.strerror}; choose another --listen"
        ) from None


class UnixSocket:
    """A listening socket in the file system that only its owner, and root, can connect to.

    One that a dead process left there is replaced; one that is listened on is not.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _remove_dead(path)
            # Its mode becomes the file's at the bind, so that at no time others can connect.
            os.fchmod(self.socket.fileno(), _OWNER_ONLY)
            self.socket.bind(str(path))
            path.chmod(_OWNER_ONLY)
            self.socket.listen(_BACKLOG)
        except OSError as error:
            self.socket.close()
            reason = error.strerror or str(error)
            raise ListenError(
                f"cannot listen at {path}: {reason}; choose another --socket"
            ) from None
        except ListenError:
            self.socket.close()
            raise
        self._inode = path.stat().st_ino

    def remove(self) -> None:
        """Take it out of the file system, unless another has come in its place."""
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()


def _remove_dead(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ListenError(f"{path} is there and is no socket; choose another --socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise ListenError(f"{path}: a host listens there already; choose another --socket")
