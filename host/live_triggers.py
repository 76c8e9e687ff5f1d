"""The triggers of live tasks in an executor, switched as operators say. The registry locks.

Conditions and counters are the executor's; timers are here, and fire for whoever calls `tick`.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import msgspec

from polyvm.host.schedules import SECOND, Moment
from polyvm.host.timers import Timers
from polyvm.host.triggers import named
from polyvm.vm import TriggerMode, VmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polyvm.host.manifest import Manifest
    from polyvm.host.switches import Switches
    from polyvm.host.timer_keeper import TimerKeeper
    from polyvm.host.timers import Plan, Tick
    from polyvm.host.triggers import Kind
    from polyvm.vm import EventBatch, Ingestion, IntakeStats, Triggers, TriggersStats

SEPARATOR = "."  # between task and trigger, where operators name one; task names have none

_AT_ONCE = 64  # timers that fire at most while the registry is locked


def moment() -> Moment:
    """Return what time it is."""
    return Moment(time.monotonic_ns(), time.time_ns())


@dataclass(frozen=True, slots=True)
class LiveTrigger:
    """One of a live task."""

    id: int  # in the executor; 0: a timer
    task: str
    name: str
    lane: str
    kind: Kind
    condition: bytes | None  # None: a timer
    plan: Plan | None
    wait_ns: int | None  # that what has come into a stream waits at most
    elsewhere: bool  # its task runs in processes, which the executor does not submit to
    preload: bool  # it does not start its task, but makes it ready

    @property
    def full_name(self) -> str:
        """What operators call it."""
        return f"{self.task}{SEPARATOR}{self.name}"


@dataclass(frozen=True, slots=True)
class TriggerFigures:
    """What a trigger of this name did, over all versions of its task."""

    name: str
    task: str
    kind: Kind
    enabled: bool
    fired: int
    missed: int = 0  # times of a timer
    next_ns: int | None = None  # of a timer that is not switched off, on the wall


class LiveTriggers:
    """All the triggers of an executor. One thread at a time."""

    def __init__(
        self,
        triggers: Triggers,
        switches: Switches,
        *,
        kept: bool = False,
        before_counting: Callable[[], None] | None = None,
        keeper: TimerKeeper | None = None,
        clock: Callable[[], Moment] = moment,
    ) -> None:
        """Wrap them.

        kept: every event is to come here, as the executor keeps them. before_counting: called once,
        before what counters did is kept, too. keeper: knows what timers did in an earlier process.
        """
        self._triggers = triggers
        self._kept = kept
        self._before_counting = before_counting
        self._keeper = keeper
        self._clock = clock
        self._switches = switches
        self._live: dict[str, dict[str, LiveTrigger]] = {}  # by task and name
        self._by_id: dict[int, LiveTrigger] = {}
        self._modes: dict[int, TriggerMode] = {}  # by id
        self._timed: dict[str, LiveTrigger] = {}  # timers by full name
        self._timers = Timers()  # those that are not switched off
        self._fired: Counter[str] = Counter()  # by full name, of timers and of those that are gone
        self._missed: Counter[str] = Counter()  # likewise
        self.changed = threading.Event()  # `tick` may have to be called sooner

    def __bool__(self) -> bool:
        """Whether events are wanted."""
        return self._kept or bool(self._by_id)

    def deploy(self, task_id: int, manifest: Manifest) -> None:
        """Put in the triggers of a task's new version, and take out those of the one before.

        One whose sequence and key are the same goes on with its partial matches. Raises VmError,
        and then nothing has changed.
        """
        former = self._live.get(manifest.name, {})
        # A trigger that has another name in this version is still the same condition.
        same = {each.condition: each.id for each in former.values() if each.condition is not None}
        added: dict[str, LiveTrigger] = {}
        try:
            for name, trigger in named(manifest.triggers).items():
                made = LiveTrigger(
                    id=0,
                    task=manifest.name,
                    name=name,
                    lane=manifest.lane,
                    kind=trigger.kind,
                    condition=trigger.condition,
                    plan=trigger.plan,
                    wait_ns=trigger.wait_ns,
                    elsewhere=manifest.isolation != "vm",
                    preload=trigger.action == "preload",
                )
                added[name] = self._added(task_id, made, same, former)
        except VmError:
            for each in added.values():
                if each.id:
                    self._triggers.remove(each.id)
                    del self._modes[each.id]
            raise
        self._remove(former)
        if added:
            self._live[manifest.name] = added
            self._by_id.update({each.id: each for each in added.values() if each.id})
            self._timed.update({each.full_name: each for each in added.values() if each.plan})
        else:
            self._live.pop(manifest.name, None)
        self._set_timers()

    def _added(
        self,
        task_id: int,
        made: LiveTrigger,
        same: Mapping[bytes, int],
        former: Mapping[str, LiveTrigger],
    ) -> LiveTrigger:
        if made.condition is None:
            return made
        before = former.get(made.name)
        # A counter goes on from another one of its name, whatever is enough for it now.
        replaces = same.get(made.condition, 0)
        if not replaces and made.kind == "stream" and before is not None:
            replaces = before.id
        mode = self._mode(made)
        number = self._triggers.add(
            task_id, made.name, made.condition, mode=mode, replaces=replaces
        )
        made = dataclasses.replace(made, id=number)
        self._modes[number] = mode
        if made.kind == "stream":
            replaced = next((each for each in former.values() if each.id == replaces), None)
            goes_on = (
                replaced is not None
                and _counted(replaced) == _counted(made)
                and TriggerMode.OFF not in (mode, self._modes[replaced.id])
            )
            self._keep(made, goes_on=goes_on)
        return made

    def _keep(self, trigger: LiveTrigger, *, goes_on: bool = False) -> None:
        """Have a counter go on from where it was when an earlier process ended."""
        if self._kept:
            if self._before_counting is not None:
                self._before_counting()
                self._before_counting = None
            stream, key = _counted(trigger)
            name = f"{trigger.full_name}\n{stream}\n{key}"
            mode = self._modes[trigger.id]
            self._triggers.keep(trigger.id, stream, name, mode=mode, goes_on=goes_on)

    def withdraw(self, task: str) -> None:
        """Take out the triggers of a task."""
        self._remove(self._live.pop(task, {}))
        self._set_timers()

    def _remove(self, former: Mapping[str, LiveTrigger]) -> None:
        for each in former.values():
            if each.id:
                self._fired[each.full_name] += self._triggers.stats(each.id).fired
                self._triggers.remove(each.id)
                del self._by_id[each.id], self._modes[each.id]
            else:
                del self._timed[each.full_name]

    def switch(self) -> None:
        """Do as the switches say now."""
        for each in self._by_id.values():
            mode, former = self._mode(each), self._modes[each.id]
            self._triggers.set_mode(each.id, mode)
            self._modes[each.id] = mode
            if each.kind == "stream" and (mode is TriggerMode.OFF) != (former is TriggerMode.OFF):
                self._keep(each)
        self._set_timers()

    def _set_timers(self) -> None:
        """Have those timers that are not switched off; what was held may go on."""
        now = self._clock()
        wanted = {
            name: each
            for name, each in self._timed.items()
            if self._mode(each) is not TriggerMode.OFF
        }
        for name in self._timers.names() - wanted.keys():
            self._missed[name] += self._timers.missed(name)
            self._timers.remove(name)
        for name, each in wanted.items():
            assert each.plan is not None, "it is a timer"
            last = self._keeper.last_ns(name, each.plan) if self._keeper is not None else None
            self._timers.add(name, each.plan, now, last)
        self._timers.release(now)
        self.changed.set()

    def tick(self, fire: Callable[[LiveTrigger, bytes], bool]) -> float | None:
        """Call ``fire`` for each timer that is due, with a payload; False: it is held.

        Returns the seconds until this is to be called again; None: when `changed` is set.
        """
        now = self._clock()

        def start(tick: Tick) -> bool:
            trigger = self._timed[tick.name]
            fired = fire(trigger, _payload(trigger, tick, now))
            self._fired[tick.name] += fired
            return fired

        self._timers.run(now, start, _AT_ONCE)
        if self._keeper is not None:
            self._keeper.note(self._timers.last_ns())
        return self._timers.wait_ns(self._clock()) / SECOND if self._timers.names() else None

    def tick_counters(
        self, *, all_of_them: bool = False, flows: bool = False
    ) -> tuple[EventBatch | None, float | None]:
        """Fire the counters that have waited long enough, and tell when the next will have.

        That is the seconds until this is to be called again; None: when `changed` is set. flows:
        there are any, whose time goes on with this.
        """
        waits = [each.wait_ns for each in self._by_id.values() if each.wait_ns is not None]
        if not waits and not all_of_them and not flows:
            return None, None
        batch, wait_ns = self._triggers.tick(all=all_of_them)
        # What begins to count after this has waited no sooner.
        waits += [wait_ns] if wait_ns is not None else []
        return batch, min(waits) / SECOND if waits else None

    def finish_flows(self) -> EventBatch:
        """The streams have ended: what flows still have open gives its results."""
        return self._triggers.finish_flows()

    def _mode(self, trigger: LiveTrigger) -> TriggerMode:
        switches = self._switches
        if not switches.setting("trigger", trigger.full_name).enabled or not switches.enabled(
            trigger.task, trigger.lane
        ):
            return TriggerMode.OFF
        paused = (
            switches.setting("task", trigger.task).paused
            or switches.setting("lane", trigger.lane).paused
        )
        # What fires meanwhile is handed out: whoever has the event waits, or is told.
        handed_out = paused or trigger.elsewhere or trigger.preload
        return TriggerMode.HAND_OUT if handed_out else TriggerMode.SUBMIT

    def ingest(self, data: bytes | memoryview, **options: Unpack[Ingestion]) -> EventBatch:
        """Hand in events, as `Registry.ingest` says. Raises VmError if none was taken in."""
        return self._triggers.ingest(data, **options)

    def bury(self, event: bytes, why: str, source: str) -> bool:
        """Keep a dead letter; False where no events are kept. Raises StoreError."""
        if self._kept:
            self._triggers.bury(event, why, source)
        return self._kept

    def intake(self, stream: str) -> IntakeStats:
        """Count what a declared stream did not take. Raises UnknownTask."""
        return self._triggers.intake_stats(stream)

    def collect(self) -> EventBatch | None:
        """Return what fired by events that tasks appended, a part of it; None: there is no more."""
        return self._triggers.collect()

    def has(self, number: int) -> bool:
        """Whether the one with this number is live."""
        return number in self._by_id

    def get(self, number: int) -> LiveTrigger:
        """Return a live one by its number."""
        return self._by_id[number]

    def knows(self, full_name: str) -> bool:
        """Whether one of this name is live."""
        task, _, name = full_name.partition(SEPARATOR)
        return name in self._live.get(task, {})

    def figures(self) -> list[TriggerFigures]:
        """Return what the live ones did, by name."""
        now = self._clock()
        live = [*self._by_id.values(), *self._timed.values()]
        return sorted((self._figures(each, now) for each in live), key=lambda each: each.name)

    def _figures(self, trigger: LiveTrigger, now: Moment) -> TriggerFigures:
        name = trigger.full_name
        runs = name in self._timers.names() and trigger.plan is not None
        return TriggerFigures(
            name=name,
            task=trigger.task,
            kind=trigger.kind,
            enabled=self._switches.setting("trigger", name).enabled,
            fired=self._fired[name] + (self._triggers.stats(trigger.id).fired if trigger.id else 0),
            missed=self._missed[name] + (self._timers.missed(name) if runs else 0),
            next_ns=self._timers.next_ns(name, now) if runs else None,
        )

    def stats(self) -> TriggersStats:
        """Return the figures of all together."""
        return self._triggers.all_stats()


def _counted(trigger: LiveTrigger) -> tuple[str, str]:
    """What a counter counts: a stream, by the values of a field."""
    assert trigger.condition is not None, "a counter has a declaration"
    declared = msgspec.msgpack.decode(trigger.condition)
    return declared["stream"], declared.get("key") or ""


def _payload(trigger: LiveTrigger, tick: Tick, now: Moment) -> bytes:
    return msgspec.msgpack.encode(
        {
            "trigger": trigger.name,
            "time": now.wall_ns / SECOND,
            "scheduled": tick.scheduled_ns / SECOND,
            "missed": tick.missed,
        }
    )
