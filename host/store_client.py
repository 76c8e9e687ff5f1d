"""Tables of features and events for tasks outside of VMs: `_polyvm`'s functions, told in Python.

What a VM refuses is refused here with the same kind of exception and the same words. Whoever has
the store answers requests; see `store_requests`. The VMs' library is not needed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from polyvm.host import codec
from polyvm.host.store_requests import (
    MAX_BYTES,
    Append,
    Done,
    FindTable,
    GetHistory,
    GetRows,
    PutRow,
    ReadEvents,
    ReadSeries,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from polyvm.host.store_requests import Answer, Request

_SECOND = 10**9
_LATEST = 2**63 - 1  # PVM_TABLE_LATEST
_FIRST_NS, _LAST_NS = -(2**63), 2**63 - 1
_MOST_NUMBER = 2**64 - 1
_LONGEST_STEP = 9e9  # seconds, of a series
_NIL = b"\xc0"
_KINDS: dict[str, type[Exception]] = {
    each.__name__: each for each in (LookupError, MemoryError, OSError, RuntimeError, ValueError)
}


class StoreClient:
    """The store behind ``ask``. For any thread, if that is."""

    def __init__(self, ask: Callable[[Request], Answer]) -> None:
        self._ask = ask

    def _answer(self, request: Request) -> Any:
        answer = self._ask(request)
        if isinstance(answer, Done):
            return codec.decode(answer.data)
        raise _KINDS[answer.kind](answer.text)

    # ---- Tables ----

    def find(self, table: str) -> None:
        """Raise LookupError if there is no table of this name."""
        self._answer(FindTable(table))

    def get(self, table: str, key: Any, at: Any) -> dict[str, Any] | None:
        """Return the values of a key at a time; None: it has none."""
        return self.get_many(table, (key,), at)[0]

    def get_many(self, table: str, keys: Iterable[Any], at: Any) -> list[dict[str, Any] | None]:
        """Return `get` of each key."""
        at_ns = _time(at, _LATEST)
        rows = self._answer(GetRows(table, tuple(map(_key, keys)), at_ns))
        return [row[2] if row is not None else None for row in rows]

    def history(self, table: str, key: Any) -> list[tuple[float, dict[str, Any]]]:
        """Return the rows of a key as (seconds, values), the oldest first."""
        rows = self._answer(GetHistory(table, _key(key)))
        return [(time_ns / _SECOND, values) for _, time_ns, _, values in rows]

    def put(self, table: str, key: Any, values: Any, at: Any, merge: object) -> None:
        """Let a key have values from a time on."""
        packed = codec.encode(values)
        if packed == _NIL:  # which would be to remove it
            raise ValueError("its values are no map whose names are text")
        self._put(table, key, packed, at, bool(merge))

    def remove(self, table: str, key: Any, at: Any) -> None:
        """Let it have nothing from a time on."""
        self._put(table, key, None, at, merge=False)

    def _put(self, table: str, key: Any, values: bytes | None, at: Any, merge: bool) -> None:
        at_ns = _time(at, time.time_ns())
        self._answer(PutRow(table, _key(key), at_ns, values, merge))

    # ---- Events ----

    def append(self, events: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> int:
        """Hand in an event, or several; how many were taken."""
        packed = [_event(each) for each in ([events] if isinstance(events, dict) else list(events))]
        if sum(map(len, packed)) > MAX_BYTES // 2:
            raise MemoryError(f"events of more than {MAX_BYTES // 2} bytes are appended in parts")
        taken: int = self._answer(Append(b"".join(packed), len(packed)))
        return taken

    def kept(self, *query: Any) -> list[tuple[Any, ...]]:
        """Return kept events as (sequence, time, arrival, key, event).

        query: stream, key, since, until, after, most.
        """
        stream, key, since, until, after, most = query
        if not isinstance(stream, str):
            raise TypeError("kept_events(stream: str, key, since, until, after, most)")
        of_span = since is not None or until is not None
        from_ns = _time(since, _FIRST_NS)
        until_ns = _time(until, _LAST_NS if of_span else 0)
        sequence, left = _number(after) + 1, _number(most)
        if left == 0 or (of_span and until_ns == 0):
            return []
        bytes_of_key = _key(key) if key is not None else None
        if not of_span:
            from_ns = 0
        request = ReadEvents(stream, bytes_of_key, from_ns, until_ns, sequence & _MOST_NUMBER, left)
        return [
            (number, at / _SECOND, arrival / _SECOND, name.decode("utf-8", "replace"), event)
            for number, at, arrival, name, event in self._answer(request)
        ]

    def series(self, *query: Any) -> list[list[Any]]:
        """Return the numbers of a field over time, as [seconds, value, ...].

        query: stream, field, key, since, until, step, functions, fill, value.
        """
        stream, field, key, since, until, step, functions, fill, value = query
        if not all(isinstance(each, str) for each in (stream, field, functions, fill)):
            raise TypeError("the stream, field, agg and fill of a series are texts")
        request = ReadSeries(
            stream,
            field,
            _key(key) if key is not None else None,
            _time(since, _FIRST_NS),
            _time(until, _LAST_NS),
            _step(step),
            functions,
            fill,
            float(value),
        )
        return [[row[0] / _SECOND, *row[1:]] for row in self._answer(request)]


def _key(key: Any) -> bytes:
    """Text, bytes, or an int's digits."""
    if isinstance(key, bytes):
        return key
    if isinstance(key, str):
        return key.encode()
    if isinstance(key, int) and not isinstance(key, bool):
        return str(int(key)).encode()
    raise TypeError(f"a key is a str, bytes or an int, not '{type(key).__name__}'")


def _time(seconds: Any, otherwise: int) -> int:
    """Nanoseconds of seconds since the epoch."""
    if seconds is None:
        return otherwise
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(
            f"a time is a number of seconds since the epoch, not '{type(seconds).__name__}'"
        )
    if isinstance(seconds, int):
        if _FIRST_NS <= seconds * _SECOND <= _LAST_NS:
            return seconds * _SECOND
    elif -(2.0**63) < seconds * 1e9 < 2.0**63:
        return int(seconds * 1e9)
    raise ValueError("a time is a number of seconds since the epoch within 292 years")


def _step(seconds: Any) -> int:
    """Nanoseconds of the step of a series; 0: it has none."""
    if seconds is None:
        return 0
    if not 0 < float(seconds) < _LONGEST_STEP:
        raise ValueError("the step of a series is more than 0 seconds")
    return int(float(seconds) * 1e9) or 1


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"an integer is wanted, not '{type(value).__name__}'")
    if not 0 <= value <= _MOST_NUMBER:
        raise OverflowError(f"{value} is no number of 64 bits without a sign")
    return value


def _event(event: Any) -> bytes:
    if not isinstance(event, dict):
        raise TypeError(f"an event is a dict, not '{type(event).__name__}'")
    return codec.encode(event)
