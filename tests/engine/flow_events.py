"""Random events for tests of flows, and durations as authors write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random


SECOND = 10**9
SUMMARY = {"n": "count()", "total": "sum(v)", "least": "min(v)", "most": "max(v)"}


def ns(duration: int) -> str:
    """As an author writes so many nanoseconds."""
    return f"0.{duration:09}s" if duration < SECOND else f"{duration // SECOND}s"


def events_of(rand: Random, count: int, *, jitter: int = 20) -> list[dict[str, Any]]:
    """Events in a rough order, for a few keys, times from a small range."""
    time, events = rand.randrange(-50, 50), []
    for number in range(count):
        time += rand.choice((0, 1, 1, 2, 5, 30))
        events.append(
            {
                "id": number,
                "k": rand.choice(("ada", "bob", 7)),
                "v": rand.randrange(-100, 100),
                "kind": rand.choice(("a", "b", "c", "d")),
                "t": time - rand.choice((0, 0, rand.randrange(jitter + 1))),
            }
        )
    return events
