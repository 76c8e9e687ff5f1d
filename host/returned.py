"""Results that come back as events: of tasks whose manifest has ``results_into``.

A result may start its own task again, by a flow or a trigger. How many tasks in a row it took is
carried along; what took too many is no event any more, but a dead letter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyvm.host import log
from polyvm.host.invocations import reason
from polyvm.vm import DEPTH_MAX, Outcome, VmError

if TYPE_CHECKING:
    from polyvm.host.manifest import Manifest
    from polyvm.host.registry import Registry
    from polyvm.vm import Completion

CIRCLE = "circle"  # why a result was refused, in metrics
_NOTHING = b"\xc0"  # MessagePack's nil: a task that returns None has no events to give


class Returned:
    """Appends results to streams, for one thread: a map is an event, a list is several."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._told: set[str] = set()  # tasks whose circle the log knows of
        self._log = log.get()

    def take(self, completions: list[Completion]) -> None:
        """Append what these came to."""
        for completion, manifest, depth in self._registry.returning(completions):
            result = bytes(completion.data)
            if completion.outcome is not Outcome.DONE or result == _NOTHING:
                continue
            if depth < DEPTH_MAX:
                self._append(result, manifest, depth + 1)
            else:
                self._refuse(result, manifest)

    def _append(self, result: bytes, manifest: Manifest, depth: int) -> None:
        stream, task = manifest.results_into or "", manifest.name
        report = self._registry.firing.ingest(
            result, stream=stream, source=f"task {task}", depth=depth
        )
        for start in report.starts:
            if start.error is not None:
                self._registry.firing.count_refusal(start.task, reason(start.error))
        if report.error is not None:
            self._log.error(
                "result not taken as an event", task=task, stream=stream, reason=str(report.error)
            )

    def _refuse(self, result: bytes, manifest: Manifest) -> None:
        """Keep it as a dead letter; the log hears of the first of a task."""
        stream, task = manifest.results_into or "", manifest.name
        why = (
            f"it is for stream {stream!r}, and took {DEPTH_MAX + 1} tasks in a row, each started "
            "by what the one before had made"
        )
        self._registry.firing.count_refusal(task, CIRCLE)
        try:
            self._registry.firing.bury(result, why, f"task {task}")
        except VmError as error:
            self._log.error("dead letter not kept", task=task, reason=str(error))
        if task not in self._told:
            self._told.add(task)
            self._log.error("result not taken as an event", task=task, stream=stream, reason=why)
