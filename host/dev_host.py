"""What a task has of a host under ordinary Python: tables, kept events, flows and its triggers.

They are the host's own, in the same library; only what they start is handed back, to be run here.
Nothing goes by the clock: windows and counters give what they have when `finish` is called.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from polyvm.host import operators, streams
from polyvm.host.errors import ManifestError, UsageError
from polyvm.host.event_store import Keeping, losses, open_store, read
from polyvm.host.features import FeatureTables
from polyvm.host.live_flows import LiveFlows
from polyvm.host.live_triggers import LiveTriggers
from polyvm.host.store_server import StoreServer, Taken
from polyvm.host.switches import Switches
from polyvm.vm import DEPTH_MAX, Executor, VmError, holding

if TYPE_CHECKING:
    from polyvm.host.dev import Options
    from polyvm.host.event_store import Kept, Query
    from polyvm.host.manifest import Manifest
    from polyvm.host.operators import Operators
    from polyvm.vm import EventBatch


class Started(NamedTuple):
    """What a trigger or a flow starts the task with."""

    payload: bytes
    line: int  # of the input; 0: none
    depth: int  # how many tasks in a row appended what started it


class DevHost:
    """The store and the streams of one task, from its making to `close`."""

    def __init__(self, manifest: Manifest, options: Options) -> None:
        """Open them. Raises PolyvmError."""
        self.manifest = manifest
        self.started: deque[Started] = deque()
        self.line = 0  # that what tasks append belongs to
        beside = (
            operators.read(options.flows) if options.flows is not None else operators.Operators()
        )
        keeping = _keeping(options)
        self.store = open_store(keeping) if keeping is not None else None
        self._executor = Executor(workers=1)
        self.features = FeatureTables(self.store)
        try:
            self.features.attach(self._executor)
            self._configure(options, keeping.streams if keeping is not None else {})
            switches = Switches()
            kept = self.store is not None
            self._triggers = LiveTriggers(self._executor.triggers, switches, kept=kept)
            self._flows = LiveFlows(self._executor.flows, switches)
            self._declare(beside)
        except BaseException:
            self.close()
            raise
        self.server = StoreServer(self.features.packed, self.store, self._append)

    def _configure(self, options: Options, declared: dict[str, streams.Declared]) -> None:
        configuration = options.event_fields.configuration
        if self.store is not None:
            configuration["store"] = self.store.handle
            configuration["streams"] = streams.packed(declared)
        self._executor.triggers.configure(**configuration)

    def _declare(self, beside: Operators) -> None:
        # The executor has no such task: whatever starts it is handed out, as to a process's.
        handed_out = msgspec.structs.replace(self.manifest, isolation="process")
        try:
            self.features.declare(beside.tables)
            self._flows.set_operators(beside.flows)
        except VmError as error:
            raise UsageError(f"flows: {error}") from None
        try:
            self.features.deploy(handed_out)
            self._flows.check(handed_out)
            self._triggers.deploy(0, handed_out)
            self._flows.deploy(0, handed_out)
        except VmError as error:
            raise ManifestError(f"{self.manifest.name}: {error}") from None

    def close(self) -> None:
        """Let go of all. Nobody may use the store or the tables any more."""
        self._executor.close()
        self.features.close()
        if self.store is not None:
            self.store.close()

    @property
    def losses(self) -> list[str]:
        """What of the kept events was found damaged."""
        seen = self.store.streams() if self.store is not None else []
        return [lost for lost in map(losses, seen) if lost is not None]

    @property
    def takes_events(self) -> bool:
        """Whether anything becomes of events."""
        return bool(self._triggers) or bool(self._flows)

    # ---- Events ----

    def take(
        self, events: bytes, *, stream: str = "", source: str, line: int = 0, depth: int = 0
    ) -> Taken:
        """Hand in MessagePack maps one behind the other; `started` gets what they fire."""
        self.line = line
        try:
            batch = self._triggers.ingest(
                events, stream=stream, source=source, first_tag=line, depth=depth
            )
        except VmError as error:
            return Taken(0, 0, 0, error)
        self._start(batch, line)
        return Taken(batch.taken, batch.duplicates, batch.dead, batch.error)

    def _append(self, events: bytes, *, source: str, depth: int) -> Taken:
        return self.take(events, source=source, line=self.line, depth=depth)

    def give_back(self, result: bytes, line: int, depth: int) -> str | None:
        """Let a task's result be an event of the stream that its manifest says; why it is none."""
        stream, source = self.manifest.results_into or "", f"task {self.manifest.name}"
        if depth < DEPTH_MAX:
            taken = self.take(result, stream=stream, source=source, line=line, depth=depth + 1)
            return str(taken.error) if taken.error is not None else None
        why = (
            f"it is for stream {stream!r}, and took {DEPTH_MAX + 1} tasks in a row, each started "
            "by what the one before had made"
        )
        self.bury(result, why, source)
        return why

    def bury(self, event: bytes, why: str, source: str) -> None:
        """Keep what is no event as a dead letter, where events are kept. Raises StoreError."""
        self._triggers.bury(event, why, source)

    def finish(self) -> None:
        """The streams have ended: what flows still have open, and what was counted, is started."""
        self._start(self._triggers.finish_flows(), 0)
        batch, _ = self._triggers.tick_counters(all_of_them=True)
        if batch is not None:
            self._start(batch, 0)

    def _start(self, batch: EventBatch, line: int) -> None:
        for fired in batch.fired:
            ready = bool(fired.trigger) and self._triggers.get(fired.trigger).preload
            if fired.payload is not None and not ready:
                self.started.append(Started(holding(fired.payload), line, fired.depth))

    def kept(self, query: Query) -> list[Kept]:
        """Return kept events. Raises UsageError where none are, MissingError for the stream."""
        if self.store is None:
            raise UsageError("no events are kept: name a folder for them")
        return read(self.store, query)


def _keeping(options: Options) -> Keeping | None:
    if options.events is None:
        if options.streams is not None:
            raise UsageError("--streams says how --events keeps events; give it a folder")
        return None
    declared = streams.read(options.streams) if options.streams is not None else {}
    return Keeping(folder=options.events, streams=declared, key=options.events_key)
