"""A runner under the test's control: what is submitted ends when, and how, the test says.

The registry's promises are about the order of events, which a real executor does not let a test
choose. The same promises are checked against the real one in tests/e2e.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Unpack

from polyvm.host.breakers import Hold, Reason, Snapshot, State
from polyvm.host.runners import Runners
from polyvm.vm import Completion, Lane, Outcome, QueueFull, TaskStats, VmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyvm.host.sources import Sources
    from polyvm.vm import AddOptions, ChainNode, Limits, Program, SubmitOptions

CLOSED = Snapshot(
    state=State.CLOSED,
    hold=Hold.AUTO,
    reason=Reason.NONE,
    failures=0,
    timeouts=0,
    openings=0,
    opened=0,
    age_ns=0,
    remaining_ns=0,
    crash_age_ns=(),
    changes=0,
    trials=0,
    refused=0,
    window_calls=0,
    window_failures=0,
)


class ManualRunner(Runners):
    """Accepts up to ``room`` invocations; `finish` ends the oldest. Breakers are what is set."""

    def __init__(self, room: int = 10**9) -> None:
        self.room = room
        self.accepted = 0
        self.pending: deque[tuple[int, int, bytes]] = deque()
        self.ids: deque[int] = deque()  # of what is pending
        self.cancelled: set[int] = set()
        self.withdrawn: set[int] = set()
        self.programs: list[Program | Sources] = []
        self.breakers: dict[int, Snapshot] = {}
        self.forced: list[tuple[int, Hold]] = []
        self.chains: dict[int, Sequence[ChainNode]] = {}
        self._lock = threading.Lock()

    def add(
        self,
        program: Program | Sources,
        lane: Lane = Lane.REGULAR,
        limits: Limits | None = None,
        **options: Unpack[AddOptions],
    ) -> int:
        del lane, limits, options
        self.programs.append(program)
        return len(self.programs)

    def withdraw(self, task_id: int) -> None:
        with self._lock:
            self.withdrawn.add(task_id)

    def chain(self, task_id: int, nodes: Sequence[ChainNode]) -> None:
        assert not self.withdrawn & {task_id, *(node.task for node in nodes)}
        self.chains[task_id] = nodes

    def submit(
        self, task_id: int, payload: bytes, tag: int = 0, **options: Unpack[SubmitOptions]
    ) -> int:
        del options
        with self._lock:
            if task_id in self.withdrawn:
                raise VmError(-12, "no such task")
            if len(self.pending) >= self.room:
                raise QueueFull(-11, "the queue is full")
            self.accepted += 1
            self.pending.append((task_id, tag, payload))
            self.ids.append(self.accepted)
            return self.accepted

    def cancel(self, number: int) -> bool:
        """What is pending ends at the next `finish`, as cancelled."""
        with self._lock:
            if number not in self.ids:
                return False
            self.cancelled.add(number)
            return True

    def note_crash(self, task_id: int) -> None:
        del task_id

    def breaker(self, task_id: int) -> Snapshot:
        return self.breakers.get(task_id, CLOSED)

    def force_breaker(self, task_id: int, hold: Hold) -> None:
        self.forced.append((task_id, hold))

    def stats(self, task_id: int) -> TaskStats:
        del task_id
        return TaskStats(accepted=0, finished=0, failed=0, running=0, vms=1, bytes=1000)

    def finish(self, count: int = 10**9, outcome: Outcome = Outcome.DONE) -> list[Completion]:
        ended: list[Completion] = []
        with self._lock:
            while self.pending and len(ended) < count:
                task, tag, payload = self.pending.popleft()
                number = self.ids.popleft()
                ended.append(
                    Completion(
                        tag=tag,
                        task=task,
                        outcome=Outcome.CANCELLED if number in self.cancelled else outcome,
                        worker=0,
                        queued_ns=0,
                        load_ns=0,
                        run_ns=1000,
                        data=payload,
                        id=number,
                    )
                )
        return ended
