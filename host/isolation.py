"""Isolation by process: runs tasks in processes of their own, as an executor runs them in VMs.

A task has one process, or as many as it may run invocations at once. Each is started when it is
first needed, stays as long as it does well, and runs one invocation at a time; what happens to
it happens to that invocation alone. `concurrent.futures` and loky do not fit: their pools break
as a whole when one process dies, and cannot end one call.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host.errors import UsageError
from polyvm.host.isolation_ledger import Ledger
from polyvm.host.isolation_loop import Loop
from polyvm.vm import Lane, Limits, TaskStats

if TYPE_CHECKING:
    from polyvm.host.sources import Sources
    from polyvm.vm import Completion, LogRecord

MAX_PROCESSES = 64
MAX_PENDING = 1024

_LOGS = 8192  # records that wait to be collected


class ProcessRunner:
    """The processes of any number of tasks. Safe to use from any thread; free until the first task.

    python: a Python that has polyvm installed; this one by default.
    max_processes: of all tasks together. Where more are wanted, one that has nothing to do makes
    room, the least recently used first; if all are busy, invocations wait, the core lane's first
    and the low lane's last.
    max_pending: invocations of one task accepted and not yet collected; more raise QueueFull.
    epoch: another number for each process of a host, as an executor's.
    """

    def __init__(
        self,
        python: Path | None = None,
        *,
        max_processes: int = MAX_PROCESSES,
        max_pending: int = MAX_PENDING,
        epoch: int = 1,
    ) -> None:
        python = python or Path(sys.executable)
        if not (python.is_file() and os.access(python, os.X_OK)):
            raise UsageError(f"{python}: no program; name a Python that has polyvm installed")
        self._ledger = Ledger(max_pending, epoch)
        self._logs = _Logs()
        self._make_loop = partial(Loop, self._ledger, python, max_processes, self._logs.put)
        self._starting = threading.Lock()
        self._loop: Loop | None = None

    def add(
        self,
        program: Sources,
        lane: Lane = Lane.REGULAR,
        limits: Limits | None = None,
        *,
        priority: int = 0,
    ) -> int:
        """Take in one version of a task; returns its id. No process is started yet."""
        with self._starting:
            task = self._ledger.add(program, lane, limits or Limits(), priority)
            if self._loop is None:
                self._loop = self._make_loop()
                self._loop.start()
        return task

    def withdraw(self, task: int) -> None:
        """Refuse new work for the task. What was accepted still runs; then its processes end."""
        self._ledger.withdraw(task)
        self._wake()

    def submit(
        self,
        task: int,
        payload: bytes,
        tag: int = 0,
        *,
        deadline_ns: int = 0,
        priority: int = 0,
        id: int = 0,  # noqa: A002 - as Executor has it, and so the other names
        attempt: int = 0,
    ) -> None:
        """Accept one invocation, or raise QueueFull, RateLimited, UnknownTask or StateError.

        deadline_ns: from now to its end; priority: -100 to 100. 0 leaves the task's own.
        id, attempt: of one that an earlier process had accepted.
        """
        self._ledger.accept(
            task,
            payload,
            tag,
            deadline_ns=deadline_ns,
            priority=priority,
            id=id,
            attempt=attempt,
        )
        self._wake()

    def collect(self, max: int = 1024, timeout_ms: int = 100) -> list[Completion]:  # noqa: A002
        """Ended invocations, in the order in which they ended; waits for the first."""
        return self._ledger.collect(max, timeout_ms / 1000)

    def collect_logs(
        self,
        max: int = 1024,  # noqa: A002
        timeout_ms: int = 100,
    ) -> tuple[list[LogRecord], int]:
        """Records in order, waiting for the first, and how many were lost since the last call.

        Records are lost when nobody collects them in time; tasks never wait for a log.
        """
        return self._logs.take(max, timeout_ms / 1000)

    def stats(self, task: int) -> TaskStats:
        """Count what the task has done so far; ``vms`` and ``bytes`` are of its processes."""
        of = self._ledger.get(task)
        processes, own = self._loop.memory_of(of) if self._loop is not None else (0, 0)
        return TaskStats(of.accepted, of.finished, of.failed, of.running, processes, own)

    def stop(self, drain_ms: int = 5000) -> int:
        """Finish accepted work for up to drain_ms, cancel the rest, end all processes.

        Completions and logs stay collectable. Returns how many invocations were cancelled.
        """
        self._ledger.close(drain_ms / 1000)
        with self._starting:
            if self._loop is None:
                return 0
            loop, self._loop = self._loop, None
        loop.stop()
        return loop.cancelled

    def close(self) -> None:
        """Stop if need be. Uncollected completions are dropped."""
        self.stop(0)

    def _wake(self) -> None:
        with self._starting:
            if self._loop is not None:
                self._loop.wake()


class _Logs:
    """What tasks printed and logged, until somebody takes it."""

    def __init__(self) -> None:
        self._records: deque[LogRecord] = deque()
        self._lost = 0
        self._came = threading.Condition()

    def put(self, record: LogRecord) -> None:
        with self._came:
            if len(self._records) < _LOGS:
                self._records.append(record)
                self._came.notify()
            else:
                self._lost += 1

    def take(self, count: int, timeout_s: float) -> tuple[list[LogRecord], int]:
        with self._came:
            self._came.wait_for(lambda: self._records, timeout_s)
            lost, self._lost = self._lost, 0
            taken = [self._records.popleft() for _ in range(min(count, len(self._records)))]
            return taken, lost
