"""An event as the host has kept it."""

from __future__ import annotations

# Set, not imported: typing alone costs a VM more than the rest of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Kept:
    """One kept event.

    sequence: its number in its stream, from 1. time: when it happened; arrival: when it came; both
    in seconds since the epoch. key: as text. event: its content.
    """

    __slots__ = ("arrival", "event", "key", "sequence", "time")

    def __init__(
        self, sequence: int, time: float, arrival: float, key: str, event: dict[str, Any]
    ) -> None:
        self.sequence = sequence
        self.time = time
        self.arrival = arrival
        self.key = key
        self.event = event

    def __repr__(self) -> str:
        return f"<event {self.sequence} of {self.key!r} at {self.time}: {self.event!r}>"
