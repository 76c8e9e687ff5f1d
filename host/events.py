"""Events that come from the API, or from the program around the host, on their way to triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyvm.host import codec
from polyvm.host.event_report import EventReport
from polyvm.host.ingestion import Batch
from polyvm.host.invocations import Stopping, reason
from polyvm.host.store_server import Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from polyvm.host.registry import Registry


class Events:
    """Hands events in for callers that do not wait: what is refused is told, and counted.

    Every method is for any thread. The invocations that start have the tag 0.
    """

    def __init__(self, registry: Registry, stopping: Callable[[], bool]) -> None:
        self._registry = registry
        self._stopping = stopping

    def put(self, events: Iterable[Any]) -> EventReport:
        """Hand in maps that MessagePack can hold, in order.

        Raises Stopping; TypeError, ValueError or OverflowError for what it cannot hold, and then
        none was handed in; VmError where one was not taken in.
        """
        packed = [codec.encode_payload(event) for event in events]  # what they share is held here
        report = self.put_batches([Batch(b"".join(packed))], source="program")
        if report.error is not None:
            raise report.error
        return report

    def put_batches(
        self, batches: Iterable[Batch], *, stream: str = "", source: str = ""
    ) -> EventReport:
        """Hand batches in, one after the other, up to the first event that is not taken in.

        stream: of events that name none. source: what dead letters tell. Raises Stopping, and
        what the batches raise where they are made.
        """
        report = EventReport(0, [])
        for batch in batches:
            if self._stopping():
                raise Stopping("the host is stopping and takes no more events")
            report += self._put(batch, stream, source)
            if report.error is not None:
                break
        return report

    def append(self, events: bytes, *, source: str, depth: int) -> Taken:
        """Hand in what a task in a process appends, MessagePack maps one behind the other."""
        report = self._registry.firing.ingest(events, source=source, depth=depth)
        self._count_refused(report)
        return Taken(report.events, report.duplicates, report.dead, report.error)

    def _count_refused(self, report: EventReport) -> None:
        for start in report.starts:
            if start.error is not None:
                self._registry.firing.count_refusal(start.task, reason(start.error))

    def _put(self, batch: Batch, stream: str, source: str) -> EventReport:
        report = self._registry.firing.ingest(
            batch.data, lines=batch.lines, stream=stream, source=source
        )
        self._count_refused(report)
        if report.error is not None:
            return report
        dead = sum(self._registry.firing.bury(event, why, source) for event, why in batch.bad)
        return report + EventReport(0, [], events=dead, dead=dead)
