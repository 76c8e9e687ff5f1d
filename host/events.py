"""Events that come from the API, or from the program around the host, on their way to triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyvm.host import codec
from polyvm.host.invocations import Stopping, reason
from polyvm.host.registry import EventReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from polyvm.host.registry import Registry


class Events:
    """Hands events in for callers that do not wait: what is refused is told, and counted.

    Every method is for any thread. The invocations that start have the tag 0.
    """

    def __init__(self, registry: Registry, stopping: Callable[[], bool]) -> None:
        self._registry = registry
        self._stopping = stopping

    def put(self, events: Sequence[Any]) -> EventReport:
        """Hand in maps that MessagePack can hold; otherwise as `put_packed`."""
        return self.put_packed([codec.encode_payload(event) for event in events])

    def put_packed(self, events: list[bytes]) -> EventReport:
        """Hand in MessagePack maps, in order. Raises Stopping."""
        if self._stopping():
            raise Stopping("the host is stopping and takes no more events")
        reports = [self._registry.events([event]) for event in events]
        starts = [start for report in reports for start in report.starts]
        for start in starts:
            if start.error is not None:
                self._registry.count_refusal(start.task, reason(start.error))
        return EventReport(sum(report.matched for report in reports), starts)
