"""The invocations of tasks that run in processes: which wait, which run, which have ended.

Any thread adds tasks and invocations and takes completions; one thread picks what is next and
settles it.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Unpack

from polyvm.vm import ExternalTasks, Lane, Limits, Outcome, QueueFull, StateError, UnknownTask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polyvm.host.sources import Sources
    from polyvm.vm import AddOptions, Executor, SubmitOptions, Ticket

_TOO_LATE = "its deadline passed before it ran"
_E_STATE, _E_FULL, _E_UNKNOWN = -3, -9, -10  # pvm_status of vm.h


@dataclass(slots=True, eq=False)
class Invocation:
    """One run of a task on one input. Times are of the monotonic clock, 0 before they come."""

    task: Task
    ticket: Ticket
    number: int  # in the order of acceptance
    depth: int  # how many tasks in a row appended what started it; 0: it came from outside
    started_ns: int = 0
    called_ns: int = 0  # the task was loaded by then
    ended: bool = False


@dataclass(slots=True, eq=False)
class Task:
    """One version of a task. ``sources`` and ``limits`` do not change; the rest is the ledger's."""

    id: int
    sources: Sources
    lane: Lane
    limits: Limits
    queue: list[tuple[tuple[int, ...], int, Invocation]] = field(default_factory=list)
    running: int = 0
    unended: int = 0
    withdrawn: bool = False

    @property
    def ready(self) -> bool:
        """Whether it has an invocation that its own limits let start."""
        return bool(self.queue) and self.running < (self.limits.max_running or 1)

    @property
    def over(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.withdrawn and not self.unended


class Ledger:
    """All tasks and their invocations, which the executor accepts and hands out when they ended.

    ``max_pending`` of a task may wait or run.
    """

    def __init__(self, executor: Executor, max_pending: int) -> None:
        self._executor = executor
        self._external = ExternalTasks(executor)
        self._max_pending = max_pending
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._tasks: dict[int, Task] = {}
        self._numbers = itertools.count(1)
        self._waiting: set[Task] = set()  # with a queue
        self._withdrawn: list[Task] = []
        self._timed: list[Invocation] = []
        self._unwanted: list[Invocation] = []
        self._unended: dict[int, Invocation] = {}  # by id
        self._closed = False

    @property
    def unended(self) -> int:
        """Invocations that wait or run."""
        return len(self._unended)

    def add(
        self, sources: Sources, lane: Lane, limits: Limits, **options: Unpack[AddOptions]
    ) -> int:
        """Take in a task; returns its id."""
        with self._lock:
            self._check_open()
            number = self._external.add(sources.name, lane, limits, **options)
            self._tasks[number] = Task(number, sources, lane, limits)
            return number

    def get(self, number: int) -> Task | None:
        """Return a task that is not over."""
        with self._lock:
            return self._tasks.get(number)

    def withdraw(self, number: int) -> None:
        """Refuse new work for the task."""
        with self._lock:
            task = self._open_task(number)
            self._executor.withdraw(number)
            task.withdrawn = True
            self._withdrawn.append(task)

    def accept(
        self, number: int, payload: bytes, tag: int, **options: Unpack[SubmitOptions]
    ) -> int:
        """Add an invocation and return its id, or raise as `Executor.submit` does."""
        with self._lock:
            self._check_open()
            task = self._open_task(number)
            if task.unended >= self._max_pending:
                raise QueueFull(_E_FULL, "the queue is full: try again later or shed load")
            ticket = self._external.submit(number, payload, tag, **options)
            invocation = Invocation(task, ticket, next(self._numbers), options.get("depth", 0))
            heapq.heappush(task.queue, (ticket.order, invocation.number, invocation))
            self._waiting.add(task)
            task.unended += 1
            self._unended[ticket.id] = invocation
            if ticket.deadline_ns != ticket.FOREVER:
                self._timed.append(invocation)
            return ticket.id

    def cancel(self, number: int) -> bool:
        """End an invocation that waits, or note one that runs; False if it is not here."""
        with self._lock:
            invocation = self._unended.get(number)
            if invocation is None:
                return False
            if invocation.started_ns:
                self._unwanted.append(invocation)
            else:
                self._drop([invocation], Outcome.CANCELLED, "cancelled before it ran")
            return True

    def take_unwanted(self) -> list[Invocation]:
        """Return those that were to be cancelled while they ran, since the last call."""
        with self._lock:
            unwanted, self._unwanted = self._unwanted, []
            return unwanted

    def close(self, drain_s: float) -> None:
        """Accept nothing more; wait for up to so long until all has ended."""
        with self._settled:
            self._closed = True
            self._settled.wait_for(lambda: not self._unended, drain_s)

    def pick(self) -> Invocation | None:
        """Take what is to start next: by lane, then by the invocations' order.

        What must not start any more is ended on the way.
        """
        with self._lock:
            while True:
                ready = (task for task in self._waiting if task.ready)
                task = min(ready, key=lambda task: (task.lane, task.queue[0]), default=None)
                if task is None:
                    return None
                _, _, invocation = heapq.heappop(task.queue)
                if not task.queue:
                    self._waiting.discard(task)
                now = time.monotonic_ns()
                if now >= invocation.ticket.deadline_ns:
                    self._settle(invocation, Outcome.TIMED_OUT, _TOO_LATE.encode(), 0)
                    continue
                why = self._external.start(invocation.ticket)
                if why is not None:
                    self._settle(invocation, Outcome.REJECTED, why.encode(), 0)
                    continue
                invocation.started_ns = now
                task.running += 1
                return invocation

    def take_timed(self) -> list[Invocation]:
        """Return the invocations with a deadline that came since the last call."""
        with self._lock:
            timed, self._timed = self._timed, []
            return timed

    def take_over(self) -> list[Task]:
        """Return the withdrawn tasks that are over since the last call; forgets them."""
        with self._lock:
            over = [task for task in self._withdrawn if task.over]
            for task in over:
                self._withdrawn.remove(task)
                del self._tasks[task.id]
            return over

    def settle(self, invocation: Invocation, outcome: Outcome, data: bytes, worker: int) -> None:
        """End an invocation that was picked."""
        with self._lock:
            invocation.task.running -= 1
            self._settle(invocation, outcome, data, worker)

    def drop_late(self, invocations: Iterable[Invocation]) -> None:
        """End invocations that wait and whose deadline has passed."""
        with self._lock:
            self._drop(invocations, Outcome.TIMED_OUT, _TOO_LATE)

    def drop_all(self, reason: str) -> int:
        """Accept nothing more, and end all that wait as cancelled; returns how many."""
        with self._lock:
            self._closed = True
            waiting = [each for task in self._waiting for _, _, each in task.queue]
            self._drop(waiting, Outcome.CANCELLED, reason)
            return len(waiting)

    def _drop(self, invocations: Iterable[Invocation], outcome: Outcome, reason: str) -> None:
        tasks = set()
        for invocation in invocations:
            self._settle(invocation, outcome, reason.encode(), 0)
            tasks.add(invocation.task)
        for task in tasks:
            task.queue = [entry for entry in task.queue if not entry[2].ended]
            heapq.heapify(task.queue)
            if not task.queue:
                self._waiting.discard(task)

    def _settle(self, invocation: Invocation, outcome: Outcome, data: bytes, worker: int) -> None:
        invocation.ended = True
        invocation.task.unended -= 1
        del self._unended[invocation.ticket.id]
        self._external.end(
            invocation.ticket,
            outcome,
            data,
            worker=worker,
            started_ns=invocation.started_ns,
            called_ns=invocation.called_ns,
        )
        self._settled.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            raise StateError(_E_STATE, "no more work is taken: the host stops")

    def _open_task(self, number: int) -> Task:
        task = self._tasks.get(number)
        if task is None or task.withdrawn:
            raise UnknownTask(_E_UNKNOWN, "no such task")
        return task
