"""What triggers and flows start: events and time come in, invocations go out."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Unpack

from polyvm.host.event_report import EventReport, Start
from polyvm.host.live_triggers import LiveTrigger
from polyvm.host.switches import Disabled, Paused
from polyvm.vm import UnknownTask, VmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.host.deferred_models import DeferredModels
    from polyvm.host.deployment import Deployment
    from polyvm.host.flows import Flow
    from polyvm.host.live_flows import FlowFigures, LiveFlow, LiveFlows
    from polyvm.host.live_triggers import LiveTriggers, TriggerFigures
    from polyvm.host.live_versions import LiveVersions
    from polyvm.host.turns import Turns
    from polyvm.vm import Fired, Ingestion, IntakeStats, TriggersStats


class Firing:
    """The triggers and flows of the live versions. Every method may be called from any thread."""

    def __init__(
        self,
        versions: LiveVersions,
        turns: Turns,
        triggers: LiveTriggers | None,
        flows: LiveFlows | None,
        load: Callable[[Deployment, DeferredModels], None] | None,
    ) -> None:
        """Triggers, flows, load: as `Registry` has them."""
        self._versions = versions
        self._lock = versions.lock
        self._turns = turns
        self._triggers = triggers
        self._flows = flows
        self._load = load
        self._refusals: Counter[tuple[str, str]] = Counter()

    @property
    def expects_events(self) -> bool:
        """Whether there is a trigger or a flow, so that events are worth handing in."""
        return bool(self._triggers) or bool(self._flows)

    def ingest(self, data: bytes | memoryview, **options: Unpack[Ingestion]) -> EventReport:
        """Hand events to the triggers: MessagePack values one behind the other, or JSON lines.

        An array stands for what is in it. What is not accepted comes with its reason, and is not
        counted: see `count_refusal`. What is not taken in is told by the report's error.
        """
        with self._lock:
            if self._triggers is None:
                return EventReport(0, [])
            self._turns.begin_batch()
        fired: list[Fired] = []
        starts: list[Start] = []
        try:
            batch = self._triggers.ingest(data, **options)
            fired = batch.fired
        except VmError as error:
            return EventReport(0, [], error=error.with_traceback(None))  # no cycle of frames
        finally:
            with self._lock:
                self._turns.end_batch()
                starts += map(self._started, fired)
        return EventReport(
            batch.matched,
            starts,
            batch.taken,
            batch.duplicates,
            batch.dead,
            batch.error,
            batch.consumed,
        )

    def bury(self, event: bytes, why: str, source: str) -> bool:
        """Keep what is no event as a dead letter. False: events are not kept. Raises StoreError."""
        return self._triggers is not None and self._triggers.bury(event, why, source)

    @property
    def changed(self) -> threading.Event:
        """Set when `tick` may have to be called sooner than it said."""
        return self._triggers.changed if self._triggers is not None else threading.Event()

    def tick(self) -> tuple[list[Start], list[Start], float | None]:
        """Fire the timers that are due, and the counters that have waited long enough.

        Returns what timers started, what counters did, and the seconds until the next call; None:
        when `changed` is set. Refusals are as `ingest` tells them.
        """
        started: list[Start] = []
        with self._lock:
            if self._triggers is None:
                return [], [], None

            def fire(trigger: LiveTrigger, payload: bytes) -> bool:
                error = self._submit_handed_out(trigger, payload, 0)
                if isinstance(error, Paused):
                    return False
                told = payload if error is not None else None
                started.append(Start(trigger.task, trigger.full_name, 0, told, error))
                return True

            wait = self._triggers.tick(fire)
            batch, other = self._triggers.tick_counters(flows=bool(self._flows))
            counted = [self._started(fired) for fired in batch.fired] if batch is not None else []
            waits = [each for each in (wait, other) if each is not None]
            return started, counted, min(waits) if waits else None

    def appended(self) -> list[Start]:
        """Start what fired by events that tasks have appended; as `ingest` tells it."""
        started: list[Start] = []
        with self._lock:
            while self._triggers is not None and (batch := self._triggers.collect()) is not None:
                started += [self._started(fired) for fired in batch.fired if self._is_live(fired)]
        return started

    def _is_live(self, fired: Fired) -> bool:
        """Whether what fired is live: it may have been taken out since."""
        if fired.flow:
            return self._flows is not None and self._flows.has(fired.flow)
        return self._triggers is not None and self._triggers.has(fired.trigger)

    def flush_counters(self) -> list[Start]:
        """Fire all counters that have counted anything, enough or not."""
        with self._lock:
            if self._triggers is None:
                return []
            batch, _ = self._triggers.tick_counters(all_of_them=True)
            return [self._started(fired) for fired in batch.fired] if batch is not None else []

    def finish_flows(self) -> list[Start]:
        """The streams have ended: what flows still have open gives its results."""
        with self._lock:
            if self._triggers is None or not self._flows:
                return []
            batch = self._triggers.finish_flows()
            return [self._started(fired) for fired in batch.fired if self._is_live(fired)]

    def intake(self, stream: str) -> IntakeStats | None:
        """Count what a declared stream did not take; None for one that is not declared."""
        try:
            return self._triggers.intake(stream) if self._triggers is not None else None
        except UnknownTask:
            return None

    def _started(self, fired: Fired) -> Start:
        error: Exception | None = fired.error
        if fired.payload is None:
            self._versions.count(self._versions.by_id[fired.task], fired.id)
        starter: LiveFlow | LiveTrigger
        if fired.flow:
            assert self._flows is not None, "a row has left one"
            starter = self._flows.get(fired.flow)
        else:
            assert self._triggers is not None, "something has fired"
            starter = self._triggers.get(fired.trigger)
        if fired.payload is not None and error is None:  # the executor does not submit it
            error = self._submit_handed_out(starter, fired.payload, fired.tag, fired.depth)
        return Start(
            starter.task,
            starter.full_name,
            fired.tag,
            fired.payload if error is not None else None,
            error,
        )

    def _submit_handed_out(
        self, trigger: LiveTrigger | LiveFlow, payload: bytes, tag: int, depth: int = 0
    ) -> Exception | None:
        if isinstance(trigger, LiveTrigger) and trigger.preload:
            self._preload(trigger.task)
            return None
        try:
            self._versions.submit(trigger.task, payload, tag, depth=depth)
        except (VmError, Disabled, Paused) as error:
            return error
        return None

    def _preload(self, task: str) -> None:
        """Make VMs ready for the task and what comes after it, and load their models.

        It does nothing where that is done, and counts what is refused.
        """
        deployment = self._versions.live.get(task)
        for each in (deployment, *deployment.chain) if deployment is not None else ():
            try:
                self._versions.warm(each)
            except (VmError, Disabled, Paused):
                self._refusals[each.manifest.name, "preload"] += 1
                continue
            if each.deferred is not None and self._load is not None:
                self._load(each, each.deferred)

    def count_refusal(self, task: str, reason: str) -> None:
        """Count that what a trigger started was not accepted in the end."""
        with self._lock:
            self._refusals[task, reason] += 1

    def refusals(self) -> dict[tuple[str, str], int]:
        """Return what `count_refusal` counted, by task and reason."""
        with self._lock:
            return dict(self._refusals)

    def trigger_figures(self) -> tuple[TriggersStats, list[TriggerFigures]] | None:
        """Return the figures of all triggers together, and of each; None: there are none here."""
        with self._lock:
            if self._triggers is None:
                return None
            return self._triggers.stats(), self._triggers.figures()

    def flow_figures(self) -> list[FlowFigures]:
        """Return what flows are live, and what they did."""
        with self._lock:
            return self._flows.figures() if self._flows is not None else []

    def knows(self, full_name: str) -> bool:
        """Whether a trigger of this name, TASK.NAME, is live."""
        with self._lock:
            return self._triggers is not None and self._triggers.knows(full_name)

    def set_flows(self, flows: tuple[Flow, ...]) -> None:
        """Have these flows, which belong to no task. Raises VmError; then nothing has changed."""
        with self._turns.alone():
            assert self._flows is not None, "the host has flows"
            self._flows.set_operators(flows)
        self.changed.set()
