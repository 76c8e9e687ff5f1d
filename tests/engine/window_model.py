"""Windows as docs/flows.md has them: the rows of each in a list, nothing merged or shared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tests.engine.flow_model import FAR, Clock, Event, Row, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Result:
    """The rows of a window, in the order of their coming. time: of the row that leaves."""

    key: Any
    start: int
    end: int
    time: int
    rows: tuple[Row, ...]


class Windows(Protocol):
    """One kind of window."""

    dropped: int  # keys that had rested for their ttl

    def take(self, row: Row, now: int) -> list[Result] | None:
        """What leaves when a row comes while the watermark is there. None: it is late."""

    def advance(self, now: int) -> list[Result]:
        """What leaves when the watermark has come there."""

    def keys(self) -> set[Any]:
        """Those that anything is known of."""

    def forget(self, key: Any) -> None:
        """A key was given up."""


def _by_coming(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: row.number))


@dataclass
class Panes:
    """Tumbling and sliding windows."""

    size: int
    step: int
    offset: int = 0
    update: bool = False
    dropped: int = 0
    _rows: list[Row] = field(default_factory=list)
    _given: int = -FAR  # windows that end until then have given their results

    def _starts(self, time: int) -> list[int]:
        """Of the windows that a time lies in, the first one first."""
        last = (time - self.offset) // self.step * self.step + self.offset
        starts = [last - i * self.step for i in range(self.size // self.step + 1)]
        return sorted(start for start in starts if start + self.size > time)

    def _result(self, key: Any, start: int, time: int | None = None) -> Result:
        end = start + self.size
        rows = [row for row in self._rows if row.key == key and start <= row.time < end]
        return Result(key, start, end, end - 1 if time is None else time, _by_coming(rows))

    def take(self, row: Row, now: int) -> list[Result] | None:
        taken = [start for start in self._starts(row.time) if start + self.size > now]
        if not taken:
            return None
        self._rows.append(row)
        return [self._result(row.key, start, row.time) for start in taken] if self.update else []

    def advance(self, now: int) -> list[Result]:
        over = {
            (start, row.key)
            for row in self._rows
            for start in self._starts(row.time)
            if self._given < start + self.size <= now
        }
        ordered = sorted(over, key=lambda one: one[0])
        given = [] if self.update else [self._result(key, start) for start, key in ordered]
        self._rows = [row for row in self._rows if self._starts(row.time)[-1] + self.size > now]
        self._given = max(now, self._given)
        return given

    def keys(self) -> set[Any]:
        return {row.key for row in self._rows}

    def forget(self, key: Any) -> None:
        self._rows = [row for row in self._rows if row.key != key]


@dataclass
class Sessions:
    """Rows of a key with less than a gap between each and the next."""

    gap: int
    update: bool = False
    dropped: int = 0
    _open: list[list[Row]] = field(default_factory=list)

    def _span(self, rows: list[Row]) -> tuple[int, int]:
        times = [row.time for row in rows]
        return min(times), max(times) + self.gap

    def _result(self, rows: list[Row], time: int | None = None) -> Result:
        start, end = self._span(rows)
        return Result(rows[0].key, start, end, end - 1 if time is None else time, _by_coming(rows))

    def take(self, row: Row, now: int) -> list[Result] | None:
        met = []
        for rows in self._open:
            start, end = self._span(rows)
            if rows[0].key == row.key and start < row.time + self.gap and row.time < end:
                met.append(rows)
        if not met and row.time + self.gap <= now:
            return None
        self._open = [rows for rows in self._open if rows not in met]
        self._open.append([one for rows in met for one in rows] + [row])
        return [self._result(self._open[-1], row.time)] if self.update else []

    def advance(self, now: int) -> list[Result]:
        over = [rows for rows in self._open if self._span(rows)[1] <= now]
        self._open = [rows for rows in self._open if rows not in over]
        over.sort(key=self._span)
        return [] if self.update else [self._result(rows) for rows in over]

    def keys(self) -> set[Any]:
        return {rows[0].key for rows in self._open}

    def forget(self, key: Any) -> None:
        self._open = [rows for rows in self._open if rows[0].key != key]


@dataclass
class Growing:
    """One window for each key, which rows are added to: counts, spans and running results.

    count: rows that are enough. opens, closes: of spans. A running result has neither. in_order:
    rows wait until the watermark has come to them.
    """

    count: int = 0
    opens: Callable[[Event], bool] | None = None
    closes: Callable[[Event], bool] | None = None
    timeout: int = 0
    ttl: int = 0
    in_order: bool = False
    update: bool = False
    dropped: int = 0
    _open: dict[Any, list[Row]] = field(default_factory=dict)
    _waiting: dict[Any, list[Row]] = field(default_factory=dict)
    _latest: dict[Any, int] = field(default_factory=dict)  # row of a key that anything is known of

    def _result(self, key: Any, time: int) -> Result:
        times = [row.time for row in self._open[key]]
        return Result(key, min(times), max(times), time, tuple(self._open[key]))

    def _close(self, key: Any, time: int) -> list[Result]:
        given = [] if self.update else [self._result(key, time)]
        del self._open[key]
        return given

    def _end(self, key: Any, time: int) -> list[Result]:
        """By its timeout, which gives its result, or by rest: what comes first."""
        if key not in self._open:
            return []
        ends = self._open[key][0].time + self.timeout if self.timeout else 2 * FAR
        rests = self._latest[key] + self.ttl + 1 if self.ttl else 2 * FAR
        if min(ends, rests) > time:
            return []
        if ends <= rests:
            return self._close(key, ends)
        del self._open[key]
        self.dropped += 1
        return []

    def _take(self, row: Row) -> list[Result] | None:
        given = self._end(row.key, row.time)
        self._latest[row.key] = max(row.time, self._latest.get(row.key, row.time))
        if self.opens is not None:
            if self.opens(row.event):
                if row.key in self._open:
                    given += self._close(row.key, row.time)
            elif row.key not in self._open:
                return given
            elif row.time < self._open[row.key][0].time:
                return None
        self._open.setdefault(row.key, []).append(row)
        if self.update:
            given.append(self._result(row.key, row.time))
        if self.closes is not None and self.closes(row.event):
            given += self._close(row.key, row.time)
        elif self.count and len(self._open[row.key]) == self.count:
            given += self._close(row.key, max(one.time for one in self._open[row.key]))
        return given

    def take(self, row: Row, now: int) -> list[Result] | None:
        if not self.in_order:
            given = self._take(row)
            self._tidy()
            return given
        if row.time < now:
            return None
        waiting = [*self._waiting.get(row.key, []), row]
        self._waiting[row.key] = sorted(waiting, key=lambda one: one.time)
        return []

    def advance(self, now: int) -> list[Result]:
        given: list[Result] = []
        for key in list(self._open | self._waiting):
            rows = self._waiting.pop(key, [])
            for row in rows:
                if row.time <= now:
                    given += self._take(row) or []
            self._waiting[key] = [row for row in rows if row.time > now]
            given += self._end(key, now)
        self._tidy()
        return given

    def _tidy(self) -> None:
        self._waiting = {key: rows for key, rows in self._waiting.items() if rows}
        self._latest = {key: time for key, time in self._latest.items() if key in self.keys()}

    def keys(self) -> set[Any]:
        return {*self._open, *self._waiting}

    def forget(self, key: Any) -> None:
        for known in (self._open, self._waiting, self._latest):
            known.pop(key, None)


def replay(
    windows: Windows, events: list[Event], lateness: int
) -> tuple[list[tuple[Any, ...]], int]:
    """(key, start, end, summary) of what leaves until all time has passed; how many were late."""
    clock, late, given = Clock(lateness), 0, []
    for number, event in enumerate(events):
        taken = windows.take(Row(event["t"], event["k"], event, number), clock.now)
        late += taken is None
        clock.saw(event["t"])
        given += (taken or []) + windows.advance(clock.now)
    given += windows.advance(FAR)
    return [
        (one.key, one.start, one.end, summary([row.event for row in one.rows])) for one in given
    ], late
