"""How much of a stream is kept, as command lines and declarations write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyvm.host import durations, sizes
from polyvm.host.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse(limits: Iterable[str]) -> dict[str, int]:
    """Read limits such as "7d", "10GB" and "1000000 events": fields of event_store.Keeping.

    Raises UsageError.
    """
    found: dict[str, int] = {}
    for limit in limits:
        name, value = _limit(limit)
        found[name] = value
    return found


def _limit(text: str) -> tuple[str, int]:
    count, _, word = text.partition(" ")
    if word == "events" and count.isdecimal() and int(count) > 0:
        return "events", int(count)
    for name, read in (("ns", durations.parse), ("bytes", sizes.parse)):
        try:
            return name, read(text)
        except ValueError:
            continue
    raise UsageError(
        f'{text[:40]!r} is no limit; write a time, a size or a count: "7d", "10GB", "1000 events"'
    )
