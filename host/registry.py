"""Which version of which task is live: deploying, withdrawing, submitting, settling.

A replaced or withdrawn version gets no new invocation but finishes what it has begun.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Unpack

from polyvm.host import breakers
from polyvm.host.chains import Chains
from polyvm.host.deployment import LANES, Deployment, State
from polyvm.host.figures import Row, Tally
from polyvm.host.firing import Firing
from polyvm.host.live_versions import LiveVersions
from polyvm.host.switches import Switches
from polyvm.host.turns import Turns
from polyvm.vm import AfterFailure, ChainNode, Limits, VmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.host.breakers import Hold, Snapshot
    from polyvm.host.bundle import Bundle
    from polyvm.host.deferred_models import DeferredModels
    from polyvm.host.features import FeatureTables
    from polyvm.host.live_flows import LiveFlows
    from polyvm.host.live_triggers import LiveTriggers
    from polyvm.host.manifest import Manifest
    from polyvm.host.runners import Runners
    from polyvm.vm import Array, Completion, SubmitOptions, TaskStats


class Registry:
    """All deployments of one executor. Every method may be called from any thread.

    ``firing`` has what triggers and flows start.
    """

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
        self._runner = runner
        self._added = added
        self._triggers = triggers
        self._flows = flows
        self._tables = tables
        self._switches = switches or Switches()
        self._versions = LiveVersions(runner, self._switches)
        self._lock = self._versions.lock
        self._turns = Turns(self._versions.changed)
        self._routes: dict[str | None, tuple[str, ...]] = {}
        self._reads: bool | None = None  # see `takes_lines`; None: not known yet
        self._arrays: list[tuple[Deployment, Array]] = []  # not settled
        self.firing = Firing(self._versions, self._turns, triggers, flows, load)
        self._switches.listen(self._switched)

    def deploy(self, bundle: Bundle) -> Deployment:
        """Make this version its task's live one; a former version drains.

        Raises VmError if the VM refuses it, ChainError if it cannot come after the tasks that it
        names, TableError if another task declares a table otherwise; the former version then stays
        live.
        """
        manifest = bundle.manifest
        with self._lock:
            live = {name: each.manifest for name, each in self._versions.live.items()}
        Chains({**live, manifest.name: manifest}).check(manifest.name)
        if self._flows is not None:
            self._flows.check_circles(manifest)
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
        with self._turns.alone():
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
            former = self._versions.add(deployment)
            self._forget_routes()
            self._connect()
            if self._flows is not None:
                self._flows.deploy(task_id, manifest)  # before the former version is withdrawn
            if former is not None:
                self._versions.retire(former)
        return deployment

    def withdraw(self, name: str) -> bool:
        """Take the task out; what it has begun finishes. False if it is not live."""
        with self._turns.alone():
            former = self._versions.live.pop(name, None)
            if self._triggers is not None:
                self._triggers.withdraw(name)
            if self._flows is not None:
                self._flows.withdraw(name)
            if self._tables is not None:
                self._tables.withdraw(name)
            self._forget_routes()
            self._connect()
            if former is not None:
                self._versions.retire(former)
        return former is not None

    def _connect(self) -> None:
        """Hand down which tasks start which, where that has changed. Before a version retires.

        A task that is switched off is not there, as far as chains go.
        """
        if not any(live.manifest.after for live in self._versions.live.values()):
            graphs: dict[str, tuple[str, ...]] = {}
        else:
            graphs = Chains(self._switched_on()).graphs()
        for name, live in self._versions.live.items():
            graph = graphs.get(name, (name,))
            chain = tuple(self._versions.live[each] for each in graph[1:])
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
            live = self._versions.live.get(name)
            return (name, *(each.manifest.name for each in live.chain)) if live else (name,)

    def waiting(self) -> dict[str, str]:
        """Return live tasks that come after others and that no trigger starts, with the reason."""
        with self._lock:
            manifests = self._switched_on()
        return Chains(manifests).waiting()

    def _switched_on(self) -> dict[str, Manifest]:
        return {name: live.manifest for name, live in self._versions.switched_on().items()}

    def targets(self, event: str | None) -> tuple[str, ...]:
        """Names of the live tasks that take a line with this event, in order of deployment.

        A task that is switched off takes none.
        """
        with self._lock:
            names = self._routes.get(event)
            if names is None:
                switched_on = self._versions.switched_on()
                names = tuple(name for name, live in switched_on.items() if live.takes(event))
                if len(self._routes) < 1024:  # event names come from the feed: do not hoard them
                    self._routes[event] = names
            return names

    @property
    def takes_lines(self) -> bool:
        """Whether any live task takes lines of the input, so that `targets` may name one."""
        with self._lock:
            if self._reads is None:
                self._reads = any(each.takes_lines for each in self._versions.live.values())
            return self._reads

    def _forget_routes(self) -> None:
        self._routes.clear()
        self._reads = None

    def _switched(self) -> None:
        with self._turns.alone():
            self._forget_routes()
            self._connect()
            if self._triggers is not None:
                self._triggers.switch()
            if self._flows is not None:
                self._flows.switch()

    def submit(self, name: str, payload: bytes, tag: int, **options: Unpack[SubmitOptions]) -> int:
        """Give one invocation to the task's live version; its id, or 0 if none is live.

        With it goes one of each task of its chain.
        Raises polyvm.vm.VmError, such as QueueFull, or Paused or Disabled, and then nothing was
        accepted.
        """
        with self._lock:
            return self._versions.submit(name, payload, tag, **options)

    def takes_arrays(self, name: str) -> bool:
        """Whether the task's live version, if there is one, runs in VMs and starts no chain."""
        with self._lock:
            deployment = self._versions.live.get(name)
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
            deployment = self._versions.live.get(name)
            if deployment is None:
                return None
            self._switches.check(name, deployment.manifest.lane)
            # In a journal tags tell them from lines of input: they are no small numbers.
            array = self._runner.submit_array(deployment.id, packed, time.time_ns(), **options)
            self._versions.count_array(deployment, len(array))
            self._arrays.append((deployment, array))
            return array

    def cancel(self, number: int) -> bool:
        """End the invocation with this id, as cancelled; False if it is over.

        One that runs is interrupted, and may yet end by itself before that reaches it.
        """
        return self._runner.cancel(number)

    def note_crash(self, name: str) -> None:
        """Tell the task's circuit breaker that it took an earlier process down."""
        with self._lock:
            deployment = self._versions.live.get(name)
            if deployment is not None:
                self._runner.note_crash(deployment.id)

    def breaker(self, name: str) -> Snapshot | None:
        """Return the circuit breaker of a live task; None for one that is not live."""
        with self._lock:
            deployment = self._versions.live.get(name)
            return self._runner.breaker(deployment.id) if deployment is not None else None

    def force_breaker(self, name: str, hold: Hold) -> Snapshot | None:
        """Do as an operator says; return what the breaker is then. None as `breaker` has it."""
        with self._lock:
            deployment = self._versions.live.get(name)
            if deployment is None:
                return None
            self._runner.force_breaker(deployment.id, hold)
            return self._runner.breaker(deployment.id)

    def breakers(self) -> dict[str, Snapshot]:
        """Return `breaker` of all live tasks, by name."""
        with self._lock:
            names = sorted(self._versions.live)
        # One by one, so that submissions need not wait for all of them.
        seen = {name: self.breaker(name) for name in names}
        return {name: breaker for name, breaker in seen.items() if breaker is not None}

    def settle(self, completions: list[Completion]) -> list[tuple[Completion, Manifest]]:
        """Count completions and pair each with its task's manifest."""
        with self._turns.alone():
            return self._versions.settle(completions)

    def returning(self, completions: list[Completion]) -> list[tuple[Completion, Manifest, int]]:
        """Return completions whose results are events, before they are settled.

        With the tasks' manifests, and how many tasks in a row led to the run, itself not counted.
        """
        with self._lock:
            if not any(each.manifest.results_into for each in self._versions.by_id.values()):
                return []
            paired = [
                (each, self._versions.by_id[each.task].manifest, self._versions.depth(each))
                for each in completions
            ]
        return [each for each in paired if each[1].results_into]

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
                self._versions.settle_array(deployment, array.result())
            self._versions.changed.notify_all()
        return True

    def is_whole(self, trigger: int) -> bool:
        """Whether all that an invocation started with its chain has been settled."""
        with self._lock:
            return self._versions.is_whole(trigger)

    def wait_for_room(self, timeout: float) -> None:
        """Block until some invocation is settled, or ``timeout`` seconds have passed."""
        with self._versions.changed:
            self._versions.changed.wait(timeout)

    def wait_until_idle(self, timeout: float) -> bool:
        """Block until nothing is pending, or ``timeout`` seconds; whether nothing is."""
        with self._versions.changed:
            return self._versions.changed.wait_for(lambda: self._versions.pending == 0, timeout)

    @property
    def pending(self) -> int:
        """Invocations submitted and not yet settled, of all tasks."""
        with self._lock:
            return self._versions.pending

    def live(self, name: str) -> Deployment | None:
        """Return the task's live version."""
        with self._lock:
            return self._versions.live.get(name)

    @property
    def live_count(self) -> int:
        """How many tasks are live."""
        with self._lock:
            return len(self._versions.live)

    def snapshot(self) -> list[Row]:
        """Return the figures of every live or draining version, sorted by name.

        The withdrawn versions of a task follow as one row, under the last one's number.
        """
        with self._lock:
            deployments = self._versions.all()
        rows = [self._row(deployment) for deployment in deployments]
        order = list(State)
        return sorted(rows, key=lambda row: (row.name, order.index(row.state)))

    def tallies(self) -> list[Tally]:
        """Return what has been counted since the start, by task and lane, over all versions.

        The counts are of one moment and never go down.
        """
        with self._lock:
            parts = [(each, Tally.of(each)) for each in self._versions.all()]
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

    def _row(self, deployment: Deployment) -> Row:
        stats = self._stats(deployment)
        if stats is not None:
            deployment.memory_bytes = stats.bytes or deployment.memory_bytes
        return Row.of(deployment, stats)

    def _stats(self, deployment: Deployment) -> TaskStats | None:
        if deployment.state is State.WITHDRAWN:
            return None
        try:
            return self._runner.stats(deployment.id)
        except VmError:
            return None  # its last VM has retired since
