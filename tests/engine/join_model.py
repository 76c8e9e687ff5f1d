"""Joins as docs/flows.md has them: every row of both sides in a list, every pair looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tests.engine.flow_model import FAR, Clock, Event, Row

if TYPE_CHECKING:
    from collections.abc import Sequence


class Meeting(Protocol):
    """Which rows meet."""

    def meets(self, left: int, right: int) -> bool:
        """By their times."""

    def until(self, side: int, time: int) -> int:
        """The latest time of a row of the other side that meets this one."""

    def is_late(self, time: int, now: int) -> bool:
        """A row that comes while the watermark is there."""


@dataclass(frozen=True)
class Interval:
    """The right one's time less the left one's is between two bounds."""

    lower: int
    upper: int

    def meets(self, left: int, right: int) -> bool:
        return self.lower <= right - left <= self.upper

    def until(self, side: int, time: int) -> int:
        return time + self.upper if side == 0 else time - self.lower

    def is_late(self, time: int, now: int) -> bool:
        return time < now


@dataclass(frozen=True)
class SameWindow:
    """Both are in one tumbling window."""

    size: int

    def meets(self, left: int, right: int) -> bool:
        return left // self.size == right // self.size

    def until(self, side: int, time: int) -> int:
        del side
        return (time // self.size + 1) * self.size - 1

    def is_late(self, time: int, now: int) -> bool:
        return self.until(0, time) < now


@dataclass(frozen=True)
class Met:
    """A row that leaves. right None: the left one has met none."""

    left: Row
    right: Row | None
    time: int


@dataclass
class Join:
    """Two inputs."""

    meeting: Meeting
    outer: bool = False
    _sides: tuple[list[Row], list[Row]] = field(default_factory=lambda: ([], []))
    _met: set[int] = field(default_factory=set)  # lefts that have met some, or have left alone
    _now: int = -FAR

    def take(self, side: int, row: Row, now: int) -> list[Met] | None:
        """What leaves when a row comes while the watermark is there. None: it is late."""
        if self.meeting.is_late(row.time, now):
            return None
        given = []
        for other in self._sides[1 - side]:
            left, right = (row, other) if side == 0 else (other, row)
            if left.key == right.key and self.meeting.meets(left.time, right.time):
                given.append(Met(left, right, max(left.time, right.time)))
                self._met.add(left.number)
        self._sides[side].append(row)
        return given

    def advance(self, now: int) -> list[Met]:
        """What leaves when the watermark has come there."""
        given = []
        for left in self._sides[0]:
            until = self.meeting.until(0, left.time)
            if until < now and left.number not in self._met:
                self._met.add(left.number)
                if self.outer:
                    given.append(Met(left, None, max(left.time, until)))
        self._now = max(now, self._now)
        return given

    def keys(self) -> set[Any]:
        """Those of rows that others may still meet."""
        return {
            row.key
            for side, rows in enumerate(self._sides)
            for row in rows
            if self.meeting.until(side, row.time) >= self._now
        }

    def forget(self, key: Any) -> None:
        """A key was given up."""
        for rows in self._sides:
            rows[:] = [row for row in rows if row.key != key]


def replay(
    join: Join, events: Sequence[tuple[int, Event]], lateness: int
) -> tuple[list[tuple[Any, Any]], int]:
    """Ids of what leaves until all time has passed; how many rows were late."""
    clock, late, given = Clock(lateness, 2), 0, []
    for number, (side, event) in enumerate(events):
        taken = join.take(side, Row(event["t"], event["k"], event, number), clock.now)
        late += taken is None
        clock.saw(event["t"], side)
        given += (taken or []) + join.advance(clock.now)
    given += join.advance(FAR)
    return [
        (one.left.event["id"], None if one.right is None else one.right.event["id"])
        for one in given
    ], late
