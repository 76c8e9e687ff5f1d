"""A process's way to the host's store: it asks on a socket of its own, a thread here answers.

So what takes long, such as a disk that is waited for, holds up nobody else, and whatever the
process does in the middle of a question, to end included, ends its own thread alone.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import msgspec

from polyvm.host import store_requests
from polyvm.host.store_requests import Refused

if TYPE_CHECKING:
    from polyvm.host.store_requests import Answer
    from polyvm.host.store_server import StoreServer


class StoreLine:
    """The host's end. `theirs` is for the process; it asks until one of the two closes."""

    def __init__(self, store: StoreServer, task: str) -> None:
        self._store = store
        self._task = task
        self.depth = 0  # how many tasks in a row appended what started the run that is on
        self._ours, self.theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name=f"store {task}", daemon=True)

    def begin(self) -> None:
        """Answer, from when the process has its end."""
        self.theirs.close()
        self._thread.start()

    def close(self) -> None:
        """Answer nothing more. What is being answered is finished: see `join`."""
        self.theirs.close()
        if self._thread.ident is None:
            self._ours.close()
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        """Wait until nothing uses the store any more, after `close`."""
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def over(self) -> bool:
        """Whether `join` would not wait."""
        return not self._thread.is_alive()

    def _serve(self) -> None:
        with self._ours, contextlib.suppress(OSError, ValueError, msgspec.DecodeError):
            while (request := store_requests.read_request(self._ours.recv)) is not None:
                answer = self._store.answer(request, self._task, self.depth)
                self._ours.sendall(_packed(answer))


def _packed(answer: Answer) -> bytes:
    try:
        return store_requests.pack(answer)
    except ValueError as error:
        return store_requests.pack(Refused("MemoryError", f"the answer is too long: {error}"))
