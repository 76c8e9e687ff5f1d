"""One exception for each pvm_status that a caller may want to tell apart."""

from __future__ import annotations


class VmError(Exception):
    """libpolyvm refused; `str()` is one sentence.

    status: the pvm_status, negative.
    traceback: what a task raised while it was loaded, or "".
    """

    def __init__(self, status: int, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.traceback = traceback


class BreakerOpen(VmError):
    """The task failed too often and rests for a while; the sentence says for how long."""


class BytecodeError(VmError):
    """A module's code is damaged, or no compiler of this release made it."""


class DecodeError(VmError):
    """A payload is not the MessagePack that VMs accept."""


class EntryError(VmError):
    """The entry point is missing or not callable."""


class ForkedError(VmError):
    """This process was forked after the runtime had started."""


class QueueFull(VmError):
    """No place for another invocation: collect completions first, or shed load."""


class RateLimited(VmError):
    """More invocations than the task's rate allows."""


class StateError(VmError):
    """Not possible in this state, for example after `Executor.stop`."""


class StoreError(VmError):
    """The event store cannot be opened, or did not take an event: the disk is full, or fails."""


class UnknownTask(VmError):
    """No task has this id, or it was withdrawn."""


class WrongThread(VmError):
    """The VM belongs to another thread."""
