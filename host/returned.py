"""Results that come back as events: of tasks whose manifest has ``results_into``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyvm.host import log
from polyvm.host.invocations import reason
from polyvm.vm import Outcome

if TYPE_CHECKING:
    from polyvm.host.manifest import Manifest
    from polyvm.host.registry import Registry
    from polyvm.vm import Completion

_NOTHING = b"\xc0"  # MessagePack's nil: a task that returns None has no events to give


class Returned:
    """Appends results to streams, for one thread: a map is an event, a list is several."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._log = log.get()

    def take(self, completions: list[Completion]) -> None:
        """Append what these came to."""
        for completion, manifest in self._registry.returning(completions):
            result = bytes(completion.data)
            if completion.outcome is Outcome.DONE and result != _NOTHING:
                self._append(result, manifest)

    def _append(self, result: bytes, manifest: Manifest) -> None:
        stream, task = manifest.results_into or "", manifest.name
        report = self._registry.firing.ingest(result, stream=stream, source=f"task {task}")
        for start in report.starts:
            if start.error is not None:
                self._registry.firing.count_refusal(start.task, reason(start.error))
        if report.error is not None:
            self._log.error(
                "result not taken as an event", task=task, stream=stream, reason=str(report.error)
            )
