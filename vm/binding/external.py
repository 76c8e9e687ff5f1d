"""Tasks of an executor that the host runs itself, where it likes."""

from __future__ import annotations

from typing import Any, Unpack

from .batch import Outcome
from .executor import (
    AddOptions,
    Executor,
    Lane,
    Limits,
    SubmitOptions,
    raw_submit_options,
    raw_task_config,
)
from .library import ERR_MAX, check, ffi, lib, text


class Ticket:
    """One accepted invocation, to be ended once.

    ``order``: within a lane the smallest is next, as workers take theirs. Times are of the
    monotonic clock; ``deadline_ns`` is FOREVER where there is none.
    """

    FOREVER = 2**64 - 1

    __slots__ = ("accepted_ns", "deadline_ns", "id", "order", "raw")

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.id: int = raw.id
        self.accepted_ns: int = raw.accepted_ns
        self.deadline_ns: int = raw.deadline_ns
        self.order: tuple[int, int, int] = raw.level, raw.deadline_ns, raw.accepted_ns

    @property
    def payload(self) -> bytes:
        """A copy of the payload, before the end."""
        return bytes(ffi.buffer(self.raw.payload, self.raw.len)) if self.raw.len else b""


class ExternalTasks:
    """They have breakers, rates, places in lanes, the journal and figures like the executor's own.

    Their completions are collected with the others. Withdraw them, and ask for their figures and
    breakers, at the executor, by their ids. End every ticket before the executor is to stop.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def add(
        self, name: str, lane: Lane, limits: Limits | None, **options: Unpack[AddOptions]
    ) -> int:
        """Take in one version of a task; returns its id. Only its rate is enforced."""
        config = raw_task_config(lane, limits, options)
        return check(lib.pvm_external_add(self._executor.handle, name.encode(), config))

    def submit(
        self, task: int, payload: bytes, tag: int = 0, **options: Unpack[SubmitOptions]
    ) -> Ticket:
        """Accept one invocation, or raise as `Executor.submit` does."""
        raw = ffi.new("pvm_ticket *")
        wanted = raw_submit_options(options)
        status = lib.pvm_external_submit(
            self._executor.handle, task, tag, payload, len(payload), wanted, raw
        )
        self._executor.check_accepted(task, status)
        return Ticket(raw)

    def start(self, ticket: Ticket) -> str | None:
        """Before it runs, once. The reason if it must not: end it as rejected then."""
        why = ffi.new("char[]", ERR_MAX)
        status = lib.pvm_external_start(self._executor.handle, ticket.raw, why)
        if status == lib.PVM_E_BREAKER:
            return text(why)
        check(status)
        return None

    def end(
        self,
        ticket: Ticket,
        outcome: Outcome,
        data: bytes,
        *,
        worker: int = 0,
        started_ns: int = 0,
        called_ns: int = 0,
    ) -> None:
        """It has ended; the ticket is of no use after this.

        worker: what the completion shall say. started_ns, called_ns: when it was started, and
        loaded; 0 for what never came.
        """
        status = lib.pvm_external_end(
            self._executor.handle,
            ticket.raw,
            outcome,
            worker,
            started_ns,
            called_ns,
            data,
            len(data),
        )
        check(status)
