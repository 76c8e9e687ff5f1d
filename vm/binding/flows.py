"""Flows of an executor: operators over its streams of events, run in C as they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .library import ERR_MAX, check, ffi, lib
from .triggers import TriggerMode

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class FlowStats:
    """One flow's figures; see pvm_flow_stats. watermark_ns: None before the first event."""

    events: int
    rows: int
    late: int
    dropped: int
    refused: int
    keys: int
    bytes: int
    watermark_ns: int | None
    accepted: int
    handed_out: int
    full: int
    rate: int
    breaker: int
    other: int


_STATS = tuple(FlowStats.__dataclass_fields__)
_NEVER = -(2**63)


class Flows:
    """The flows of one executor. Every method is for any thread."""

    def __init__(self, handle: Callable[[], Any]) -> None:
        self._handle = handle

    def check(self, declaration: bytes) -> None:
        """Raise VmError with a sentence if it could not be added."""
        err = ffi.new("char[]", ERR_MAX)
        check(lib.pvm_flow_check(self._handle(), declaration, len(declaration), err), err)

    def add(
        self,
        name: str,
        declaration: bytes,
        *,
        task: int = 0,
        mode: TriggerMode = TriggerMode.OFF,
        catch_up: bool = False,
        replaces: int = 0,
    ) -> int:
        """Add a flow, and return its id; the arguments are those of pvm_flow_add.

        declaration: the MessagePack of engine/flow/declaration.h. name: what payloads say.
        """
        err = ffi.new("char[]", ERR_MAX)
        status = lib.pvm_flow_add(
            self._handle(),
            task,
            name.encode(),
            declaration,
            len(declaration),
            mode,
            catch_up,
            replaces,
            err,
        )
        return check(status, err)

    def remove(self, flow: int) -> None:
        """Take a flow out; it gets no more events."""
        check(lib.pvm_flow_remove(self._handle(), flow))

    def set_task(self, flow: int, task: int, mode: TriggerMode) -> None:
        """Say where the rows of a flow into a task go from now on."""
        check(lib.pvm_flow_set_task(self._handle(), flow, task, mode))

    def stats(self, flow: int) -> FlowStats:
        """Count what one flow has done, and what it holds."""
        raw = ffi.new("pvm_flow_stats *")
        check(lib.pvm_flow_stats_get(self._handle(), flow, raw))
        figures = {name: getattr(raw, name) for name in _STATS}
        if figures["watermark_ns"] == _NEVER:
            figures["watermark_ns"] = None
        return FlowStats(**figures)
