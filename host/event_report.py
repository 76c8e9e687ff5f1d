"""What became of events that were handed in, and what they started."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Start:
    """A trigger that fired; ``payload`` is what its task was, or would have been, started with.

    error: why the invocation was not accepted; None: it was, and the payload is not told.
    """

    task: str
    trigger: str
    tag: int
    payload: bytes | None
    error: Exception | None


@dataclass(frozen=True, slots=True)
class EventReport:
    """What became of some events."""

    matched: int  # events that began, continued or completed a match of any trigger
    starts: list[Start]
    events: int = 0  # that were taken in, the next two included
    duplicates: int = 0  # passed over, as their id was seen
    dead: int = 0  # refused, and kept as dead letters
    error: Exception | None = None  # why the next one was not taken in
    consumed: int = 0  # of attended lines: bytes of those that are done with

    @property
    def accepted(self) -> int:
        """Invocations that were accepted."""
        return sum(start.error is None for start in self.starts)

    def __add__(self, later: EventReport) -> EventReport:
        """Put the reports of two batches together."""
        return EventReport(
            self.matched + later.matched,
            self.starts + later.starts,
            self.events + later.events,
            self.duplicates + later.duplicates,
            self.dead + later.dead,
            self.error or later.error,
            self.consumed + later.consumed,
        )
