"""One version of one task in the executor, with its figures."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING

from polyvm.host.latency import Histogram
from polyvm.vm import Lane, Outcome

if TYPE_CHECKING:
    from polyvm.host.deferred_models import DeferredModels
    from polyvm.host.manifest import Manifest

LANES = {"core": Lane.CORE, "regular": Lane.REGULAR, "low": Lane.LOW}


class State(enum.StrEnum):
    """What a deployment is doing, in the words of the table."""

    LIVE = "live"
    DRAINING = "draining"
    WITHDRAWN = "withdrawn"


@dataclass(slots=True)
class Deployment:
    """One version of one task. Its fields are guarded by the lock of `LiveVersions`."""

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

    @property
    def takes_lines(self) -> bool:
        """Whether there is an event with which it `takes` a line."""
        return not self.manifest.after and bool(self.manifest.events or self.takes(None))

    def absorb(self, earlier: Deployment) -> None:
        """Add the counts of an earlier version that has been withdrawn."""
        self.submitted += earlier.submitted
        self.finished += earlier.finished
        self.failed += earlier.failed
        self.outcomes = list(map(add, self.outcomes, earlier.outcomes))
        self.queued.merge(earlier.queued)
        self.latency.merge(earlier.latency)
