"""What `polyvm dev` gives to a task in place of its triggers: a timer's payload, a counter's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.host import sizes
from polyvm.host.errors import UsageError
from polyvm.host.triggers import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polyvm.host.manifest import Manifest
    from polyvm.host.triggers import Trigger

_EVENTS = "events"  # the stream of events that name none
_KINDS = (str, int)  # of keys; bool is no key


def find(manifest: Manifest, name: str) -> Trigger:
    """Return a task's trigger that has something to be given here. Raises UsageError."""
    triggers = named(manifest.triggers)
    if name not in triggers:
        known = ", ".join(triggers) or "none"
        raise UsageError(f"{manifest.name} has no trigger {name!r}; it has: {known}")
    if triggers[name].kind == "sequence":
        raise UsageError(
            f"trigger {name} waits for a sequence of events: give them with --input FILE, without "
            "--trigger, or give the payload that it would give"
        )
    return triggers[name]


def of_timer(name: str) -> dict[str, Any]:
    """Return the payload of a timer that fires now."""
    now = time.time()
    return {"trigger": name, "time": now, "scheduled": now, "missed": 0}


def of_counter(
    name: str, trigger: Trigger, lines: Iterable[tuple[int, Any]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what it fires with while these events come in, and at their end, by line.

    Sequence numbers are those that the events would have in an empty store.
    """
    most_bytes = sizes.parse(trigger.bytes) if trigger.bytes is not None else None
    tallies: dict[str | None, dict[str, Any]] = {}
    number = sequence = 0
    for number, event in lines:
        if not isinstance(event, dict) or event.get("stream", _EVENTS) != trigger.stream:
            continue
        sequence += 1
        key = _key(event.get(trigger.key)) if trigger.key else None
        new = {"trigger": name, "stream": trigger.stream, "key": key, "first": sequence}
        tally = tallies.setdefault(key, {**new, "last": sequence, "events": 0, "bytes": 0})
        tally["last"] = sequence
        tally["events"] += 1
        tally["bytes"] += len(msgspec.msgpack.encode(event))
        enough = trigger.events is not None and tally["events"] >= trigger.events
        if enough or (most_bytes is not None and tally["bytes"] >= most_bytes):
            yield number, tallies.pop(key)
    for tally in tallies.values():
        yield number, tally


def _key(value: Any) -> str:
    return str(value) if isinstance(value, _KINDS) and not isinstance(value, bool) else ""
