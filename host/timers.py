"""Timers: which are due, which are held, and what was missed. One thread at a time."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from polyvm.host.schedules import SECOND, Cron, Due, Moment

if TYPE_CHECKING:
    from collections.abc import Callable, KeysView

    from polyvm.host.schedules import Schedule

_LATE_NS = SECOND  # what is due for longer was missed: the host was down, or the task paused
_JUMP_NS = SECOND // 2  # by which the clocks must differ to call the one on the wall set back
LONGEST_WAIT_NS = SECOND  # the clock on the wall may be set meanwhile


class Tick(NamedTuple):
    """One that is due."""

    name: str
    scheduled_ns: int  # on the wall
    missed: int  # times before it at which it did not fire


@dataclass(frozen=True)
class Plan:
    """What a timer is to do."""

    schedule: Schedule
    jitter_ns: int = 0  # it fires later by chance, up to so much
    at_start: bool = False
    skip: bool = False  # what was missed is not made up for


@dataclass(slots=True)
class _Timer:
    plan: Plan
    next_ns: int  # on the clock of its schedule
    last_ns: int  # on the wall: when it was due last, or began
    at_once: bool
    delay_ns: int = 0  # of this time, by chance
    missed: int = 0  # so far
    serial: int = 0  # of its entry in a heap; 0: it is held


class Timers:
    """Timers by name. A heap for each clock has when they are due."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()  # noqa: S311 - of jitter
        self._timers: dict[str, _Timer] = {}
        self._heaps: dict[bool, list[tuple[int, int, str]]] = {False: [], True: []}  # True: wall
        self._serial = 0
        self._offset_ns: int | None = None  # of the wall's clock against the other one

    def add(self, name: str, plan: Plan, now: Moment, last_ns: int | None = None) -> None:
        """Begin one. last_ns: when it was due last, or began, in an earlier process.

        One that has this name and the same plan goes on as it is.
        """
        before = self._timers.get(name)
        if before is not None and before.plan == plan:
            return
        begin_ns = plan.schedule.begin(now, last_ns)
        timer = _Timer(plan, begin_ns, now.wall_ns if last_ns is None else last_ns, plan.at_start)
        if before is not None:
            timer.missed = before.missed
        self._timers[name] = timer
        self._arm(name, timer, now)

    def remove(self, name: str) -> None:
        """Forget one."""
        del self._timers[name]

    def run(self, now: Moment, fire: Callable[[Tick], bool], most: int = 2**63) -> None:
        """Call ``fire`` with each that is due; one for which it returns False is held.

        What is held is due again at `release`, and late; what is beyond ``most`` at the next call.
        """
        self._look_at_clocks(now)
        for by_wall, heap in self._heaps.items():
            clock = now.wall_ns if by_wall else now.monotonic_ns
            while heap and heap[0][0] <= clock and most > 0:
                _, serial, name = heapq.heappop(heap)
                timer = self._timers.get(name)
                if timer is not None and timer.serial == serial:
                    self._run(name, timer, now, fire)
                    most -= 1

    def _run(self, name: str, timer: _Timer, now: Moment, fire: Callable[[Tick], bool]) -> None:
        schedule = timer.plan.schedule
        # As if it were earlier by its delay, which is then no lateness.
        seen = Moment(now.monotonic_ns - timer.delay_ns, now.wall_ns - timer.delay_ns)
        due, next_ns = Due(now.wall_ns, 0, 0), timer.next_ns
        if schedule.wait_ns(timer.next_ns, seen) <= 0:
            due, next_ns = schedule.due(timer.next_ns, seen)
        missed = due.missed
        if timer.plan.skip and due.late_ns > _LATE_NS:
            missed += 1
        elif not fire(Tick(name, due.scheduled_ns, due.missed)):
            timer.serial = 0
            return
        timer.missed += missed
        timer.last_ns, timer.next_ns, timer.at_once = due.scheduled_ns, next_ns, False
        self._arm(name, timer, now)

    def release(self, now: Moment) -> None:
        """What was held is due."""
        for name, timer in self._timers.items():
            if timer.serial == 0:
                self._push(name, timer, now)

    def at_once(self, name: str, now: Moment) -> None:
        """One is due now, besides its times."""
        timer = self._timers[name]
        timer.at_once = True
        self._push(name, timer, now)

    def wait_ns(self, now: Moment) -> int:
        """Return how long nothing is due, at most `LONGEST_WAIT_NS`."""
        wait = LONGEST_WAIT_NS
        for by_wall, heap in self._heaps.items():
            while heap and self._is_stale(heap[0]):
                heapq.heappop(heap)
            if heap:
                wait = min(wait, heap[0][0] - (now.wall_ns if by_wall else now.monotonic_ns))
        return max(0, wait)

    def _is_stale(self, entry: tuple[int, int, str]) -> bool:
        timer = self._timers.get(entry[2])
        return timer is None or timer.serial != entry[1]

    def names(self) -> KeysView[str]:
        """Return which there are."""
        return self._timers.keys()

    def next_ns(self, name: str, now: Moment) -> int:
        """Return when one is due next, by the clock on the wall."""
        timer = self._timers[name]
        return timer.plan.schedule.on_wall(timer.next_ns, now) + timer.delay_ns

    def missed(self, name: str) -> int:
        """Return how many times one has missed so far."""
        return self._timers[name].missed

    def last_ns(self) -> dict[str, int]:
        """Return when each was due last, or began, by the clock on the wall."""
        return {name: timer.last_ns for name, timer in self._timers.items()}

    def _arm(self, name: str, timer: _Timer, now: Moment) -> None:
        jitter = timer.plan.jitter_ns
        timer.delay_ns = self._chance.randrange(jitter) if jitter else 0
        self._push(name, timer, now)

    def _push(self, name: str, timer: _Timer, now: Moment) -> None:
        self._serial += 1
        timer.serial = self._serial
        by_wall = isinstance(timer.plan.schedule, Cron)
        at = timer.next_ns + timer.delay_ns
        if timer.at_once:
            at = min(at, now.wall_ns if by_wall else now.monotonic_ns)
        heapq.heappush(self._heaps[by_wall], (at, self._serial, name))

    def _look_at_clocks(self, now: Moment) -> None:
        offset = now.wall_ns - now.monotonic_ns
        if self._offset_ns is not None and offset < self._offset_ns - _JUMP_NS:
            for name, timer in self._timers.items():
                schedule = timer.plan.schedule
                timer.next_ns = schedule.set_back(timer.next_ns, now, timer.last_ns)
                if timer.serial != 0:
                    self._arm(name, timer, now)
        self._offset_ns = offset
