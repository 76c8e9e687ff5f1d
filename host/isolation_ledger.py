"""The invocations of tasks that run in processes: which wait, which run, which have ended.

Any thread adds tasks and invocations and takes completions; one thread picks what is next and
settles it.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polyvm.vm import (
    Completion,
    Lane,
    Limits,
    Outcome,
    QueueFull,
    RateLimited,
    StateError,
    UnknownTask,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polyvm.host.sources import Sources

# Numbers that an executor of the same process, which counts from 1, does not come to.
FIRST_TASK = 1 << 48
FIRST_INVOCATION = 1 << 39  # within an epoch, of which each has 2^40

NEVER = 1 << 63  # a point in time that does not come

_STEP_NS = 100_000_000  # PVM_PRIORITY_STEP_NS of vm.h
_E_STATE, _E_FULL, _E_UNKNOWN, _E_RATE = -3, -9, -10, -15  # pvm_status of vm.h


@dataclass(slots=True, eq=False)
class Invocation:
    """One run of a task on one input. Times are of the monotonic clock, 0 before they come."""

    task: Task
    tag: int
    payload: bytes
    accepted_ns: int
    deadline_ns: int
    number: int
    priority: int
    id: int
    attempt: int
    started_ns: int = 0
    called_ns: int = 0  # the task was loaded by then
    ended: bool = False

    @property
    def order(self) -> tuple[int, int, int]:
        """As within a lane: priority against waiting, then deadline, then arrival."""
        return self.accepted_ns // _STEP_NS - self.priority, self.deadline_ns, self.number


@dataclass(slots=True, eq=False)
class Task:
    """One version of a task. ``sources`` and ``limits`` do not change; the rest is the ledger's."""

    id: int
    sources: Sources
    lane: Lane
    limits: Limits
    priority: int
    queue: list[tuple[tuple[int, int, int], Invocation]] = field(default_factory=list)
    running: int = 0
    accepted: int = 0
    finished: int = 0
    failed: int = 0
    uncollected: int = 0
    due_ns: int = 0  # when the next invocation is due, by the rate
    withdrawn: bool = False

    @property
    def ready(self) -> bool:
        """Whether it has an invocation that its own limits let start."""
        return bool(self.queue) and self.running < (self.limits.max_running or 1)

    @property
    def over(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.withdrawn and self.accepted == self.finished

    def admits(self, now: int) -> bool:
        """Whether its rate allows one more now, by the generic cell rate algorithm."""
        if self.limits.rate <= 0:
            return True
        interval = int(1e9 / self.limits.rate)
        if self.due_ns > now + interval * max(self.limits.burst - 1, 0):
            return False
        self.due_ns = max(self.due_ns, now) + interval
        return True


class Ledger:
    """All tasks and their invocations.

    ``max_pending`` of a task are accepted and not yet collected. ``epoch`` is in the invocations'
    ids, as it is in those of an executor.
    """

    def __init__(self, max_pending: int, epoch: int) -> None:
        self._max_pending = max_pending
        self._first_id = epoch << 40 | FIRST_INVOCATION
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._tasks: dict[int, Task] = {}
        self._ids = itertools.count(FIRST_TASK)
        self._numbers = itertools.count(1)
        self._waiting: set[Task] = set()  # with a queue
        self._withdrawn: list[Task] = []
        self._timed: list[Invocation] = []
        self._completions: deque[Completion] = deque()
        self._unended = 0
        self._closed = False
        self.failure: BaseException | None = None  # why nothing more will be settled

    @property
    def unended(self) -> int:
        """Invocations that wait or run."""
        return self._unended

    def add(self, sources: Sources, lane: Lane, limits: Limits, priority: int) -> int:
        """Take in a task; returns its id."""
        with self._lock:
            self._check_open()
            task = Task(next(self._ids), sources, lane, limits, priority)
            self._tasks[task.id] = task
            return task.id

    def get(self, number: int) -> Task:
        """Return a task that is not over. Raises UnknownTask."""
        with self._lock:
            task = self._tasks.get(number)
        if task is None:
            raise UnknownTask(_E_UNKNOWN, "no such task")
        return task

    def withdraw(self, number: int) -> None:
        """Refuse new work for the task."""
        with self._lock:
            task = self._open_task(number)
            task.withdrawn = True
            self._withdrawn.append(task)

    def accept(
        self,
        task_id: int,
        payload: bytes,
        tag: int,
        *,
        deadline_ns: int,
        priority: int,
        id: int,  # noqa: A002 - as Executor has it
        attempt: int,
    ) -> None:
        """Add an invocation, or raise QueueFull, RateLimited, UnknownTask or StateError."""
        now = time.monotonic_ns()
        with self._lock:
            self._check_open()
            task = self._open_task(task_id)
            if task.uncollected >= self._max_pending:
                raise QueueFull(_E_FULL, "the queue is full: try again later or shed load")
            if not task.admits(now):
                raise RateLimited(_E_RATE, "more invocations than the task's rate allows")
            wait = deadline_ns or task.limits.deadline_ns
            number = next(self._numbers)
            invocation = Invocation(
                task=task,
                tag=tag,
                payload=payload,
                accepted_ns=now,
                deadline_ns=now + wait if wait else NEVER,
                number=number,
                priority=priority or task.priority,
                id=id or self._first_id + number,
                attempt=attempt or 1,
            )
            heapq.heappush(task.queue, (invocation.order, invocation))
            self._waiting.add(task)
            task.accepted += 1
            task.uncollected += 1
            self._unended += 1
            if wait:
                self._timed.append(invocation)

    def close(self, drain_s: float) -> None:
        """Accept nothing more; wait for up to so long until all has ended."""
        with self._settled:
            self._closed = True
            self._settled.wait_for(lambda: self._unended == 0, drain_s)

    def pick(self) -> Invocation | None:
        """Take what is to start next: by lane, then by the invocations' order."""
        with self._lock:
            ready = (task for task in self._waiting if task.ready)
            task = min(ready, key=lambda task: (task.lane, task.queue[0][0]), default=None)
            if task is None:
                return None
            _, invocation = heapq.heappop(task.queue)
            if not task.queue:
                self._waiting.discard(task)
            task.running += 1
            invocation.started_ns = time.monotonic_ns()
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

    def drop(self, invocations: Iterable[Invocation], outcome: Outcome, reason: str) -> None:
        """End invocations that wait."""
        with self._lock:
            self._drop(invocations, outcome, reason)

    def drop_all(self, outcome: Outcome, reason: str) -> int:
        """End all that wait; returns how many."""
        with self._lock:
            waiting = [each for task in self._waiting for _, each in task.queue]
            self._drop(waiting, outcome, reason)
            return len(waiting)

    def _drop(self, invocations: Iterable[Invocation], outcome: Outcome, reason: str) -> None:
        tasks = set()
        for invocation in invocations:
            self._settle(invocation, outcome, reason.encode(), 0)
            tasks.add(invocation.task)
        for task in tasks:
            task.queue = [entry for entry in task.queue if not entry[1].ended]
            heapq.heapify(task.queue)
            if not task.queue:
                self._waiting.discard(task)

    def _settle(self, invocation: Invocation, outcome: Outcome, data: bytes, worker: int) -> None:
        now = time.monotonic_ns()
        started = invocation.started_ns or now
        called = invocation.called_ns or now
        task = invocation.task
        task.finished += 1
        task.failed += outcome is not Outcome.DONE
        invocation.ended = True
        invocation.payload = b""
        self._unended -= 1
        self._completions.append(
            Completion(
                tag=invocation.tag,
                task=task.id,
                outcome=outcome,
                worker=worker,
                queued_ns=started - invocation.accepted_ns,
                load_ns=called - started,
                run_ns=now - called,
                data=data,
                id=invocation.id,
                attempt=invocation.attempt,
            )
        )
        self._settled.notify_all()

    def collect(self, count: int, timeout_s: float) -> list[Completion]:
        """Return ended invocations in the order in which they ended; waits for the first.

        Raises what made the thread that settles give up.
        """
        with self._settled:
            self._settled.wait_for(lambda: self._completions or self.failure, timeout_s)
            if self.failure is not None and not self._completions:
                raise self.failure
            taken = [self._completions.popleft() for _ in range(min(count, len(self._completions)))]
            for completion in taken:
                task = self._tasks.get(completion.task)
                if task is not None:
                    task.uncollected -= 1
            return taken

    def fail(self, error: BaseException) -> None:
        """Nothing more will be settled: accept nothing, and tell who collects."""
        with self._settled:
            self._closed = True
            self.failure = error
            self._settled.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            raise StateError(_E_STATE, "no more work is taken: the host stops")

    def _open_task(self, number: int) -> Task:
        task = self._tasks.get(number)
        if task is None or task.withdrawn:
            raise UnknownTask(_E_UNKNOWN, "no such task")
        return task
