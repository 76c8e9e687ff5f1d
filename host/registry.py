"""Which version of which task is live, and which invocations are still on their way.

A replaced or withdrawn version gets no new invocation but finishes what it has begun: the
change of versions and each submission happen under one lock, so that no invocation can be
given to a version after its withdrawal.
"""

from __future__ import annotations

import contextlib
import enum
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING, Unpack

from polyvm.host import breakers, log
from polyvm.host.chains import Chains
from polyvm.host.latency import Histogram
from polyvm.host.live_triggers import LiveTrigger
from polyvm.host.switches import Disabled, Paused, Switches
from polyvm.vm import AfterFailure, ChainNode, Lane, Limits, Outcome, UnknownTask, VmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from polyvm.host.breakers import Hold, Snapshot
    from polyvm.host.bundle import Bundle
    from polyvm.host.deferred_models import DeferredModels
    from polyvm.host.features import FeatureTables
    from polyvm.host.flows import Flow
    from polyvm.host.live_flows import FlowFigures, LiveFlow, LiveFlows
    from polyvm.host.live_triggers import LiveTriggers, TriggerFigures
    from polyvm.host.manifest import Manifest
    from polyvm.host.runners import Runners
    from polyvm.vm import (
        Array,
        Completion,
        Fired,
        IntakeStats,
        SubmitOptions,
        TaskStats,
        TriggersStats,
    )

LANES = {"core": Lane.CORE, "regular": Lane.REGULAR, "low": Lane.LOW}


class State(enum.StrEnum):
    """What a deployment is doing, in the words of the table."""

    LIVE = "live"
    DRAINING = "draining"
    WITHDRAWN = "withdrawn"


@dataclass(slots=True)
class Deployment:
    """One version of one task in the executor, with its figures. Guarded by the registry."""

    id: int
    manifest: Manifest
    state: State = State.LIVE
    submitted: int = 0
    finished: int = 0
    failed: int = 0
    outcomes: list[int] = field(default_factory=lambda: [0] * len(Outcome))
    queued: Histogram = field(default_factory=Histogram)
    latency: Histogram = field(default_factory=Histogram)
    memory_bytes: int = 0  # of its VMs, when last seen with any
    chain: tuple[Deployment, ...] = ()  # what each of its invocations starts after it
    warming: set[int] = field(default_factory=set)  # ids of what makes VMs ready for it
    deferred: DeferredModels | None = None  # models that triggers load

    @property
    def pending(self) -> int:
        """Invocations submitted and not yet settled, and VMs that are being made ready."""
        return self.submitted - self.finished + len(self.warming)

    def takes(self, event: str | None) -> bool:
        """Whether a feed line with this ``event`` (None: it has none) is for this task.

        A task that has triggers and names no events starts by its triggers alone, and one that
        comes after others by those.
        """
        if self.manifest.after:
            return False
        if self.manifest.events is None:
            return not self.manifest.starts_by_triggers
        return event in self.manifest.events


@dataclass(slots=True)
class Start:
    """A trigger that fired; ``payload`` is what its task was, or would have been, started with.

    error: why the invocation was not accepted; None: it was, and the payload is not told.
    """

    task: str
    trigger: str
    tag: int
    payload: bytes | None
    error: Exception | None


@dataclass(frozen=True, slots=True)
class EventReport:
    """What became of some events."""

    matched: int  # events that began, continued or completed a match of any trigger
    starts: list[Start]
    events: int = 0  # that were taken in, the next two included
    duplicates: int = 0  # passed over, as their id was seen
    dead: int = 0  # refused, and kept as dead letters
    error: Exception | None = None  # why the next one was not taken in

    @property
    def accepted(self) -> int:
        """Invocations that were accepted."""
        return sum(start.error is None for start in self.starts)

    def __add__(self, later: EventReport) -> EventReport:
        """Put the reports of two batches together."""
        return EventReport(
            self.matched + later.matched,
            self.starts + later.starts,
            self.events + later.events,
            self.duplicates + later.duplicates,
            self.dead + later.dead,
            self.error or later.error,
        )


class Registry:
    """All deployments of one executor. Every method may be called from any thread."""

    def __init__(
        self,
        runner: Runners,
        switches: Switches | None = None,
        added: Callable[[str, int], None] | None = None,
        triggers: LiveTriggers | None = None,
        *,
        flows: LiveFlows | None = None,
        tables: FeatureTables | None = None,
        load: Callable[[Deployment, DeferredModels], None] | None = None,
    ) -> None:
        """``added(name, id)`` is called for each version before its first invocation.

        triggers, flows: those of the executor; None: tasks have none here. Flows need triggers.
        load: called when a trigger asks for a version's models, with the lock: it is to return at
        once.
        """
        self._load = load
        self._triggers = triggers
        self._flows = flows
        self._tables = tables
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._runner = runner
        self._added = added
        self._switches = switches or Switches()
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._live: dict[str, Deployment] = {}
        self._by_id: dict[int, Deployment] = {}
        self._gone: dict[tuple[str, str], Deployment] = {}  # by name and lane
        self._routes: dict[str | None, tuple[str, ...]] = {}
        self._pending = 0
        self._arrays: list[tuple[Deployment, Array]] = []  # not settled
        self._graphs: dict[int, int] = {}  # of each trigger, how many have not been settled
        self._batches = 0  # of events, in C now; what they start is not counted yet
        self._turns = 0  # threads that wait until there is none
        self._switches.listen(self._switched)

    def deploy(self, bundle: Bundle) -> Deployment:
        """Make this version its task's live one; a former version drains.

        Raises VmError if the VM refuses it, ChainError if it cannot come after the tasks that it
        names, TableError if another task declares a table otherwise; the former version then stays
        live.
        """
        manifest = bundle.manifest
        with self._lock:
            live = {name: each.manifest for name, each in self._live.items()}
        Chains({**live, manifest.name: manifest}).check(manifest.name)
        if self._tables is not None:
            self._tables.check(manifest)
        task_id = self._runner.add(
            bundle.program,
            LANES[manifest.lane],
            Limits(**manifest.limits.amounts),
            priority=manifest.priority,
            breaker=breakers.policy(manifest.breaker, manifest.name)._asdict(),
        )
        if self._added is not None:
            self._added(manifest.name, task_id)
        deployment = Deployment(task_id, bundle.manifest, deferred=bundle.deferred)
        with self._alone():
            try:
                if self._tables is not None:
                    self._tables.deploy(manifest)
                if self._flows is not None:
                    self._flows.check(manifest)
                if self._triggers is not None:
                    self._triggers.deploy(task_id, manifest)
            except VmError:
                self._runner.withdraw(task_id)
                raise
            former = self._live.get(bundle.manifest.name)
            self._live[bundle.manifest.name] = deployment
            self._by_id[task_id] = deployment
            self._routes.clear()
            self._connect()
            if self._flows is not None:
                self._flows.deploy(task_id, manifest)  # before the former version is withdrawn
            self._retire(former)
        return deployment

    def set_flows(self, flows: tuple[Flow, ...]) -> None:
        """Have these flows, which belong to no task. Raises VmError; then nothing has changed."""
        with self._alone():
            assert self._flows is not None, "the host has flows"
            self._flows.set_operators(flows)
        self.triggers_changed.set()

    def flow_figures(self) -> list[FlowFigures]:
        """Return what flows are live, and what they did."""
        with self._lock:
            return self._flows.figures() if self._flows is not None else []

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock while no batch of events is in C: all that was started is counted.

        Batches run side by side without the lock, and those that come now wait.
        """
        with self._lock:
            self._turns += 1
            if self._batches:
                self._settled.wait_for(lambda: self._batches == 0)
            self._turns -= 1
            try:
                yield
            finally:
                self._settled.notify_all()

    def withdraw(self, name: str) -> bool:
        """Take the task out; what it has begun finishes. False if it is not live."""
        with self._alone():
            former = self._live.pop(name, None)
            if self._triggers is not None:
                self._triggers.withdraw(name)
            if self._flows is not None:
                self._flows.withdraw(name)
            if self._tables is not None:
                self._tables.withdraw(name)
            self._routes.clear()
            self._connect()
            self._retire(former)
        return former is not None

    def _connect(self) -> None:
        """Hand down which tasks start which, where that has changed. Before a version retires.

        A task that is switched off is not there, as far as chains go.
        """
        if not any(live.manifest.after for live in self._live.values()):
            graphs: dict[str, tuple[str, ...]] = {}
        else:
            graphs = Chains(
                {
                    name: live.manifest
                    for name, live in self._live.items()
                    if self._switches.enabled(name, live.manifest.lane)
                }
            ).graphs()
        for name, live in self._live.items():
            graph = graphs.get(name, (name,))
            chain = tuple(self._live[each] for each in graph[1:])
            if [each.id for each in chain] == [each.id for each in live.chain]:
                continue
            place = {each: number for number, each in enumerate(graph)}
            self._runner.chain(
                live.id,
                [
                    ChainNode(
                        each.id,
                        tuple(place[earlier] for earlier in each.manifest.after or ()),
                        AfterFailure[(each.manifest.after_failure or "skip").upper()],
                    )
                    for each in chain
                ],
            )
            live.chain = chain

    def chain(self, name: str) -> tuple[str, ...]:
        """Return the names of what an invocation of this task starts, itself first."""
        with self._lock:
            live = self._live.get(name)
            return (name, *(each.manifest.name for each in live.chain)) if live else (name,)

    def waiting(self) -> dict[str, str]:
        """Return live tasks that come after others and that no trigger starts, with the reason."""
        with self._lock:
            manifests = {
                name: live.manifest
                for name, live in self._live.items()
                if self._switches.enabled(name, live.manifest.lane)
            }
        return Chains(manifests).waiting()

    def _retire(self, former: Deployment | None) -> None:
        if former is None:
            return
        former.state = State.DRAINING
        self._runner.withdraw(former.id)
        self._settle_state(former)

    def _settle_state(self, deployment: Deployment) -> None:
        if deployment.state is State.DRAINING and deployment.pending == 0:
            deployment.state = State.WITHDRAWN
            del self._by_id[deployment.id]
            # All withdrawn versions of a task share one record, so that it stays small; one in
            # each lane that it was in, so that a lane's counts never go down.
            place = (deployment.manifest.name, deployment.manifest.lane)
            earlier = self._gone.get(place)
            if earlier is not None:
                deployment.submitted += earlier.submitted
                deployment.finished += earlier.finished
                deployment.failed += earlier.failed
                deployment.outcomes = list(map(add, deployment.outcomes, earlier.outcomes))
                deployment.queued.merge(earlier.queued)
                deployment.latency.merge(earlier.latency)
            self._gone[place] = deployment

    def targets(self, event: str | None) -> tuple[str, ...]:
        """Names of the live tasks that take a line with this event, in order of deployment.

        A task that is switched off takes none.
        """
        with self._lock:
            names = self._routes.get(event)
            if names is None:
                names = tuple(
                    name
                    for name, live in self._live.items()
                    if live.takes(event) and self._switches.enabled(name, live.manifest.lane)
                )
                if len(self._routes) < 1024:  # event names come from the feed: do not hoard them
                    self._routes[event] = names
            return names

    def _switched(self) -> None:
        with self._alone():
            self._routes.clear()
            self._connect()
            if self._triggers is not None:
                self._triggers.switch()
            if self._flows is not None:
                self._flows.switch()

    @property
    def has_triggers(self) -> bool:
        """Whether there is a trigger or a flow, so that events are worth handing in."""
        return bool(self._triggers) or bool(self._flows)

    def ingest(
        self,
        data: bytes | memoryview,
        *,
        lines: bool = False,
        stream: str = "",
        source: str = "",
        first_tag: int = 0,
    ) -> EventReport:
        """Hand events to the triggers: MessagePack values one behind the other, or JSON lines.

        An array stands for what is in it. stream: of events that name none. source: what dead
        letters tell. Tags count up, by values or lines. What is not accepted comes with its reason,
        and is not counted: see `count_refusal`. What is not taken in is told by the report's error.
        """
        with self._lock:
            if self._triggers is None:
                return EventReport(0, [])
            if self._turns:
                self._settled.wait_for(lambda: self._turns == 0)
            self._batches += 1
        fired: list[Fired] = []
        starts: list[Start] = []
        try:
            batch = self._triggers.ingest(data, lines, stream, source, first_tag)
            fired = batch.fired
        except VmError as error:
            return EventReport(0, [], error=error.with_traceback(None))  # no cycle of frames
        finally:
            with self._lock:
                self._batches -= 1
                starts += map(self._started, fired)
                if self._turns:
                    self._settled.notify_all()
        return EventReport(
            batch.matched, starts, batch.taken, batch.duplicates, batch.dead, batch.error
        )

    def bury(self, event: bytes, why: str, source: str) -> bool:
        """Keep what is no event as a dead letter. False: events are not kept. Raises StoreError."""
        return self._triggers is not None and self._triggers.bury(event, why, source)

    @property
    def triggers_changed(self) -> threading.Event:
        """Set when `tick` may have to be called sooner than it said."""
        return self._triggers.changed if self._triggers is not None else threading.Event()

    def tick(self) -> tuple[list[Start], list[Start], float | None]:
        """Fire the timers that are due, and the counters that have waited long enough.

        Returns what timers started, what counters did, and the seconds until the next call; None:
        when `triggers_changed` is set. Refusals are as `events` tells them.
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
        """Start what fired by events that tasks have appended; as `events` tells it."""
        started: list[Start] = []
        with self._lock:
            while self._triggers is not None and (batch := self._triggers.collect()) is not None:
                started += [self._started(fired) for fired in batch.fired if self._knows(fired)]
        return started

    def _knows(self, fired: Fired) -> bool:
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
            return [self._started(fired) for fired in batch.fired if self._knows(fired)]

    def intake(self, stream: str) -> IntakeStats | None:
        """Count what a declared stream did not take; None for one that is not declared."""
        try:
            return self._triggers.intake(stream) if self._triggers is not None else None
        except UnknownTask:
            return None

    def _started(self, fired: Fired) -> Start:
        error: Exception | None = fired.error
        if fired.payload is None:
            self._count(self._by_id[fired.task], fired.id)
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
            self._submit(trigger.task, payload, tag, depth=depth)
        except (VmError, Disabled, Paused) as error:
            return error
        return None

    def _preload(self, task: str) -> None:
        """Make VMs ready for the task and what comes after it, and load their models.

        It does nothing where that is done, and counts what is refused.
        """
        deployment = self._live.get(task)
        for each in (deployment, *deployment.chain) if deployment is not None else ():
            name, lane = each.manifest.name, each.manifest.lane
            try:
                self._switches.check(name, lane)
                number = self._runner.warm(each.id) if not each.warming else 0
            except (VmError, Disabled, Paused):
                self._refusals[name, "preload"] += 1
                continue
            if number:
                each.warming.add(number)
                self._pending += 1
            if each.deferred is not None and self._load is not None:
                self._load(each, each.deferred)

    def count_refusal(self, task: str, reason: str) -> None:
        """Count that what a trigger started was not accepted in the end."""
        with self._lock:
            self._refusals[task, reason] += 1

    def trigger_refusals(self) -> dict[tuple[str, str], int]:
        """Return what `count_refusal` counted, by task and reason."""
        with self._lock:
            return dict(self._refusals)

    def trigger_figures(self) -> tuple[TriggersStats, list[TriggerFigures]] | None:
        """Return the figures of all triggers together, and of each; None: there are none here."""
        with self._lock:
            if self._triggers is None:
                return None
            return self._triggers.stats(), self._triggers.figures()

    def knows_trigger(self, full_name: str) -> bool:
        """Whether a trigger of this name, TASK.NAME, is live."""
        with self._lock:
            return self._triggers is not None and self._triggers.knows(full_name)

    def submit(self, name: str, payload: bytes, tag: int, **options: Unpack[SubmitOptions]) -> int:
        """Give one invocation to the task's live version; its id, or 0 if none is live.

        With it goes one of each task of its chain.
        Raises polyvm.vm.VmError, such as QueueFull, or Paused or Disabled, and then nothing was
        accepted.
        """
        with self._lock:
            return self._submit(name, payload, tag, **options)

    def _submit(self, name: str, payload: bytes, tag: int, **options: Unpack[SubmitOptions]) -> int:
        deployment = self._live.get(name)
        if deployment is None:
            return 0
        for each in (deployment, *deployment.chain):
            self._switches.check(each.manifest.name, each.manifest.lane)
        # Its completion may be collected before submit returns, but not settled: see the lock.
        number = self._runner.submit(deployment.id, payload, tag, **options)
        self._count(deployment, number)
        return number

    def takes_arrays(self, name: str) -> bool:
        """Whether the task's live version, if there is one, runs in VMs and starts no chain."""
        with self._lock:
            deployment = self._live.get(name)
            return deployment is None or (
                not deployment.chain and self._runner.takes_arrays(deployment.id)
            )

    def submit_array(
        self, name: str, packed: bytes, **options: Unpack[SubmitOptions]
    ) -> Array | None:
        """Give the elements of an array to the task's live version; None if none is live.

        Raises as `submit`, and then none was accepted. `settle_arrays` counts how they end.
        """
        with self._lock:
            deployment = self._live.get(name)
            if deployment is None:
                return None
            self._switches.check(name, deployment.manifest.lane)
            # In a journal tags tell them from lines of input: they are no small numbers.
            array = self._runner.submit_array(deployment.id, packed, time.time_ns(), **options)
            deployment.submitted += len(array)
            self._pending += len(array)
            self._arrays.append((deployment, array))
            return array

    def _count(self, first: Deployment, number: int) -> None:
        if first.chain:
            self._graphs[number] = 1 + len(first.chain)
        for each in (first, *first.chain):
            each.submitted += 1
            self._pending += 1

    def cancel(self, number: int) -> bool:
        """End the invocation with this id, as cancelled; False if it is over.

        One that runs is interrupted, and may yet end by itself before that reaches it.
        """
        return self._runner.cancel(number)

    def note_crash(self, name: str) -> None:
        """Tell the task's circuit breaker that it took an earlier process down."""
        with self._lock:
            deployment = self._live.get(name)
            if deployment is not None:
                self._runner.note_crash(deployment.id)

    def breaker(self, name: str) -> Snapshot | None:
        """Return the circuit breaker of a live task; None for one that is not live."""
        with self._lock:
            deployment = self._live.get(name)
            return self._runner.breaker(deployment.id) if deployment is not None else None

    def force_breaker(self, name: str, hold: Hold) -> Snapshot | None:
        """Do as an operator says; return what the breaker is then. None as `breaker` has it."""
        with self._lock:
            deployment = self._live.get(name)
            if deployment is None:
                return None
            self._runner.force_breaker(deployment.id, hold)
            return self._runner.breaker(deployment.id)

    def breakers(self) -> dict[str, Snapshot]:
        """Return `breaker` of all live tasks, by name."""
        with self._lock:
            names = sorted(self._live)
        # One by one, so that submissions need not wait for all of them.
        seen = {name: self.breaker(name) for name in names}
        return {name: breaker for name, breaker in seen.items() if breaker is not None}

    def settle(self, completions: list[Completion]) -> list[tuple[Completion, Manifest]]:
        """Count completions and pair each with its task's manifest."""
        paired = []
        with self._alone():
            for completion in completions:
                deployment = self._by_id[completion.task]
                if completion.id in deployment.warming:
                    deployment.warming.remove(completion.id)
                    _tell_of_warming(deployment, completion)
                    self._settle_state(deployment)
                    continue
                deployment.finished += 1
                deployment.failed += completion.outcome is not Outcome.DONE
                deployment.outcomes[completion.outcome] += 1
                deployment.queued.record(completion.queued_ns)
                deployment.latency.record(completion.run_ns)
                paired.append((completion, deployment.manifest))
                if completion.trigger:
                    self._graphs[completion.trigger] -= 1
                    if self._graphs[completion.trigger] == 0:
                        del self._graphs[completion.trigger]
                self._settle_state(deployment)
            self._pending -= len(completions)
            self._settled.notify_all()
        return paired

    def returning(self, completions: list[Completion]) -> list[tuple[Completion, Manifest]]:
        """Pair completions with their tasks' manifests, those alone whose results are events."""
        with self._lock:
            if not any(each.manifest.results_into for each in self._by_id.values()):
                return []
            paired = [(each, self._by_id[each.task].manifest) for each in completions]
        return [(each, manifest) for each, manifest in paired if manifest.results_into]

    def settle_arrays(self) -> bool:
        """Count the ends of arrays that have ended; whether there were any."""
        with self._lock:
            left: list[tuple[Deployment, Array]] = []
            ended: list[tuple[Deployment, Array]] = []
            for deployment, array in self._arrays:
                (ended if array.wait(0) else left).append((deployment, array))
            if not ended:
                return False
            self._arrays = left
            for deployment, array in ended:
                batch = array.result()
                deployment.finished += len(batch)
                deployment.failed += batch.not_done or 0
                for outcome, count in Counter(batch.outcomes).items():
                    deployment.outcomes[outcome] += count
                deployment.queued.record_all(batch.queued_ns)
                deployment.latency.record_all(batch.run_ns)
                self._pending -= len(batch)
                self._settle_state(deployment)
            self._settled.notify_all()
        return True

    def is_whole(self, trigger: int) -> bool:
        """Whether all that an invocation started with its chain has been settled."""
        with self._lock:
            return trigger not in self._graphs

    def wait_for_room(self, timeout: float) -> None:
        """Block until some invocation is settled, or ``timeout`` seconds have passed."""
        with self._settled:
            self._settled.wait(timeout)

    def wait_until_idle(self, timeout: float) -> bool:
        """Block until nothing is pending, or ``timeout`` seconds; whether nothing is."""
        with self._settled:
            return self._settled.wait_for(lambda: self._pending == 0, timeout)

    @property
    def pending(self) -> int:
        """Invocations submitted and not yet settled, of all tasks."""
        with self._lock:
            return self._pending

    def live(self, name: str) -> Deployment | None:
        """Return the task's live version."""
        with self._lock:
            return self._live.get(name)

    @property
    def live_count(self) -> int:
        """How many tasks are live."""
        with self._lock:
            return len(self._live)

    def snapshot(self) -> list[Row]:
        """Return the figures of every live or draining version, sorted by name.

        The withdrawn versions of a task follow as one row, under the last one's number.
        """
        with self._lock:
            deployments = [*self._by_id.values(), *self._gone.values()]
        rows = [self._row(deployment) for deployment in deployments]
        order = list(State)
        return sorted(rows, key=lambda row: (row.name, order.index(row.state)))

    def tallies(self) -> list[Tally]:
        """Return what has been counted since the start, by task and lane, over all versions.

        The counts are of one moment and never go down.
        """
        with self._lock:
            parts = [
                (each, Tally.of(each)) for each in (*self._gone.values(), *self._by_id.values())
            ]
        tallies: dict[tuple[str, str], Tally] = {}
        for deployment, tally in parts:
            stats = self._stats(deployment)
            if stats is not None:
                tally.running, tally.vms, tally.bytes = stats.running, stats.vms, stats.bytes
            earlier = tallies.get((tally.name, tally.lane))
            if earlier is not None:
                tally.add(earlier)
            tallies[tally.name, tally.lane] = tally
        return sorted(tallies.values(), key=lambda tally: (tally.name, tally.lane))

    def _stats(self, deployment: Deployment) -> TaskStats | None:
        if deployment.state is State.WITHDRAWN:
            return None
        try:
            return self._runner.stats(deployment.id)
        except VmError:
            return None  # its last VM has retired since

    def _row(self, deployment: Deployment) -> Row:
        stats = self._stats(deployment)
        if stats is not None:
            deployment.memory_bytes = stats.bytes or deployment.memory_bytes
        latency = deployment.latency
        return Row(
            name=deployment.manifest.name,
            version=deployment.manifest.version,
            state=deployment.state,
            pending=deployment.pending,
            runs=deployment.finished,
            failures=deployment.failed,
            p50_ns=latency.percentile(50),
            p99_ns=latency.percentile(99),
            memory_bytes=deployment.memory_bytes,
            lane=deployment.manifest.lane,
            running=stats.running if stats is not None else 0,
            vms=stats.vms if stats is not None else 0,
        )


def _tell_of_warming(deployment: Deployment, completion: Completion) -> None:
    if completion.outcome not in (Outcome.DONE, Outcome.CANCELLED):
        reason = bytes(completion.data).decode("utf-8", "replace")
        log.get().error("task not preloaded", task=deployment.manifest.name, reason=reason)


@dataclass(slots=True)
class Tally:
    """What a task did in a lane, and what it holds now."""

    name: str
    lane: str
    outcomes: list[int]  # of ended invocations, by polyvm.vm.Outcome
    queued: Histogram
    run: Histogram
    pending: int
    running: int = 0
    vms: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, deployment: Deployment) -> Tally:
        """Copy a version's counts."""
        return cls(
            name=deployment.manifest.name,
            lane=deployment.manifest.lane,
            outcomes=deployment.outcomes.copy(),
            queued=deployment.queued.copy(),
            run=deployment.latency.copy(),
            pending=deployment.pending,
        )

    def add(self, other: Tally) -> None:
        """Add another version's."""
        self.outcomes = list(map(add, self.outcomes, other.outcomes))
        self.queued.merge(other.queued)
        self.run.merge(other.run)
        self.pending += other.pending
        self.running += other.running
        self.vms += other.vms
        self.bytes += other.bytes


@dataclass(frozen=True, slots=True)
class Row:
    """What the table shows of one version.

    Durations are of the call itself, in ns. Memory is that of its VMs, when last seen with any.
    """

    name: str
    version: str
    state: State
    pending: int
    runs: int
    failures: int
    p50_ns: int
    p99_ns: int
    memory_bytes: int
    lane: str = "regular"
    running: int = 0
    vms: int = 0
