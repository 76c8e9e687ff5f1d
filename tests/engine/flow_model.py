"""What flows give, worked out the long way: rows, time and sequences.

Windows are in window_model.py, joins in join_model.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
FAR = 2**62


@dataclass
class Row:
    """An event that came, the number-th of them."""

    time: int
    key: Any
    event: Event
    number: int


@dataclass
class Clock:
    """The watermark of a flow with these many inputs, or streams."""

    lateness: int
    inputs: int = 1
    idle: int = 10**9
    now: int = -FAR  # below which nothing is on time
    latest: list[int] = field(default_factory=list)
    rested: list[int | None] = field(default_factory=list)
    silent: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.latest = [-FAR] * self.inputs
        self.rested = [None] * self.inputs

    def saw(self, time: int, side: int = 0) -> None:
        """An event has come."""
        self.latest[side] = max(self.latest[side], time)
        self.rested[side] = None
        self.silent.discard(side)
        self._advance()

    def tick(self, wall: int) -> None:
        """Inputs that have rested for long enough hold nothing back; if all have, time goes on."""
        if max(self.latest) == -FAR:
            return
        for side, since in enumerate(self.rested):
            if since is None or wall < since:  # the clock is set back
                self.rested[side] = wall
            elif wall - since >= self.idle:
                self.silent.add(side)
        self._advance(wall)

    def _advance(self, wall: int = -FAR) -> None:
        heard = [time for side, time in enumerate(self.latest) if side not in self.silent]
        least = min(heard, default=wall)
        if least != -FAR:
            self.now = max(self.now, least - self.lateness)

    def finish(self) -> None:
        """All inputs have ended."""
        self.latest = [2**63 - 2] * self.inputs
        self.silent.clear()
        self._advance()


def summary(rows: list[Event], values: str = "v") -> tuple[Any, ...]:
    """Count, sum, least and greatest of a column."""
    numbers = [row[values] for row in rows]
    return len(numbers), sum(numbers), min(numbers), max(numbers)


def in_time(events: list[Event], lateness: int) -> list[Event]:
    """The events that are not late, in the order of their times."""
    clock = Clock(lateness)
    kept = []
    for event in events:
        if event["t"] >= clock.now:
            kept.append(event)
        clock.saw(event["t"])
    return sorted(kept, key=lambda event: event["t"])


def sequences(
    events: list[Event], lateness: int, kinds: list[str], within: int
) -> list[tuple[Any, ...]]:
    """Ids of the rows of each match, as triggers match."""
    found: list[tuple[Any, ...]] = []
    waiting: dict[Any, list[list[Event] | None]] = {}
    clocks: dict[Any, int] = {}
    ordered = in_time(events, lateness) if lateness else events
    clock = Clock(0)

    def expire() -> None:
        for key, state in list(waiting.items()):
            for step, match in enumerate(state):
                if match and within and clock.now > match[0]["t"] + within:
                    state[step] = None
            if not any(state):
                del clocks[key]
                del waiting[key]

    for event in ordered:
        key = event["k"]
        state = waiting.setdefault(key, [None] * len(kinds))
        time = clocks[key] = max(event["t"], clocks.get(key, -FAR))
        row = {**event, "t": time}
        for step in range(len(kinds) - 2, -1, -1):
            match = state[step]
            if match is None:
                continue
            if within and time > match[0]["t"] + within:
                state[step] = None
            elif event["kind"] == kinds[step + 1]:
                state[step] = None
                if step + 2 == len(kinds):
                    found.append(tuple(each["id"] for each in [*match, row]))
                else:
                    state[step + 1] = [*match, row]
        if event["kind"] == kinds[0]:
            state[0] = [row]
        clock.saw(event["t"])
        expire()
    return found
