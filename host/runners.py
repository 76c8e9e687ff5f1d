"""VMs and processes behind one face: each task goes to what its bundle was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from polyvm.host.breakers import Hold, Snapshot
from polyvm.host.sources import Sources
from polyvm.vm import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyvm.host.isolation import ProcessRunner
    from polyvm.vm import (
        AddOptions,
        Array,
        ChainNode,
        Executor,
        Limits,
        Program,
        SubmitOptions,
        TaskStats,
    )


class Runners:
    """What a registry drives. Completions of both kinds are collected from the executor."""

    def __init__(self, executor: Executor, processes: ProcessRunner) -> None:
        self._executor = executor
        self._processes = processes

    def add(
        self,
        program: Program | Sources,
        lane: Lane = Lane.REGULAR,
        limits: Limits | None = None,
        **options: Unpack[AddOptions],
    ) -> int:
        """Take one version of a task; its id."""
        if isinstance(program, Sources):
            return self._processes.add(program, lane, limits, **options)
        return self._executor.add(program, lane, limits, **options)

    def withdraw(self, task_id: int) -> None:
        """Refuse new work for it, finish the rest."""
        self._of(task_id).withdraw(task_id)

    def chain(self, task_id: int, nodes: Sequence[ChainNode]) -> None:
        """From now on, each invocation of the task starts these after it; all of them in VMs."""
        self._executor.chain(task_id, nodes)

    def submit(
        self, task_id: int, payload: bytes, tag: int = 0, **options: Unpack[SubmitOptions]
    ) -> int:
        """Accept one invocation and return its id, or raise as `Executor.submit` does."""
        return self._of(task_id).submit(task_id, payload, tag, **options)

    def warm(self, task_id: int) -> int:
        """Make a VM ready that holds the task; an invocation's id, or 0 if there is nothing to do.

        Raises as `submit` does.
        """
        if self._processes.has(task_id) or self._executor.stats(task_id).vms > 0:
            return 0
        return self._executor.submit(task_id, b"", warm=True)

    def takes_arrays(self, task_id: int) -> bool:
        """Whether it runs in VMs."""
        return not self._processes.has(task_id)

    def submit_array(
        self, task_id: int, packed: bytes, first_tag: int, **options: Unpack[SubmitOptions]
    ) -> Array:
        """Accept the elements of an array, as `Executor.submit_array` does."""
        return self._executor.submit_array(task_id, packed, first_tag, **options)

    def cancel(self, number: int) -> bool:
        """End one invocation as CANCELLED; False if it has ended already."""
        return self._processes.cancel(number) or self._executor.cancel(number)

    def note_crash(self, task_id: int) -> None:
        """Count an invocation that ended with an earlier process."""
        self._executor.note_crash(task_id)

    def breaker(self, task_id: int) -> Snapshot:
        """Return the task's circuit breaker."""
        return Snapshot.of(self._executor.breaker(task_id))

    def force_breaker(self, task_id: int, hold: Hold) -> None:
        """Do as an operator says."""
        self._executor.force_breaker(task_id, list(Hold).index(hold))

    def stats(self, task_id: int) -> TaskStats:
        """Return the figures of one task."""
        return self._of(task_id).stats(task_id)

    def _of(self, task_id: int) -> Executor | ProcessRunner:
        return self._processes if self._processes.has(task_id) else self._executor
