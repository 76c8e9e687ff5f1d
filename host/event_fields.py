"""Which fields of an event mean what to triggers, and how much of partial matches is kept."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from polyvm.host import durations, sizes
from polyvm.host.errors import UsageError

_NAMES = ("type", "page", "id", "key", "stream", "time")
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_Count = Annotated[int, msgspec.Meta(ge=1, lt=2**32)]


class EventFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields are names with commas between; the first that an event has counts."""

    type: str = "event,type"
    page: str = "page,page_id,pageId"
    id: str = "id,click_id,clickId"
    key: str = "key,session_id,user_id"  # where a trigger names no other field
    stream: str = "stream"  # which stream keeps it, where events are kept; else "events"
    time: str = "time,ts,timestamp"  # a number, counted from the epoch; else an event counts now
    unit: str = "s"  # of these times: s, ms, us or ns
    ttl: str = "1h"  # a key that rests so long loses its partial matches
    memory: str = "64MiB"  # of events that partial matches hold
    keys: _Count = 100_000  # with partial matches
    pending: _Count = 1024  # partial matches of one key

    @property
    def configuration(self) -> dict[str, Any]:
        """The fields of pvm_trigger_config. Raises UsageError."""
        for name in _NAMES:
            names = getattr(self, name).split(",")
            if not all(names) or len(names) > 8:
                raise UsageError(f"event field {name} is 1 to 8 names with commas between")
        if self.unit not in _UNITS:
            raise UsageError(f"event field unit {self.unit[:20]!r} is one of {', '.join(_UNITS)}")
        try:
            ttl, memory = durations.parse(self.ttl), sizes.parse(self.memory)
        except ValueError as error:
            raise UsageError(f"event field ttl or memory {error}") from None
        return {
            **{name: getattr(self, name) for name in _NAMES},
            "time_unit_ns": _UNITS[self.unit],
            "ttl_ns": ttl,
            "max_bytes": memory,
            "max_keys": self.keys,
            "max_pending": self.pending,
        }


def parse(settings: list[str]) -> EventFields:
    """Read settings such as "key=user_id". Raises UsageError."""
    fields = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or name not in EventFields.__struct_fields__:
            known = ", ".join(EventFields.__struct_fields__)
            raise UsageError(f"{setting[:80]!r} is no setting of events; write NAME=VALUE: {known}")
        fields[name] = value
    try:
        made = msgspec.convert(fields, EventFields, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"event fields: {error}") from None
    made.configuration  # noqa: B018 - it checks
    return made
