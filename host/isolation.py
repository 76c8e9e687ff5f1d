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
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from polyvm.host.errors import UsageError
from polyvm.host.isolation_ledger import Ledger
from polyvm.host.isolation_loop import Loop
from polyvm.host.isolation_process import check_permissions
from polyvm.vm import Lane, Limits

if TYPE_CHECKING:
    from polyvm.host.sources import Sources
    from polyvm.host.store_server import StoreServer
    from polyvm.vm import AddOptions, Executor, LogRecord, SubmitOptions, TaskStats

MAX_PROCESSES = 64
MAX_PENDING = 1024

_LOGS = 8192  # records that wait to be collected


class ProcessRunner:
    """The processes of any number of tasks. Safe to use from any thread; free until the first task.

    executor: accepts the invocations, with its breakers and its journal, and hands out how they
    ended; the numbers of tasks are its own. Stop it after this.
    python: a Python that has polyvm installed; this one by default.
    max_processes: of all tasks together. Where more are wanted, one that has nothing to do makes
    room, the least recently used first; if all are busy, invocations wait, the core lane's first
    and the low lane's last.
    max_pending: invocations of one task that wait or run; more raise QueueFull.
    """

    def __init__(
        self,
        executor: Executor,
        python: Path | None = None,
        *,
        max_processes: int = MAX_PROCESSES,
        max_pending: int = MAX_PENDING,
    ) -> None:
        python = python or Path(sys.executable)
        if not (python.is_file() and os.access(python, os.X_OK)):
            raise UsageError(f"{python}: no program; name a Python that has polyvm installed")
        self._executor = executor
        self._ledger = Ledger(executor, max_pending)
        self._logs = _Logs()
        self._make_loop = partial(Loop, self._ledger, python, max_processes, self._logs.put)
        self._store: StoreServer | None = None
        self._starting = threading.Lock()
        self._loop: Loop | None = None

    def serve(self, store: StoreServer) -> None:
        """Let tasks reach a host's tables and events; before the first one is added."""
        self._store = store

    def add(
        self,
        program: Sources,
        lane: Lane = Lane.REGULAR,
        limits: Limits | None = None,
        **options: Unpack[AddOptions],
    ) -> int:
        """Take in one version of a task; returns its id. No process is started yet.

        Raises VmError if a path of its permissions cannot be opened.
        """
        check_permissions(program.permissions)
        with self._starting:
            task = self._ledger.add(program, lane, limits or Limits(), **options)
            if self._loop is None:
                self._loop = self._make_loop(self._store)
                self._loop.start()
        return task

    def withdraw(self, task: int) -> None:
        """Refuse new work for the task. What was accepted still runs; then its processes end."""
        self._ledger.withdraw(task)
        self._wake()

    def submit(
        self, task: int, payload: bytes, tag: int = 0, **options: Unpack[SubmitOptions]
    ) -> int:
        """Accept one invocation and return its id, or raise as `Executor.submit` does."""
        number = self._ledger.accept(task, payload, tag, **options)
        self._wake()
        return number

    def cancel(self, number: int) -> bool:
        """End an invocation as CANCELLED, killing what runs it; False if it has ended already."""
        known = self._ledger.cancel(number)
        self._wake()
        return known

    def collect_logs(
        self,
        max: int = 1024,  # noqa: A002
        timeout_ms: int = 100,
    ) -> tuple[list[LogRecord], int]:
        """Records in order, waiting for the first, and how many were lost since the last call.

        Records are lost when nobody collects them in time; tasks never wait for a log. Raises what
        made the thread that runs the processes give up.
        """
        records, lost = self._logs.take(max, timeout_ms / 1000)
        failure = self._failure
        if failure is not None and not records:
            raise failure
        return records, lost

    @property
    def _failure(self) -> BaseException | None:
        with self._starting:
            return self._loop.failure if self._loop is not None else None

    def has(self, task: int) -> bool:
        """Whether the task was added here and is not over."""
        return self._ledger.get(task) is not None

    def stats(self, task: int) -> TaskStats:
        """Count what the task has done so far; ``vms`` and ``bytes`` are of its processes."""
        counts = self._executor.stats(task)
        of, loop = self._ledger.get(task), self._loop
        if of is None or loop is None:
            return counts
        processes, own = loop.memory_of(of)
        return replace(counts, vms=processes, bytes=own)

    def stop(self, drain_ms: int = 5000) -> int:
        """Finish accepted work for up to drain_ms, cancel the rest, end all processes.

        Logs stay collectable. Returns how many invocations were cancelled.
        """
        self._ledger.close(drain_ms / 1000)
        with self._starting:
            if self._loop is None:
                return 0
            loop, self._loop = self._loop, None
        loop.stop()
        return loop.cancelled

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
