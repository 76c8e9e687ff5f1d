"""What flows give, worked out the long way: plain Python, all rows at hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Event = dict[str, Any]
FAR = 2**62


@dataclass
class Clock:
    """The watermark of a flow with these many inputs."""

    lateness: int
    inputs: int = 1
    latest: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.latest = [-FAR] * self.inputs

    @property
    def now(self) -> int:
        """Below which nothing is on time."""
        least = min(self.latest)
        return -FAR if least == -FAR else least - self.lateness

    def saw(self, time: int, side: int = 0) -> None:
        """An event has come."""
        self.latest[side] = max(self.latest[side], time)


def summary(rows: list[Event], values: str = "v") -> tuple[Any, ...]:
    """Count, sum, least and greatest of a column."""
    numbers = [row[values] for row in rows]
    return len(numbers), sum(numbers), min(numbers), max(numbers)


def panes(
    events: list[Event], lateness: int, size: int, step: int, offset: int = 0
) -> tuple[dict[Any, Any], int]:
    """Results by (key, start, end) of tumbling and sliding windows; how many rows were late."""
    clock, late = Clock(lateness), 0
    rows: dict[Any, list[Event]] = {}
    for event in events:
        time = event["t"]
        first = (time - size - offset) // step * step + offset
        windows = [
            start for start in range(first, time + step, step) if start <= time < start + size
        ]
        taken = [start for start in windows if start + size > clock.now]
        late += not taken
        for start in taken:
            rows.setdefault((event["k"], start, start + size), []).append(event)
        clock.saw(time)
    return {key: summary(found) for key, found in rows.items()}, late


def sessions(events: list[Event], lateness: int, gap: int) -> tuple[dict[Any, Any], int]:
    """Results by (key, start, end) of session windows; how many rows were late."""
    clock, late = Clock(lateness), 0
    open_: list[list[Event]] = []
    done: dict[Any, Any] = {}

    def close(until: int) -> None:
        for one in open_[:]:
            times = [row["t"] for row in one]
            if max(times) + gap <= until:
                open_.remove(one)
                done[one[0]["k"], min(times), max(times) + gap] = summary(one)

    for event in events:
        time = event["t"]
        met = [
            one
            for one in open_
            if one[0]["k"] == event["k"]
            and time < max(row["t"] for row in one) + gap
            and min(row["t"] for row in one) < time + gap
        ]
        if not met and time + gap <= clock.now:
            late += 1
        else:
            for one in met:
                open_.remove(one)
            open_.append([row for one in met for row in one] + [event])
        clock.saw(time)
        close(clock.now)
    close(FAR)
    return done, late


def spans(
    events: list[Event], lateness: int, timeout: int, is_open: str, is_close: str
) -> list[tuple[Any, ...]]:
    """(key, first, last, summary) of spans of events in order of time, by kinds of events."""
    found: list[tuple[Any, ...]] = []
    current: dict[Any, list[Event]] = {}

    def end(key: Any) -> None:
        rows = current.pop(key)
        times = [row["t"] for row in rows]
        found.append((key, rows[0]["t"], max(times), summary(rows)))

    for event in in_time(events, lateness):
        key, time, kind = event["k"], event["t"], event["kind"]
        for other in list(current):
            if timeout and current[other][0]["t"] + timeout <= time:
                end(other)
        if kind == is_open and key in current:
            end(key)
        if kind == is_open or key in current:
            current.setdefault(key, []).append(event)
            if kind == is_close:
                end(key)
    for key in list(current):
        if timeout:
            end(key)
    return found


def in_time(events: list[Event], lateness: int) -> list[Event]:
    """The events that are not late, in the order of their times."""
    clock = Clock(lateness)
    kept = []
    for event in events:
        if event["t"] >= clock.now:
            kept.append(event)
        clock.saw(event["t"])
    return sorted(kept, key=lambda event: event["t"])


def join(
    events: list[tuple[int, Event]],
    lateness: int,
    reach: Callable[[int, int], bool],
    is_late: Callable[[int, int], bool],
) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """Pairs (left id, right id) that have one key and meet; the lefts that met none."""
    clock = Clock(lateness, 2)
    sides: tuple[list[Event], list[Event]] = ([], [])
    for side, event in events:
        if not is_late(event["t"], clock.now):
            sides[side].append(event)
        clock.saw(event["t"], side)
    pairs = [
        (left["id"], right["id"])
        for left in sides[0]
        for right in sides[1]
        if left["k"] == right["k"] and reach(left["t"], right["t"])
    ]
    met = {left for left, _ in pairs}
    return pairs, [left["id"] for left in sides[0] if left["id"] not in met]


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
