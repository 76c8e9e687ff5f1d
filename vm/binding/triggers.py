"""Triggers of an executor: events in, matched and submitted in C."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from .library import ERR_MAX, check, ffi, lib, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .errors import VmError


class TriggerMode(IntEnum):
    """What becomes of a trigger's matches."""

    OFF = lib.PVM_TRIGGER_OFF
    SUBMIT = lib.PVM_TRIGGER_SUBMIT
    HAND_OUT = lib.PVM_TRIGGER_HAND_OUT


DEPTH_MAX = int(lib.PVM_DEPTH_MAX)  # tasks in a row, each started by what the one before made


@dataclass(frozen=True, slots=True)
class Fired:
    """A match, or a row of a flow for a task; trigger or flow is 0.

    ``payload`` is there unless its invocation was accepted; then ``id`` is its id. error: why that
    was refused; None for one that was accepted, or is only handed out.
    depth: how many tasks in a row appended the event; 0: it came from outside.
    """

    trigger: int
    task: int
    tag: int
    id: int
    payload: bytes | None
    error: VmError | None
    flow: int = 0
    depth: int = 0


@dataclass(frozen=True, slots=True)
class EventBatch:
    """What became of some events."""

    taken: int  # events, up to the first that is no MessagePack, or was not kept
    matched: int  # of these, those that began, continued or completed a match
    fired: list[Fired]
    lost: int  # matches that could not be told, for want of memory
    duplicates: int = 0  # of these events, those that were passed over: their id was seen
    dead: int = 0  # of these, those that were refused, and kept as dead letters
    error: VmError | None = None  # why the next one was not taken
    consumed: int = 0  # of attended lines: bytes of those that are done with


@dataclass(frozen=True, slots=True)
class TriggerStats:
    """One trigger's matches, and what became of them."""

    fired: int
    accepted: int
    handed_out: int
    full: int
    rate: int
    breaker: int
    other: int


@dataclass(frozen=True, slots=True)
class TriggersStats:
    """All triggers of an executor: counts so far, and what there is now."""

    events: int
    matched: int
    fired: int
    dropped: int
    evicted: int
    pending: int
    keys: int
    bytes: int
    triggers: int
    nodes: int
    duplicates: int
    dead: int


@dataclass(frozen=True, slots=True)
class IntakeStats:
    """What became of the events of a declared stream that were not taken; its ids."""

    duplicates: int
    dead: int
    ids: int
    forgotten: int
    bytes: int


_STATS = tuple(TriggerStats.__dataclass_fields__)
_ALL_STATS = tuple(TriggersStats.__dataclass_fields__)
_INTAKE_STATS = tuple(IntakeStats.__dataclass_fields__)


class Ingestion(TypedDict, total=False):
    """How events come in.

    lines: as JSON lines, not as MessagePack values one behind the other. stream: of events that
    name none. source: what dead letters tell. first_tag: tags count up from it, by lines or values.
    attended, positions, depth: see pvm_ingestion.
    """

    lines: bool
    stream: str
    source: str
    first_tag: int
    attended: bool
    positions: bool
    depth: int


class Triggers:
    """The triggers of one executor. Every method is for any thread."""

    def __init__(self, handle: Callable[[], Any]) -> None:
        self._handle = handle

    def configure(self, **fields: Any) -> None:
        """Set fields of pvm_trigger_config, before the first trigger and event.

        store: the `handle` of an EventStore, which outlives the executor. streams: declarations,
        the MessagePack of engine/include/intake.h.
        """
        config = ffi.new("pvm_trigger_config *")
        lib.pvm_trigger_config_init(config)
        kept = []
        for name, value in fields.items():
            if isinstance(value, str):
                kept.append(ffi.new("char[]", value.encode()))
                setattr(config, name, kept[-1])
            elif isinstance(value, bytes):
                kept.append(ffi.from_buffer(value))
                setattr(config, name, kept[-1])
                setattr(config, f"{name}_len", len(value))
            else:
                setattr(config, name, value)
        err = ffi.new("char[]", ERR_MAX)
        check(lib.pvm_triggers_configure(self._handle(), config, err), err)

    def add(
        self,
        task: int,
        name: str,
        condition: bytes,
        *,
        mode: TriggerMode = TriggerMode.SUBMIT,
        replaces: int = 0,
    ) -> int:
        """Add a trigger, and return its id.

        condition: the MessagePack of a condition or a counter of engine/include/stream.h; task 0
        only with HAND_OUT or OFF.
        replaces: a trigger whose partial matches it goes on with, if steps and key are the same.
        """
        err = ffi.new("char[]", ERR_MAX)
        status = lib.pvm_trigger_add(
            self._handle(), task, name.encode(), condition, len(condition), mode, replaces, err
        )
        return check(status, err)

    def keep(
        self,
        trigger: int,
        stream: str,
        name: str,
        *,
        mode: TriggerMode = TriggerMode.SUBMIT,
        goes_on: bool = False,
    ) -> None:
        """Have a counter go on, in this process and the next ones, from what is kept of it.

        stream: the counter's. name: what it is kept under. mode: its own; OFF forgets what is kept.
        goes_on: it has the counts of one that it replaces. What is enough by then comes with
        `collect`.
        """
        check(
            lib.pvm_trigger_keep(
                self._handle(), trigger, stream.encode(), name.encode(), mode, goes_on
            )
        )

    def remove(self, trigger: int) -> None:
        """Take a trigger out; no later event fires it."""
        check(lib.pvm_trigger_remove(self._handle(), trigger))

    def set_mode(self, trigger: int, mode: TriggerMode) -> None:
        """Switch a trigger; from OFF it begins anew."""
        check(lib.pvm_trigger_set_mode(self._handle(), trigger, mode))

    def event(self, event: bytes, tag: int = 0) -> EventBatch:
        """Hand in one event. DecodeError if it is no MessagePack."""
        batch = ffi.new("pvm_fired_batch *")
        try:
            check(lib.pvm_event(self._handle(), tag, event, len(event), batch))
            return _batch(1, batch)
        finally:
            lib.pvm_fired_free(batch)

    def events(self, events: Sequence[bytes], first_tag: int = 0) -> EventBatch:
        """Hand in events, with tags that count up. DecodeError if the first is no MessagePack."""
        batch = ffi.new("pvm_fired_batch *")
        ends = ffi.new("size_t[]", list(accumulate(map(len, events))))
        try:
            taken = check(
                lib.pvm_events(
                    self._handle(), first_tag, b"".join(events), ends, len(events), batch
                )
            )
            return _batch(taken, batch)
        finally:
            lib.pvm_fired_free(batch)

    def tick(self, *, all: bool = False) -> tuple[EventBatch, int | None]:
        """Fire the counters that have waited long enough; all: whatever they have counted.

        Also returns the nanoseconds until one that has begun to count has waited; None: none has.
        """
        batch = ffi.new("pvm_fired_batch *")
        wait = ffi.new("uint64_t *")
        try:
            check(lib.pvm_triggers_tick(self._handle(), all, wait, batch))
            return _batch(0, batch), None if wait[0] == 2**64 - 1 else int(wait[0])
        finally:
            lib.pvm_fired_free(batch)

    def finish_flows(self) -> EventBatch:
        """The streams have ended: what flows still have open gives its results."""
        batch = ffi.new("pvm_fired_batch *")
        try:
            check(lib.pvm_flows_finish(self._handle(), batch))
            return _batch(0, batch)
        finally:
            lib.pvm_fired_free(batch)

    def collect(self) -> EventBatch | None:
        """Return what fired by events that tasks appended, a part of it; None: there is no more."""
        batch = ffi.new("pvm_fired_batch *")
        try:
            check(lib.pvm_fired_collect(self._handle(), batch))
            return _batch(0, batch) if batch.count or batch.lost else None
        finally:
            lib.pvm_fired_free(batch)

    def ingest(
        self, data: bytes | bytearray | memoryview, **options: Unpack[Ingestion]
    ) -> EventBatch:
        """Hand in events in one call; an array stands for what is in it.

        Raises VmError if nothing was taken.
        """
        batch = ffi.new("pvm_fired_batch *")
        given = ffi.new("pvm_ingestion *")
        names = [
            ffi.new("char[]", options.get("stream", "").encode()),
            ffi.new("char[]", options.get("source", "").encode()),
        ]
        given.stream, given.source = names
        for name in ("lines", "first_tag", "attended", "positions", "depth"):
            setattr(given, name, options.get(name, 0))
        # Let go of by hand: a memoryview that is lent must not meet the garbage collector, as it
        # may in the traceback of what is raised here.
        with ffi.from_buffer(data) as held:
            given.data, given.len = held, len(held)
            try:
                return _batch(check(lib.pvm_ingest(self._handle(), given, batch)), batch)
            finally:
                lib.pvm_fired_free(batch)

    def bury(self, event: bytes, reason: str, source: str = "") -> None:
        """Keep a dead letter that the caller found."""
        why, whom = reason.encode(), source.encode()
        check(lib.pvm_dead_letter(self._handle(), event, len(event), why, whom))

    def intake_stats(self, stream: str | None = None) -> IntakeStats:
        """Count what a declared stream did not take; all, with None. UnknownTask: not declared."""
        raw = ffi.new("pvm_intake_stats *")
        name = stream.encode() if stream is not None else ffi.NULL
        check(lib.pvm_intake_stats_get(self._handle(), name, raw))
        return IntakeStats(*(getattr(raw, name) for name in _INTAKE_STATS))

    def stats(self, trigger: int) -> TriggerStats:
        """Count what one trigger has done."""
        raw = ffi.new("pvm_trigger_stats *")
        check(lib.pvm_trigger_stats_get(self._handle(), trigger, raw))
        return TriggerStats(*(getattr(raw, name) for name in _STATS))

    def all_stats(self) -> TriggersStats:
        """Count what all of them have done, and hold."""
        raw = ffi.new("pvm_triggers_stats *")
        check(lib.pvm_triggers_stats_get(self._handle(), raw))
        return TriggersStats(*(getattr(raw, name) for name in _ALL_STATS))


def _batch(taken: int, batch: Any) -> EventBatch:
    fired, start = [], 0
    for i in range(batch.count):
        one = batch.fired[i]
        payload = None
        if one.status != lib.PVM_OK:
            payload = bytes(ffi.buffer(batch.data + start, one.end - start))
        start = one.end
        error = refusal(one.status) if one.status < 0 else None
        numbers = (one.trigger, one.task, one.tag, one.id)
        fired.append(Fired(*numbers, payload, error, one.flow, one.depth))
    stopped = refusal(batch.status) if batch.status < 0 else None
    return EventBatch(
        taken,
        batch.matched,
        fired,
        batch.lost,
        batch.duplicates,
        batch.dead,
        stopped,
        batch.consumed,
    )
