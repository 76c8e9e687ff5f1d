"""The versions that are live or draining, and the counts of what they have on their way."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Unpack

from polyvm.host import log
from polyvm.host.deployment import Deployment, State
from polyvm.vm import Outcome

if TYPE_CHECKING:
    from polyvm.host.manifest import Manifest
    from polyvm.host.runners import Runners
    from polyvm.host.switches import Switches
    from polyvm.vm import Batch, Completion, SubmitOptions


class LiveVersions:
    """Deployments by name and by id. Whoever calls a method or reads a field holds the lock.

    The change of versions and each submission happen under this one lock, so that no invocation
    can be given to a version after its withdrawal, nor settled before it is counted.
    """

    def __init__(self, runner: Runners, switches: Switches) -> None:
        """``switches`` say which tasks and lanes are off."""
        self._runner = runner
        self._switches = switches
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)  # told when something has been settled
        self.live: dict[str, Deployment] = {}
        self.by_id: dict[int, Deployment] = {}
        self._gone: dict[tuple[str, str], Deployment] = {}  # withdrawn ones, by name and lane
        self.pending = 0  # submitted and not yet settled
        self._graphs: dict[int, int] = {}  # of each trigger, how many have not been settled
        self._depths: dict[int, int] = {}  # of what tasks led to, by the number of its first run

    def all(self) -> list[Deployment]:
        """Return the withdrawn versions, then the others in order of deployment."""
        return [*self._gone.values(), *self.by_id.values()]

    def add(self, deployment: Deployment) -> Deployment | None:
        """Make a version its task's live one; the former one, which is to `retire`."""
        former = self.live.get(deployment.manifest.name)
        self.live[deployment.manifest.name] = deployment
        self.by_id[deployment.id] = deployment
        return former

    def switched_on(self) -> dict[str, Deployment]:
        """Return the live versions whose task and lane are not switched off."""
        return {
            name: live
            for name, live in self.live.items()
            if self._switches.enabled(name, live.manifest.lane)
        }

    def retire(self, former: Deployment) -> None:
        """Withdraw a version that is live no more: it finishes what it has begun."""
        former.state = State.DRAINING
        self._runner.withdraw(former.id)
        self._settle_state(former)

    def _settle_state(self, deployment: Deployment) -> None:
        if deployment.state is State.DRAINING and deployment.pending == 0:
            deployment.state = State.WITHDRAWN
            del self.by_id[deployment.id]
            # All withdrawn versions of a task share one record, so that it stays small; one in
            # each lane that it was in, so that a lane's counts never go down.
            place = (deployment.manifest.name, deployment.manifest.lane)
            earlier = self._gone.get(place)
            if earlier is not None:
                deployment.absorb(earlier)
            self._gone[place] = deployment

    def submit(self, name: str, payload: bytes, tag: int, **options: Unpack[SubmitOptions]) -> int:
        """Give one invocation to the task's live version; its id, or 0 if none is live.

        Raises as `Registry.submit`.
        """
        deployment = self.live.get(name)
        if deployment is None:
            return 0
        for each in (deployment, *deployment.chain):
            self._switches.check(each.manifest.name, each.manifest.lane)
        # Its completion may be collected before submit returns, but not settled: see the lock.
        number = self._runner.submit(deployment.id, payload, tag, **options)
        depth = options.get("depth", 0)
        if depth:
            self._depths[number] = depth
        self.count(deployment, number)
        return number

    def depth(self, completion: Completion) -> int:
        """Return how many tasks in a row led to a run that is not settled, itself not counted."""
        return self._depths.get(completion.trigger or completion.id, 0)

    def count(self, first: Deployment, number: int) -> None:
        """Count an accepted invocation and what it starts after it."""
        if first.chain:
            self._graphs[number] = 1 + len(first.chain)
        for each in (first, *first.chain):
            each.submitted += 1
        self.pending += 1 + len(first.chain)

    def count_array(self, deployment: Deployment, elements: int) -> None:
        """Count the accepted elements of an array."""
        deployment.submitted += elements
        self.pending += elements

    def warm(self, deployment: Deployment) -> None:
        """Have VMs made ready for a version, unless they are being made already.

        Raises VmError, Paused or Disabled.
        """
        self._switches.check(deployment.manifest.name, deployment.manifest.lane)
        number = self._runner.warm(deployment.id) if not deployment.warming else 0
        if number:
            deployment.warming.add(number)
            self.pending += 1

    def settle(self, completions: list[Completion]) -> list[tuple[Completion, Manifest]]:
        """Count how invocations ended, and pair each with its task's manifest.

        What only made a VM ready is none.
        """
        paired = []
        for completion in completions:
            deployment = self.by_id[completion.task]
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
                    self._depths.pop(completion.trigger, None)
            else:
                self._depths.pop(completion.id, None)
            self._settle_state(deployment)
        self.pending -= len(completions)
        return paired

    def settle_array(self, deployment: Deployment, batch: Batch) -> None:
        """Count how the elements of an array ended."""
        deployment.finished += len(batch)
        deployment.failed += batch.not_done or 0
        for outcome, count in Counter(batch.outcomes).items():
            deployment.outcomes[outcome] += count
        deployment.queued.record_all(batch.queued_ns)
        deployment.latency.record_all(batch.run_ns)
        self.pending -= len(batch)
        self._settle_state(deployment)

    def is_whole(self, trigger: int) -> bool:
        """Whether all that an invocation started with its chain has been settled."""
        return trigger not in self._graphs


def _tell_of_warming(deployment: Deployment, completion: Completion) -> None:
    if completion.outcome not in (Outcome.DONE, Outcome.CANCELLED):
        reason = bytes(completion.data).decode("utf-8", "replace")
        log.get().error("task not preloaded", task=deployment.manifest.name, reason=reason)
