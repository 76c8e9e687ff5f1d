"""engine/stream with its batches gathered: triggers on clocks of the test's own, without a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tests.engine.flow_set_direct import ERR_MAX, library, unpack_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.engine.flow_set_direct import FlowSet

PASSED_OVER, REFUSED = 2, 3  # what append returns for what nobody has seen


@dataclass(frozen=True)
class Fired:
    """A condition that came true."""

    number: int
    mode: int
    key: str
    events: list[dict[str, Any]]


@dataclass(frozen=True)
class Stats:
    """As stream_stats."""

    events: int
    matched: int
    fired: int
    dropped: int
    evicted: int
    pending: int
    keys: int
    bytes: int
    conditions: int
    nodes: int


class TriggerSet:
    """Events have their key in `k` and their time in `time`, in milliseconds."""

    def __init__(
        self,
        *,
        ttl_ns: int = 3600 * 10**9,
        max_keys: int = 100_000,
        shards: int = 1,
        streams: Mapping[str, Any] | None = None,
        flows: FlowSet | None = None,
    ) -> None:
        """streams: declared as engine/include/intake.h has it. flows: who gets events then."""
        self._ffi, self._lib = library()
        self._err = self._ffi.new("char[]", ERR_MAX)
        declared = msgspec.msgpack.encode(streams or {})
        into = self._ffi.NULL if flows is None else flows.handle
        self._set = self._lib.triggers_direct_new(
            10**6, ttl_ns, max_keys, shards, declared, len(declared), into, self._err
        )
        assert self._set, self._sentence()

    def _sentence(self) -> str:
        return bytes(self._ffi.string(self._err)).decode(errors="replace")

    def close(self) -> None:
        """When nobody uses it any more."""
        self._lib.triggers_direct_free(self._set)

    def add(
        self, number: int, condition: Mapping[str, Any], mode: int = 1, replaces: Any = None
    ) -> Any:
        """Add a condition, and return its handle."""
        packed = msgspec.msgpack.encode(condition)
        out = self._ffi.new("stream_condition **")
        former = self._ffi.NULL if replaces is None else replaces
        status = self._lib.triggers_direct_add(
            self._set, packed, len(packed), mode, number, former, out, self._err
        )
        assert status == 0, self._sentence()
        return out[0]

    def remove(self, condition: Any) -> None:
        """Take a condition out."""
        self._lib.triggers_direct_remove(self._set, condition)

    def turn(self, condition: Any, mode: int) -> None:
        """Give it another mode; 0 is off."""
        self._lib.triggers_direct_set(self._set, condition, mode)

    def append(self, event: Any, wall_ns: int = 10**18, now_ns: int = 10**18) -> int:
        """Append an event; what stream_append returns."""
        packed = msgspec.msgpack.encode(event)
        status: int = self._lib.triggers_direct_append(
            self._set, packed, len(packed), wall_ns, now_ns
        )
        return status

    def batches(self) -> list[list[Fired]]:
        """What fired since the last call, by the events that did it."""
        size = self._ffi.new("size_t *")
        data = self._lib.triggers_direct_data(self._set, size)
        packed = bytes(self._ffi.buffer(data, size[0])) if size[0] else b""
        self._lib.triggers_direct_clear(self._set)
        return [[Fired(*one) for one in batch] for batch in unpack_all(packed)]

    def stats(self) -> Stats:
        """The set's figures."""
        out = self._ffi.new("uint64_t[10]")
        self._lib.triggers_direct_stats(self._set, out)
        return Stats(*out)

    def turned_away(self) -> tuple[int, int]:
        """How many events were passed over as duplicates, and refused."""
        out = self._ffi.new("uint64_t[2]")
        self._lib.triggers_direct_intake(self._set, out)
        return out[0], out[1]
