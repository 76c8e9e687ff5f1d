"""What of the host the API reaches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polyvm.host.events import Events
    from polyvm.host.features import FeatureTables
    from polyvm.host.invocations import Invocations
    from polyvm.host.job_runner import JobRunner
    from polyvm.host.metrics import Metrics
    from polyvm.host.registry import Registry
    from polyvm.host.streams import Declared
    from polyvm.host.switches import Switches
    from polyvm.vm import EventStore, ThreadStats


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """All of it may be used from the API's threads."""

    registry: Registry
    invocations: Invocations
    events: Events
    event_store: EventStore | None
    features: FeatureTables
    jobs: JobRunner
    switches: Switches
    metrics: Metrics
    threads: Callable[[], ThreadStats]
    unready: Callable[[], str | None]  # why the host takes no work as a whole
    refused: Callable[[], list[tuple[str, str]]]  # bundles that cannot be taken, and why
    streams: Mapping[str, Declared] = field(default_factory=dict)  # that are declared
