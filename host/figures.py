"""What the table, the API and the metrics show of tasks: rows of versions, tallies over them."""

from __future__ import annotations

from dataclasses import dataclass
from operator import add
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyvm.host.deployment import Deployment, State
    from polyvm.host.latency import Histogram
    from polyvm.vm import TaskStats


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

    @classmethod
    def of(cls, deployment: Deployment, stats: TaskStats | None) -> Row:
        """Show a version; stats: what the executor tells of it, None if it is gone there."""
        latency = deployment.latency
        return cls(
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
