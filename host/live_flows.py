"""The flows of live tasks and of operators in an executor. The registry locks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyvm.host import circles, log
from polyvm.host.flows import Flow, Into
from polyvm.host.live_triggers import SEPARATOR
from polyvm.vm import TriggerMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polyvm.host.manifest import Manifest
    from polyvm.host.switches import Switches
    from polyvm.vm import Flows, FlowStats


@dataclass(frozen=True, slots=True)
class LiveFlow:
    """One that is in the executor."""

    id: int
    owner: str  # the task whose manifest has it; "": an operator's
    flow: Flow
    into: Into
    declaration: bytes

    @property
    def full_name(self) -> str:
        """What operators call it."""
        return _full_name(self.owner, self.flow.name)

    @property
    def task(self) -> str:
        """Where its rows go; "" if that is no task."""
        return self.into.task or ""


@dataclass(frozen=True, slots=True)
class FlowFigures:
    """What a flow is, and did since it was added."""

    name: str
    task: str | None  # whose manifest has it
    streams: tuple[str, ...]
    into: str  # such as "table seen"
    stats: FlowStats


class LiveFlows:
    """All the flows of an executor. One thread at a time."""

    def __init__(self, flows: Flows, switches: Switches) -> None:
        self._flows = flows
        self._switches = switches
        self._live: dict[str, dict[str, LiveFlow]] = {}  # by owner and name
        self._by_id: dict[int, LiveFlow] = {}
        self._tasks: dict[str, tuple[int, Manifest]] = {}  # that are live
        self._told: list[str] | None = None  # the circle that the log knows of

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._by_id)

    def check(self, manifest: Manifest) -> None:
        """Raise VmError if the executor would refuse one of them."""
        for each in self._written(manifest.name, manifest.flows):
            self._flows.check(each.declaration)

    def check_circles(self, manifest: Manifest) -> None:
        """Raise FlowError if rows would go round for ever between its flows and those of others."""
        self._refuse_endless(manifest.name, manifest.flows)

    def _refuse_endless(self, owner: str, flows: Iterable[Flow]) -> None:
        others = [each for each in self._by_id.values() if each.owner != owner]
        circles.refuse_endless(map(_edge, [*others, *self._written(owner, flows)]))

    def _tell_of_circle(self) -> None:
        """Have the log tell of a circle through tasks, once for each."""
        returns = {
            name: manifest.results_into
            for name, (_, manifest) in self._tasks.items()
            if manifest.results_into is not None
        }
        way = circles.through_tasks(map(_edge, self._by_id.values()), returns)
        if way is not None and way != self._told:
            log.get().warning(
                "flows and tasks make a circle; what goes round too often becomes a dead letter",
                way=" → ".join(way),
            )
        self._told = way

    def deploy(self, task_id: int, manifest: Manifest) -> None:
        """Put in the flows of a task's new version instead of those of the one before.

        One that says the same as the one of its name goes on with its state. Rows for this task,
        of whatever flow, go to the new version.
        """
        self._tasks[manifest.name] = task_id, manifest
        self._replace(manifest.name, manifest.flows)
        self._tell_of_circle()
        self.switch()

    def withdraw(self, task: str) -> None:
        """Take out a task's flows; rows of others for it are dropped, and counted."""
        self._tasks.pop(task, None)
        self._replace(task, ())
        self.switch()

    def set_operators(self, flows: tuple[Flow, ...]) -> None:
        """Have these flows, beside those of tasks, instead of those that were given before.

        Raises VmError for the first that the executor refuses, FlowError if rows would go round for
        ever; then nothing has changed.
        """
        self._refuse_endless("", flows)
        for each in self._written("", flows):
            self._flows.check(each.declaration)
        self._replace("", flows)
        self._tell_of_circle()

    def _written(self, owner: str, flows: Iterable[Flow]) -> list[LiveFlow]:
        made = []
        for flow in flows:
            into = flow.into or Into(task=owner)
            declaration = flow.declaration(_full_name(owner, flow.name), into)
            made.append(LiveFlow(0, owner, flow, into, declaration))
        return made

    def _replace(self, owner: str, flows: tuple[Flow, ...]) -> None:
        former = self._live.pop(owner, {})
        wanted = {each.flow.name: each for each in self._written(owner, flows)}
        self._remove({name: each for name, each in former.items() if name not in wanted})
        added: dict[str, LiveFlow] = {}
        try:
            for name, each in wanted.items():
                added[name] = self._added(each, former.get(name))
        finally:
            if added:
                self._live[owner] = added

    def _added(self, wanted: LiveFlow, former: LiveFlow | None) -> LiveFlow:
        task, mode = self._target(wanted)
        number = self._flows.add(
            wanted.flow.name,
            wanted.declaration,
            task=task,
            mode=mode,
            catch_up=wanted.flow.catch_up,
            replaces=former.id if former is not None else 0,
        )
        if former is not None:
            del self._by_id[former.id]
        made = dataclasses.replace(wanted, id=number)
        self._by_id[number] = made
        return made

    def _remove(self, former: Mapping[str, LiveFlow]) -> None:
        for each in former.values():
            self._flows.remove(each.id)
            del self._by_id[each.id]

    def switch(self) -> None:
        """Do as the switches say now, and with the tasks that are live now."""
        for each in self._by_id.values():
            if each.task:
                self._flows.set_task(each.id, *self._target(each))

    def _target(self, flow: LiveFlow) -> tuple[int, TriggerMode]:
        found = self._tasks.get(flow.task)
        if found is None:
            return 0, TriggerMode.OFF
        task_id, manifest = found
        if not self._switches.enabled(manifest.name, manifest.lane):
            return task_id, TriggerMode.OFF
        paused = (
            self._switches.setting("task", manifest.name).paused
            or self._switches.setting("lane", manifest.lane).paused
        )
        # The executor does not submit to tasks in processes, nor to those that are paused.
        elsewhere = manifest.isolation != "vm"
        return task_id, TriggerMode.HAND_OUT if paused or elsewhere else TriggerMode.SUBMIT

    def has(self, number: int) -> bool:
        """Whether the one with this number is live."""
        return number in self._by_id

    def get(self, number: int) -> LiveFlow:
        """Return a live one by its number."""
        return self._by_id[number]

    def figures(self) -> list[FlowFigures]:
        """Return what the live ones are and did, by name."""
        return sorted(
            (
                FlowFigures(
                    name=each.full_name,
                    task=each.owner or None,
                    streams=each.flow.streams,
                    into=each.into.words,
                    stats=self._flows.stats(each.id),
                )
                for each in self._by_id.values()
            ),
            key=lambda each: each.name,
        )


def _edge(flow: LiveFlow) -> circles.Edge:
    return circles.edge(flow.full_name, flow.flow, flow.into)


def _full_name(owner: str, name: str) -> str:
    return f"{owner}{SEPARATOR}{name}" if owner else name
