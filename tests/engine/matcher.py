"""The plain matcher that the trie is checked against: each condition, for each key, on its own.

It is what engine/include/stream.h says, word for word, without sharing anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

OPS = ("==", "!=", "<", "<=", ">", ">=", "in", "exists")
_MISSING = object()


@dataclass
class Partial:
    """A match that waits for its next step."""

    start: int
    events: list[int]
    serial: int  # which of the arrivals made it


@dataclass
class Condition:
    """One condition, and what its matches have come to, by key."""

    number: int
    steps: list[dict[str, Any]]
    within: int | None = None  # seconds
    key: str = ""
    on: bool = True
    partials: dict[str, list[Partial | None]] = field(default_factory=dict)

    def packed(self) -> dict[str, Any]:
        return {"steps": self.steps, "within_ns": (self.within or 0) * 10**9, "key": self.key}


class Matcher:
    """All conditions. Events are dictionaries with `event`, `page`, `id`, `time`, `k`, ...

    ttl: in the unit of `time`. max_keys: that are known at a time; the least recently used go.
    """

    def __init__(self, ttl: int, max_keys: int = 10**9) -> None:
        self._ttl, self._max_keys = ttl, max_keys
        self.conditions: dict[int, Condition] = {}
        self._clocks: dict[tuple[str, str], int] = {}  # by use, of keys that are known
        self._seen: dict[tuple[str, str], int] = {}

    def append(
        self, serial: int, event: dict[str, Any], now: int = 0
    ) -> tuple[bool, list[tuple[int, list[int]]]]:
        """Whether any condition cared, and those completed: their numbers and events' serials.

        now: of a clock that nobody sets, in the unit of `time`.
        """
        did, fired = False, []
        named = {step["type"] for each in self.conditions.values() for step in each.steps}
        if as_text(event.get("event")) not in named:
            return did, fired
        for key_field in sorted({condition.key for condition in self.conditions.values()}):
            key = as_text(event.get(key_field or "k")) or ""
            time = self._come((key_field, key), event["time"], now)
            keeps = False
            waiting = [c for c in self.conditions.values() if c.key == key_field]
            after = {}
            for condition in waiting:
                before = list(condition.partials.get(key) or [None] * len(condition.steps))
                advanced, kept, done, mine = _advance(condition, before, serial, event, time)
                did |= advanced
                keeps |= kept
                after[condition.number] = mine
                if done is not None and condition.on:
                    fired.append((condition.number, done))
            if keeps:
                self._use((key_field, key), time, now)
                for condition in waiting:
                    condition.partials[key] = after[condition.number]
                while len(self._clocks) > self._max_keys:
                    self._forget(next(iter(self._clocks)))
        return did, sorted(fired)

    def _come(self, place: tuple[str, str], time: int, now: int) -> int:
        """When an event of a key counts, which has forgotten what it is to forget by then."""
        if place in self._seen and now - self._seen[place] > self._ttl:
            self._forget(place)
        clock = self._clocks.get(place)
        if clock is None:
            return time
        if time - clock > self._ttl:
            self._clear(place)
        self._use(place, max(time, clock), now)
        return max(time, clock)

    def _use(self, place: tuple[str, str], time: int, now: int) -> None:
        self._clocks.pop(place, None)
        self._clocks[place] = time
        self._seen[place] = now

    def _forget(self, place: tuple[str, str]) -> None:
        self._clear(place)
        del self._clocks[place], self._seen[place]

    def _clear(self, place: tuple[str, str]) -> None:
        key_field, key = place
        for condition in self.conditions.values():
            if condition.key == key_field:
                condition.partials.pop(key, None)

    def known(self) -> int:
        """How many keys anything may be known of."""
        return len(self._clocks)


def _advance(
    condition: Condition, before: list[Partial | None], serial: int, event: dict[str, Any], now: int
) -> tuple[bool, bool, list[int] | None, list[Partial | None]]:
    """before[i]: the match that waits for step i (none is kept for step 0)."""
    after = list(before)
    advanced = kept = False
    done = None
    last = len(condition.steps) - 1
    for index, step in enumerate(condition.steps):
        partial = before[index] if index else Partial(now, [], serial)
        if partial is None or not fits(step, event):
            continue
        if condition.within is not None and now - partial.start > condition.within:
            continue
        advanced = True
        if last:
            kept = True
        if index and after[index] is partial:
            after[index] = None  # used up; unless this event has put a newer one there
        events = [*partial.events, serial]
        if index == last:
            done = events
        else:
            after[index + 1] = Partial(partial.start, events, serial)
    return advanced, kept, done, after


def fits(step: dict[str, Any], event: dict[str, Any]) -> bool:
    if as_text(event.get("event")) != step["type"]:
        return False
    if step.get("page") is not None and as_text(event.get("page")) != step["page"]:
        return False
    if step.get("ids") is not None and as_text(event.get("id")) not in step["ids"]:
        return False
    return all(holds(predicate, event) for predicate in step.get("where") or ())


def as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def holds(predicate: list[Any], event: dict[str, Any]) -> bool:
    path, op, wanted = predicate
    found: Any = event
    for name in path.split("."):
        found = found.get(name, _MISSING) if isinstance(found, dict) else _MISSING
    if op == "exists":
        return (found is not _MISSING) == wanted
    if found is _MISSING or isinstance(found, dict | list):
        return False
    if op == "in":
        return any(_same(found, value) for value in wanted)
    if op in ("==", "!="):
        return _same(found, wanted) == (op == "==")
    if not _ordered(found, wanted):
        return False
    a, b = (found.encode(), wanted.encode()) if isinstance(found, str) else (found, wanted)
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(a: Any, b: Any) -> bool:
    if _is_number(a) and _is_number(b):
        return bool(a == b)
    return type(a) is type(b) and bool(a == b)


def _ordered(a: Any, b: Any) -> bool:
    return (_is_number(a) and _is_number(b)) or (isinstance(a, str) and isinstance(b, str))
