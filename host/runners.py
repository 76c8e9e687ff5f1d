"""VMs and processes behind one face: each task goes to what its bundle was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyvm.host.breakers import Hold, Snapshot
from polyvm.host.isolation_ledger import FIRST_TASK
from polyvm.host.sources import Sources
from polyvm.vm import Lane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polyvm.host.isolation import ProcessRunner
    from polyvm.vm import Executor, Limits, Program, TaskStats


class Runners:
    """The runner of a registry. Completions and logs are collected from both, one by one."""

    def __init__(self, vms: Executor, processes: ProcessRunner) -> None:
        self._vms = vms
        self._processes = processes

    def add(
        self,
        program: Program | Sources,
        lane: Lane = Lane.REGULAR,
        limits: Limits | None = None,
        *,
        priority: int = 0,
        breaker: Mapping[str, int] | None = None,
    ) -> int:
        """Take one version of a task; its id. Tasks in processes have no breaker."""
        if isinstance(program, Sources):
            return self._processes.add(program, lane, limits, priority=priority)
        return self._vms.add(program, lane, limits, priority=priority, breaker=breaker)

    def withdraw(self, task_id: int) -> None:
        """Refuse new work for it, finish the rest."""
        self._of(task_id).withdraw(task_id)

    def submit(
        self,
        task_id: int,
        payload: bytes,
        tag: int = 0,
        *,
        deadline_ns: int = 0,
        priority: int = 0,
        id: int = 0,  # noqa: A002 - as Executor has it
        attempt: int = 0,
    ) -> None:
        """Accept one invocation, or raise as the one that runs the task does."""
        self._of(task_id).submit(
            task_id,
            payload,
            tag,
            deadline_ns=deadline_ns,
            priority=priority,
            id=id,
            attempt=attempt,
        )

    def note_crash(self, task_id: int) -> None:
        """Count an invocation that ended with an earlier process."""
        if task_id < FIRST_TASK:
            self._vms.note_crash(task_id)

    def breaker(self, task_id: int) -> Snapshot | None:
        """Return the task's circuit breaker; None for a task in processes."""
        return Snapshot.of(self._vms.breaker(task_id)) if task_id < FIRST_TASK else None

    def force_breaker(self, task_id: int, hold: Hold) -> None:
        """Do as an operator says; nothing for a task in processes."""
        if task_id < FIRST_TASK:
            self._vms.force_breaker(task_id, list(Hold).index(hold))

    def stats(self, task_id: int) -> TaskStats:
        """Return the figures of one task."""
        return self._of(task_id).stats(task_id)

    def _of(self, task_id: int) -> Executor | ProcessRunner:
        return self._processes if task_id >= FIRST_TASK else self._vms
