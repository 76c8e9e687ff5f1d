"""The thread that makes timers fire, and hands out what has waited in counters."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from polyvm.host.invocations import reason
from polyvm.host.switches import Disabled, Paused
from polyvm.vm import QueueFull, VmError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from polyvm.host.event_report import Start
    from polyvm.host.registry import Registry

_RETRY_S = 0.05  # what found no place, or a paused task
_MOST_LATE = 10_000  # of these; beyond that the oldest is given up


class Ticker:
    """Drives the triggers of one registry by time. `run` is for a thread of its own."""

    def __init__(
        self, registry: Registry, stopping: threading.Event, cancelled: threading.Event
    ) -> None:
        self._registry = registry
        self._stopping = stopping
        self._cancelled = cancelled
        self._late: deque[Start] = deque()  # of counters: what they counted must not get lost

    def run(self) -> None:
        """Fire what is due until the host stops; `wake` ends the wait for what comes next."""
        changed = self._registry.firing.changed
        while not self._stopping.is_set():
            changed.clear()
            starts, counted, wait = self._registry.firing.tick()
            self._refuse(starts)
            self._take(counted)
            self._retry()
            if self._late:
                wait = min(wait, _RETRY_S) if wait is not None else _RETRY_S
            if not self._stopping.is_set():
                changed.wait(wait)

    def wake(self) -> None:
        """Look again, as something is different."""
        self._registry.firing.changed.set()

    def finish(self, *, ended: bool) -> None:
        """Hand out what counters have counted, and what found no place, while tasks still run.

        ended: so have all streams, and windows that are open give their results too.
        """
        if ended and not self._cancelled.is_set():
            self._take(self._registry.firing.finish_flows())
        if not self._cancelled.is_set():
            self._take(self._registry.firing.flush_counters())
        while self._late and not self._cancelled.is_set():
            self._retry()
            if not self._late or all(isinstance(each.error, Paused) for each in self._late):
                break  # nobody may ever resume them
            self._registry.wait_for_room(_RETRY_S)
        self._refuse(self._late)
        self._late.clear()

    def _take(self, starts: Iterable[Start]) -> None:
        for start in starts:
            if isinstance(start.error, QueueFull | Paused):
                self._late.append(start)
            else:
                self._refuse([start])
        while len(self._late) > _MOST_LATE:
            self._refuse([self._late.popleft()])

    def _retry(self) -> None:
        for _ in range(len(self._late)):
            start = self._late.popleft()
            assert start.payload is not None, "it was not accepted"
            try:
                self._registry.submit(start.task, start.payload, start.tag)
            except (QueueFull, Paused) as error:
                start.error = error
                self._late.append(start)
            except (VmError, Disabled) as error:
                self._registry.firing.count_refusal(start.task, reason(error))

    def _refuse(self, starts: Iterable[Start]) -> None:
        for start in starts:
            if start.error is not None:
                self._registry.firing.count_refusal(start.task, reason(start.error))
