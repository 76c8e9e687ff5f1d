"""What runs after what: the graphs that manifests ask for with `after`, and which can be had.

A trigger of a task starts it and every task downstream of it whose predecessors are all started by
the same trigger. Graphs are worked out anew whenever what is live changes, and handed to the
executor, which drives them.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from polyvm.host.errors import ChainError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polyvm.host.manifest import Manifest

MAX_TASKS = 64  # PVM_CHAIN_TASKS_MAX of vm.h


class Chains:
    """The graphs over some manifests, which do not change."""

    def __init__(self, manifests: Mapping[str, Manifest]) -> None:
        self._manifests = manifests
        self._followers: dict[str, list[str]] = {}
        for name, manifest in manifests.items():
            for earlier in manifest.after or ():
                self._followers.setdefault(earlier, []).append(name)

    def graph(self, first: str) -> tuple[str, ...]:
        """Return what a trigger of ``first`` starts, itself first, each after those it waits for.

        The order depends on the names alone, so that a later process numbers them alike.
        """
        if not self._can_precede(first):
            return (first,)
        order = [first]
        found = {first}
        ready = self._ready([first], found)
        heapq.heapify(ready)
        while ready:
            name = heapq.heappop(ready)
            if name in found:
                continue
            found.add(name)
            order.append(name)
            for follower in self._ready([name], found):
                heapq.heappush(ready, follower)
        return tuple(order)

    def _can_precede(self, name: str) -> bool:
        return name in self._manifests and self._manifests[name].isolation != "process"

    def _ready(self, added: Iterable[str], found: set[str]) -> list[str]:
        return [
            follower
            for name in added
            for follower in self._followers.get(name, ())
            if follower not in found and found.issuperset(self._manifests[follower].after or ())
        ]

    def graphs(self) -> dict[str, tuple[str, ...]]:
        """Return the graph of every task that starts others."""
        found = {name: self.graph(name) for name in self._followers if name in self._manifests}
        return {name: graph for name, graph in found.items() if len(graph) > 1}

    def waiting(self) -> dict[str, str]:
        """Return the tasks that no trigger starts but their own, each with the reason."""
        reached = {
            name
            for first, graph in self.graphs().items()
            if not self._manifests[first].after
            for name in graph
        }
        return {
            name: self._why_unreached(name)
            for name, manifest in self._manifests.items()
            if manifest.after and name not in reached
        }

    def _why_unreached(self, name: str) -> str:
        before = self._before(name)
        missing = sorted(before - self._manifests.keys())
        if missing:
            return f"it comes after {_listed(missing)}, not deployed or switched off"
        apart = sorted(each for each in before if not self._can_precede(each))
        if apart:
            return f"it comes after {_listed(apart)}, in processes, where no chain can start"
        names = self._manifests[name].after or ()
        return f"it comes after {_listed(names)}, which no single trigger starts"

    def _before(self, name: str) -> set[str]:
        """All that it waits for, and those before them; also names that nothing live has."""
        found: set[str] = set()
        look = [name]
        while look:
            manifest = self._manifests.get(look.pop())
            for earlier in (manifest.after or ()) if manifest is not None else ():
                if earlier not in found:
                    found.add(earlier)
                    look.append(earlier)
        return found

    def check(self, name: str) -> None:
        """Raise ChainError if this task's manifest, among the others, asks for what cannot be.

        One that only waits for others may be live: they may come.
        """
        manifest = self._manifests[name]
        if not manifest.after:
            return
        if manifest.starts_by_triggers:
            raise ChainError(
                f"{name} gets its input from the tasks that it comes after, and starts by no "
                "trigger; take its triggers out, or after"
            )
        for earlier in manifest.after:
            if earlier in self._manifests and not self._can_precede(earlier):
                raise ChainError(
                    f"{name} comes after {earlier}, which runs in processes, where no chain can "
                    'start; take it out of after, or run it with isolation = "vm"'
                )
        cycle = self._cycle(name)
        if cycle is not None:
            raise ChainError(
                f"{name} would come after itself: {' -> '.join(cycle)}; take one of them out of "
                "the other's after"
            )
        before = self._before(name)
        if before <= self._manifests.keys() and name in self.waiting():
            raise ChainError(
                f"{name} comes after {_listed(manifest.after)}, which no single trigger starts; "
                "let it come after tasks that all follow one first task"
            )
        for first in sorted(before | {name}):
            size = len(self.graph(first))
            if size > MAX_TASKS:
                raise ChainError(
                    f"with {name}, a trigger of {first} would start {size} tasks; the most is "
                    f"{MAX_TASKS}: let fewer come after it"
                )

    def _cycle(self, name: str) -> list[str] | None:
        """Return the shortest way from the task back to itself, as it would run."""
        ways = [[name]]
        seen: set[str] = set()
        for way in ways:
            for follower in sorted(self._followers.get(way[-1], ())):
                if follower == name:
                    return [*way, name]
                if follower not in seen:
                    seen.add(follower)
                    ways.append([*way, follower])
        return None


def in_order(manifests: Mapping[str, Manifest]) -> list[str]:
    """Return the names so that tasks come after those that they wait for, as far as they can."""
    order: dict[str, None] = {}
    begun: set[str] = set()
    for root in manifests:
        look = [root]
        while look:
            name = look[-1]
            begun.add(name)
            earlier = [
                each
                for each in manifests[name].after or ()
                if each in manifests and each not in begun
            ]
            if earlier:
                look.append(earlier[0])
            else:
                order.setdefault(look.pop())
    return list(order)


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
