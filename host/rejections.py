"""The log of input lines that tasks do not take: the first of a kind, then sums.

A task that rests or is over its rate may refuse thousands of lines a second. Each has its line in
the results; the log has one for the task and the reason, and while it goes on, one every few
seconds.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyvm.host import log

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = 10.0  # seconds between two sums of one kind


@dataclass(slots=True)
class _Kind:
    since: float
    more: int = 0
    reason: str = ""


class RejectionLog:
    """Every method is for any thread. ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, type[Exception]], _Kind] = {}  # by task and error
        self._log = log.get()

    def note(self, line: int, task: str, error: Exception) -> None:
        """Tell of one, at once or in the next sum of its task and kind of error."""
        with self._lock:
            kind = self._kinds.get((task, type(error)))
            if kind is not None:
                kind.more += 1
                kind.reason = str(error)
                return
            self._kinds[task, type(error)] = _Kind(self._clock())
        self._log.error("invocation rejected", task=task, line=line, reason=str(error))

    def look(self) -> None:
        """Write the sums that are due; call it every now and then."""
        self._sum_up(self._clock() - EVERY)

    def close(self) -> None:
        """Write what has not been told yet."""
        self._sum_up(self._clock())

    def _sum_up(self, until: float) -> None:
        now = self._clock()
        told = []
        with self._lock:
            for key, kind in list(self._kinds.items()):
                if kind.since > until:
                    continue
                if kind.more:
                    told.append((key[0], kind.more, now - kind.since, kind.reason))
                    self._kinds[key] = _Kind(now)
                else:
                    del self._kinds[key]  # it is over: the next one is told at once
        for task, more, seconds, reason in told:
            self._log.error(
                f"{more:,} more rejected in {seconds:.0f} s", task=task, latest_reason=reason
            )
