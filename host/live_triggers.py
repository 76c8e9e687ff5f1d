"""The triggers of live tasks in an executor, switched as operators say. The registry locks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyvm.host.triggers import named
from polyvm.vm import TriggerMode, VmError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polyvm.host.manifest import Manifest
    from polyvm.host.switches import Switches
    from polyvm.vm import EventBatch, Triggers, TriggersStats

SEPARATOR = "."  # between task and trigger, where operators name one; task names have none


@dataclass(frozen=True, slots=True)
class LiveTrigger:
    """One that is in the executor."""

    id: int
    task: str
    name: str
    lane: str
    condition: bytes
    elsewhere: bool  # its task runs in processes, which the executor does not submit to

    @property
    def full_name(self) -> str:
        """What operators call it."""
        return f"{self.task}{SEPARATOR}{self.name}"


@dataclass(frozen=True, slots=True)
class TriggerFigures:
    """What a trigger of this name did, over all versions of its task."""

    name: str
    task: str
    enabled: bool
    fired: int


class LiveTriggers:
    """All the triggers of an executor. One thread at a time."""

    def __init__(self, triggers: Triggers, switches: Switches, *, kept: bool = False) -> None:
        """Wrap them; ``kept``: every event is to come here, as the executor keeps them."""
        self._triggers = triggers
        self._kept = kept
        self._switches = switches
        self._live: dict[str, dict[str, LiveTrigger]] = {}  # by task and name
        self._by_id: dict[int, LiveTrigger] = {}
        self._fired: Counter[str] = Counter()  # by full name, of triggers that are gone

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
        same = {each.condition: each.id for each in former.values()}
        added: dict[str, LiveTrigger] = {}
        try:
            for name, trigger in named(manifest.triggers).items():
                condition = trigger.condition
                made = LiveTrigger(
                    0, manifest.name, name, manifest.lane, condition, manifest.isolation != "vm"
                )
                number = self._triggers.add(
                    task_id, name, condition, mode=self._mode(made), replaces=same.get(condition, 0)
                )
                added[name] = LiveTrigger(
                    number, made.task, name, made.lane, condition, made.elsewhere
                )
        except VmError:
            for each in added.values():
                self._triggers.remove(each.id)
            raise
        self._remove(former)
        if added:
            self._live[manifest.name] = added
            self._by_id.update({each.id: each for each in added.values()})
        else:
            self._live.pop(manifest.name, None)

    def withdraw(self, task: str) -> None:
        """Take out the triggers of a task."""
        self._remove(self._live.pop(task, {}))

    def _remove(self, former: Mapping[str, LiveTrigger]) -> None:
        for each in former.values():
            self._fired[each.full_name] += self._triggers.stats(each.id).fired
            self._triggers.remove(each.id)
            del self._by_id[each.id]

    def switch(self) -> None:
        """Do as the switches say now."""
        for each in self._by_id.values():
            self._triggers.set_mode(each.id, self._mode(each))

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
        return TriggerMode.HAND_OUT if paused or trigger.elsewhere else TriggerMode.SUBMIT

    def events(self, events: list[bytes], first_tag: int) -> EventBatch:
        """Hand in events."""
        return self._triggers.events(events, first_tag)

    def get(self, number: int) -> LiveTrigger:
        """Return a live one by its number."""
        return self._by_id[number]

    def knows(self, full_name: str) -> bool:
        """Whether one of this name is live."""
        task, _, name = full_name.partition(SEPARATOR)
        return name in self._live.get(task, {})

    def figures(self) -> list[TriggerFigures]:
        """Return what the live ones did, by name."""
        return sorted(
            (
                TriggerFigures(
                    each.full_name,
                    each.task,
                    self._switches.setting("trigger", each.full_name).enabled,
                    self._fired[each.full_name] + self._triggers.stats(each.id).fired,
                )
                for each in self._by_id.values()
            ),
            key=lambda each: each.name,
        )

    def stats(self) -> TriggersStats:
        """Return the figures of all together."""
        return self._triggers.all_stats()
