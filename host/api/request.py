"""What a request to run a task says beside its payload, in its query or its headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyvm.host import durations

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PRIORITY = 100  # PVM_PRIORITY_MAX of vm.h, on either side of 0
_FIELDS = ("deadline", "priority", "wait", "hangup", "trace")
_HEADER = "PolyVM-"
_TRUTH = {"true": True, "false": False, "1": True, "0": False}
_HANGUP = {"finish": False, "cancel": True}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run: 0 leaves the task's own deadline and priority.

    cancel: when the client hangs up before the answer, the invocation is cancelled.
    """

    deadline_ns: int = 0
    priority: int = 0
    wait: bool = True
    cancel: bool = False
    trace: bool = False


def run_options(query: Mapping[str, str], headers: Mapping[str, str]) -> RunOptions:
    """Read the fields, or headers such as ``PolyVM-Deadline``.

    The query goes first. Raises ValueError with a sentence.
    """
    for name in query:
        if name not in _FIELDS:
            raise ValueError(f"unknown parameter {name[:100]!r}; there are {', '.join(_FIELDS)}")
    given = {name: query.get(name, headers.get(_HEADER + name)) for name in _FIELDS}
    deadline, priority, wait, hangup, trace = (given[name] for name in _FIELDS)
    return RunOptions(
        deadline_ns=_deadline(deadline) if deadline is not None else 0,
        priority=_priority(priority) if priority is not None else 0,
        wait=_truth("wait", wait) if wait is not None else True,
        cancel=_hangup(hangup) if hangup is not None else False,
        trace=_truth("trace", trace) if trace is not None else False,
    )


def _deadline(text: str) -> int:
    try:
        nanoseconds = durations.parse(text)
    except ValueError as error:
        raise ValueError(f"deadline {error}") from None
    if nanoseconds == 0:
        raise ValueError("deadline must be more than 0")
    return nanoseconds


def _priority(text: str) -> int:
    try:
        priority = int(text)
    except ValueError:
        priority = MAX_PRIORITY + 1
    if abs(priority) > MAX_PRIORITY:
        raise ValueError(
            f"priority {text[:40]!r} is not a number from -{MAX_PRIORITY} to {MAX_PRIORITY}"
        )
    return priority


def _truth(name: str, text: str) -> bool:
    if text not in _TRUTH:
        raise ValueError(f"{name} {text[:40]!r} is neither true nor false")
    return _TRUTH[text]


def _hangup(text: str) -> bool:
    if text not in _HANGUP:
        raise ValueError(f"hangup {text[:40]!r} is neither finish nor cancel")
    return _HANGUP[text]
