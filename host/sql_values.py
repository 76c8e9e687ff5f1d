"""Values of events as SQLite has them: lists and maps as JSON, 63 bits of an integer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.host import codec
from polyvm.vm import NESTED, NO_TEXT, EventColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyvm.host.event_store import Kept


def plain(value: Any) -> Any:
    """Return what a column holds of a value."""
    if value is None or isinstance(value, str | float | bytes):
        return value
    if isinstance(value, int):  # booleans too, which are 0 and 1
        return value if -(2**63) <= value < 2**63 else float(value)
    return as_json(value)


def as_json(value: Any) -> str:
    """Return a value as JSON text."""
    return msgspec.json.encode(value, enc_hook=codec.as_json).decode()


def fields(event: Any) -> dict[str, Any]:
    """Return an event's fields by their names as text."""
    if not isinstance(event, dict):
        return {}
    if all(type(name) is str for name in event):
        return event
    return {str(name): value for name, value in event.items()}


def row(event: Kept, columns: Sequence[EventColumn | str]) -> list[Any]:
    """Return the values of an event's columns, fields by their names."""
    named = fields(event.event)
    common = {
        EventColumn.SEQUENCE: event.sequence,
        EventColumn.TIME: event.time_ns / 1e9,
        EventColumn.ARRIVAL: event.arrival_ns / 1e9,
        EventColumn.KEY: event.key,
        EventColumn.NIL: None,
    }
    return [
        common[each] if isinstance(each, EventColumn) else plain(named.get(each))
        for each in columns
    ]


def _nested(code: int, data: memoryview) -> Any:
    if code == NO_TEXT:
        return bytes(data).decode("utf-8", "replace")
    assert code == NESTED, "there is no other one"
    return as_json(codec.decode(data))


rows = msgspec.msgpack.Decoder(list[list[Any]], ext_hook=_nested).decode
"""Return the rows that `EventStore.columns` has packed."""
