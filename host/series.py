"""Streams read as time series: numbers of a field over time, by steps, with gaps filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.host import durations
from polyvm.host.errors import MissingError, UsageError
from polyvm.vm import UnknownTask, VmError

if TYPE_CHECKING:
    from polyvm.vm import EventStore

FILLS = ("none", "null", "previous", "linear")  # or a number
_SECOND = 10**9
_LIMIT = 2**63


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A series as it is asked for; engine/include/series.h says what comes of it.

    Times are in seconds since the epoch, by the events' own; None: from the first on, to the last.
    """

    field: str  # whose numbers are taken, with dots into nested maps
    stream: str = "events"
    key: str | None = None
    since: float | None = msgspec.field(default=None, name="from")
    until: float | None = None  # not included
    step: str | None = None  # such as "1m"; None: the points themselves
    agg: str | None = None  # of count sum mean min max first last, with commas; None: mean
    fill: str = "none"  # what stands for a step without points; or a number

    @property
    def names(self) -> tuple[str, ...]:
        """What the values of a row are called."""
        return tuple((self.agg or "mean").split(",")) if self.step is not None else ("value",)


def read(store: EventStore, query: Query) -> list[dict[str, Any]]:
    """Return the rows: ``time``, in seconds, and a value or None under each of the names.

    Raises UsageError for a query that is none, MissingError for a stream that is not there.
    """
    if query.step is None and (query.agg is not None or query.fill != "none"):
        raise UsageError(
            "agg and fill are of steps of time: name the length of one, such as step=1m"
        )
    fill, value = query.fill, 0.0
    if fill not in FILLS:
        fill, value = "value", _number(fill)
    try:
        packed = store.series(
            query.stream,
            query.field,
            key=query.key.encode() if query.key is not None else None,
            from_ns=_ns("from", query.since),
            until_ns=_ns("until", query.until),
            step_ns=_step_ns(query.step),
            functions=",".join(query.names) if query.step is not None else "",
            fill=fill,
            value=value,
        )
    except UnknownTask:
        known = ", ".join(one.name for one in store.streams()) or "none"
        raise MissingError(f"there is no stream {query.stream!r}; there are: {known}") from None
    except VmError as error:
        raise UsageError(f"series: {error}") from None
    rows = msgspec.msgpack.decode(packed)
    names = query.names
    return [{"time": row[0] / _SECOND, **dict(zip(names, row[1:], strict=True))} for row in rows]


def _ns(name: str, seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if not -_LIMIT < seconds * _SECOND < _LIMIT:
        raise UsageError(f"{name} {seconds} is no time; it is in seconds since the epoch")
    return int(seconds * _SECOND)


def _step_ns(step: str | None) -> int:
    if step is None:
        return 0
    try:
        step_ns = durations.parse(step)
    except ValueError as error:
        raise UsageError(f"step {error}") from None
    if step_ns == 0:
        raise UsageError("step is more than 0")
    return step_ns


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"fill {text[:40]!r} is none of {', '.join(FILLS)}, and no number"
        ) from None
