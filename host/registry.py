"""Which version of which task is live, and which invocations are still on their way.

A replaced or withdrawn version gets no new invocation but finishes what it has begun: the
change of versions and each submission happen under one lock, so that no invocation can be
given to a version after its withdrawal.
"""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from polyvm.host.latency import Histogram
from polyvm.vm import Lane, Limits, Outcome, Program, VmError

if TYPE_CHECKING:
    from polyvm.host.bundle import Bundle
    from polyvm.host.manifest import Manifest
    from polyvm.vm import Completion, TaskStats

LANES = {"core": Lane.CORE, "regular": Lane.REGULAR, "low": Lane.LOW}


class Runner(Protocol):
    """The part of polyvm.vm.Executor that the registry drives."""

    def add(self, program: Program, lane: Lane = Lane.REGULAR, limits: Limits | None = None) -> int:
        """Take one version of a task; its id."""

    def withdraw(self, task_id: int) -> None:
        """Refuse new work for it, finish the rest."""

    def submit(self, task_id: int, payload: bytes, tag: int = 0) -> None:
        """Accept one invocation or raise QueueFull."""

    def stats(self, task_id: int) -> TaskStats:
        """Return the figures of one task."""


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
    latency: Histogram = field(default_factory=Histogram)
    memory_bytes: int = 0  # of its VMs, when last seen with any

    @property
    def pending(self) -> int:
        """Invocations submitted and not yet settled."""
        return self.submitted - self.finished

    def takes(self, event: str | None) -> bool:
        """Whether a feed line with this ``event`` (None: it has none) is for this task."""
        return self.manifest.events is None or event in self.manifest.events


class Registry:
    """All deployments of one executor. Every method may be called from any thread."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._live: dict[str, Deployment] = {}
        self._by_id: dict[int, Deployment] = {}
        self._gone: dict[str, Deployment] = {}
        self._routes: dict[str | None, tuple[str, ...]] = {}
        self._pending = 0

    def deploy(self, bundle: Bundle) -> Deployment:
        """Make this version its task's live one; a former version drains.

        Raises VmError if the VM refuses it; the former version then stays live.
        """
        manifest = bundle.manifest
        task_id = self._runner.add(
            bundle.program, LANES[manifest.lane], Limits(**manifest.limits.amounts)
        )
        deployment = Deployment(task_id, bundle.manifest)
        with self._lock:
            former = self._live.get(bundle.manifest.name)
            self._live[bundle.manifest.name] = deployment
            self._by_id[task_id] = deployment
            self._routes.clear()
            self._retire(former)
        return deployment

    def withdraw(self, name: str) -> bool:
        """Take the task out; what it has begun finishes. False if it is not live."""
        with self._lock:
            former = self._live.pop(name, None)
            self._routes.clear()
            self._retire(former)
        return former is not None

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
            # All withdrawn versions of a task share one record, so that it stays small.
            earlier = self._gone.get(deployment.manifest.name)
            if earlier is not None:
                deployment.submitted += earlier.submitted
                deployment.finished += earlier.finished
                deployment.failed += earlier.failed
                deployment.latency.merge(earlier.latency)
            self._gone[deployment.manifest.name] = deployment

    def targets(self, event: str | None) -> tuple[str, ...]:
        """Names of the live tasks that take a line with this event, in order of deployment."""
        with self._lock:
            names = self._routes.get(event)
            if names is None:
                names = tuple(name for name, live in self._live.items() if live.takes(event))
                if len(self._routes) < 1024:  # event names come from the feed: do not hoard them
                    self._routes[event] = names
            return names

    def submit(self, name: str, payload: bytes, tag: int) -> bool:
        """Give one invocation to the task's live version; False if it has none.

        Raises polyvm.vm.QueueFull, and then nothing was accepted.
        """
        with self._lock:
            deployment = self._live.get(name)
            if deployment is None:
                return False
            # Its completion may be collected before submit returns, but not settled: see the lock.
            self._runner.submit(deployment.id, payload, tag)
            deployment.submitted += 1
            self._pending += 1
            return True

    def settle(self, completions: list[Completion]) -> list[tuple[Completion, Manifest]]:
        """Count completions and pair each with its task's manifest."""
        paired = []
        with self._lock:
            for completion in completions:
                deployment = self._by_id[completion.task]
                deployment.finished += 1
                deployment.failed += completion.outcome is not Outcome.DONE
                deployment.latency.record(completion.run_ns)
                paired.append((completion, deployment.manifest))
                self._settle_state(deployment)
            self._pending -= len(completions)
            self._settled.notify_all()
        return paired

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

    def snapshot(self) -> list[Row]:
        """Return the figures of every live or draining version, sorted by name.

        The withdrawn versions of a task follow as one row, under the last one's number.
        """
        with self._lock:
            deployments = [*self._by_id.values(), *self._gone.values()]
        rows = [self._row(deployment) for deployment in deployments]
        order = list(State)
        return sorted(rows, key=lambda row: (row.name, order.index(row.state)))

    def _row(self, deployment: Deployment) -> Row:
        if deployment.state is not State.WITHDRAWN:
            try:
                size = self._runner.stats(deployment.id).bytes
            except VmError:
                size = 0  # its last VM has retired since
            deployment.memory_bytes = size or deployment.memory_bytes
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
        )


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
