"""The way of an invocation that was traced."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from .library import ffi


class Stage(enum.IntEnum):
    """What an invocation came to, in the order of its way; see pvm_stage in vm.h."""

    ACCEPTED = 0
    QUEUED = 1
    TAKEN = 2
    READY = 3
    DECODED = 4
    RETURNED = 5
    ENCODED = 6
    KICKED = 7
    GIVEN_UP = 8
    ENDED = 9
    COLLECTED = 10


_STAGES = tuple(Stage)
assert len(_STAGES) == dict(ffi.typeof("pvm_trace").fields)["at_ns"].type.length


@dataclass(slots=True, frozen=True)
class Trace:
    """One invocation: the fields of its Completion that name it, and when it reached each stage.

    at_ns: since the epoch; stages that it did not come to are not in it. kicks: interruptions;
    pauses, paused_ns: in favour of the core lane, all together.
    """

    id: int
    tag: int
    task: int
    outcome: int
    worker: int
    attempt: int
    trigger: int
    kicks: int
    pauses: int
    paused_ns: int
    at_ns: dict[Stage, int]


def traces_of(raw: Any) -> tuple[Trace, ...]:
    """Copy the traces of a pvm_batch."""
    return tuple(_trace(raw.traces[i]) for i in range(raw.trace_count))


def _trace(raw: Any) -> Trace:
    return Trace(
        id=raw.id,
        tag=raw.tag,
        task=raw.task,
        outcome=raw.outcome,
        worker=raw.worker,
        attempt=raw.attempt,
        trigger=raw.trigger,
        kicks=raw.kicks,
        pauses=raw.pauses,
        paused_ns=raw.paused_ns,
        at_ns={stage: raw.at_ns[stage] for stage in _STAGES if raw.at_ns[stage]},
    )
