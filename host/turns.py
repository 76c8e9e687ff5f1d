"""Batches of events run side by side; who must not meet one in the middle waits for its turn."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator


class Turns:
    """Batches of events that are in C, without the lock, and who waits until there is none.

    What a batch starts is counted when it is back. So versions change, and completions are
    counted, alone: an invocation would otherwise end before it was seen to begin.
    """

    def __init__(self, changed: threading.Condition) -> None:
        """Take the condition whose lock guards what batches start; it is told of every turn."""
        self._changed = changed
        self._batches = 0
        self._waiting = 0  # who wants to be alone

    def begin_batch(self) -> None:
        """Let a batch begin, after those that wait to be alone. With the lock."""
        if self._waiting:
            self._changed.wait_for(lambda: self._waiting == 0)
        self._batches += 1

    def end_batch(self) -> None:
        """End a batch, with the lock; before it goes, what the batch started is to be counted."""
        self._batches -= 1
        if self._waiting:
            self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock while no batch is under way; those that come now wait."""
        with self._changed:
            self._waiting += 1
            if self._batches:
                self._changed.wait_for(lambda: self._batches == 0)
            self._waiting -= 1
            try:
                yield
            finally:
                self._changed.notify_all()
