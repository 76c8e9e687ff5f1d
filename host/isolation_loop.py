"""The thread that runs invocations in processes.

It sleeps until a process says something or ends, an invocation comes, or a time is up. It starts
all processes itself, since the kernel ends them with the thread that did.
"""

from __future__ import annotations

import heapq
import os
import selectors
import signal
import threading
import time
from functools import partial
from typing import IO, TYPE_CHECKING

import msgspec

from polyvm.host import log as logs
from polyvm.host.isolation_frames import Ended, Loaded, Run
from polyvm.host.isolation_process import TaskProcess
from polyvm.vm import Lane, Outcome, VmError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from _typeshed import HasFileno

    from polyvm.host.isolation_ledger import Invocation, Ledger, Task
    from polyvm.host.isolation_store import StoreLine
    from polyvm.host.store_server import StoreServer
    from polyvm.vm import LogRecord

NICE = {Lane.CORE: 0, Lane.REGULAR: 0, Lane.LOW: 10}

_OUT_OF_TIME = frozenset({signal.SIGPROF, signal.SIGXCPU})
_LAST_WAIT = 5.0  # seconds that killed processes get to be gone
_MORE_TIMERS = 1024


class Loop:
    """One thread with all its processes; the first methods are for other threads.

    ``cancelled`` counts what `stop` has; ``failure`` is why the thread ended without it.
    """

    def __init__(
        self,
        ledger: Ledger,
        python: Path,
        max_processes: int,
        log: Callable[[LogRecord], None],
        store: StoreServer | None,
    ) -> None:
        self._ledger = ledger
        self._python = python
        self._max_processes = max_processes
        self._log = log
        self._store = store
        self._asking: list[StoreLine] = []  # of processes that may still be answered
        self._live: dict[TaskProcess, Task] = {}  # those that were killed are not
        self._idle: dict[TaskProcess, None] = {}  # of these; the longest idle first
        self._running: dict[TaskProcess, Invocation] = {}
        self._dying: set[TaskProcess] = set()
        self._timers: list[tuple[int, int, Invocation]] = []
        self._selector = selectors.DefaultSelector()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector.register(self._bell, selectors.EVENT_READ, self._rung)
        self._stop = False
        self.cancelled = 0
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="processes", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Let the thread look at the ledger."""
        os.eventfd_write(self._bell, 1)

    def stop(self) -> None:
        """Cancel what has not ended, and end all processes."""
        self._stop = True
        self.wake()
        self._thread.join()
        for line in self._asking:
            line.close()
            line.join()
        self._selector.close()
        os.close(self._bell)

    def memory_of(self, task: Task) -> tuple[int, int]:
        """Count the task's processes, and the memory that is theirs alone."""
        own = [process for process, owner in tuple(self._live.items()) if owner is task]
        return len(own), sum(process.own_bytes for process in own)

    # ---- The thread -----------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stop:
                self._cancel()
                self._expire()
                self._retire()
                self._dispatch()
                self._wait(self._time_left())
        except BaseException as error:  # noqa: BLE001 - `ProcessRunner.collect_logs` raises it
            self.failure = error
        finally:
            self._end_all()

    def _end_all(self) -> None:
        self.cancelled = self._ledger.drop_all("the host stopped before it ran")
        for process, invocation in self._running.items():
            self.cancelled += 1
            reason = b"stopped: the host stops"
            self._ledger.settle(invocation, Outcome.CANCELLED, reason, process.pid)
        self._running.clear()
        for process in [*self._live]:
            self._discard(process)
        end = time.monotonic() + _LAST_WAIT
        while self._dying and time.monotonic() < end:
            self._wait(end - time.monotonic())

    def _wait(self, seconds: float | None) -> None:
        for key, events in self._selector.select(seconds):
            key.data(events)

    def _rung(self, events: int) -> None:
        del events
        os.eventfd_read(self._bell)

    def _dispatch(self) -> None:
        while self._idle or len(self._live) < self._max_processes:
            invocation = self._ledger.pick()
            if invocation is None:
                return
            self._begin(invocation)

    def _begin(self, invocation: Invocation) -> None:
        task = invocation.task
        process = next((idle for idle in reversed(self._idle) if self._live[idle] is task), None)
        if process is None:
            if len(self._live) >= self._max_processes:
                self._discard(next(iter(self._idle)))
            try:
                process = self._start(task)
            except (OSError, VmError) as error:
                reason = f"its process could not be started: {getattr(error, 'strerror', error)}"
                self._ledger.settle(invocation, Outcome.CRASHED, reason.encode(), 0)
                return
        self._idle.pop(process, None)
        self._running[process] = invocation
        if process.store is not None:
            process.store.depth = invocation.depth
        if process.loaded:
            invocation.called_ns = invocation.started_ns
        timeout = task.limits.timeout_ns
        if timeout:
            self._add_timer(invocation.started_ns + timeout, invocation)
        try:
            process.send(Run(invocation.number, invocation.ticket.payload))
        except ValueError as error:
            self._end_early(
                invocation, Outcome.FAILED, f"ValueError: the payload cannot be sent: {error}"
            )
        self._watch_control(process)

    def _start(self, task: Task) -> TaskProcess:
        settings = {
            "nice": NICE[task.lane],
            "memory_bytes": task.limits.memory_bytes,
            "cpu_ns": task.limits.cpu_ns,
        }
        process = TaskProcess(self._python, task.sources, settings, self._log, self._store)
        self._live[process] = task
        self._asking = [line for line in self._asking if not line.over]
        if process.store is not None:
            self._asking.append(process.store)
        register = self._selector.register
        register(process.control, selectors.EVENT_READ, partial(self._hear, process))
        register(process.handle, selectors.EVENT_READ, partial(self._bury, process))
        for stream in process.outputs:
            register(stream, selectors.EVENT_READ, partial(self._read, process, stream))
        return process

    # ---- What processes do ------------------------------------------------------

    def _hear(self, process: TaskProcess, events: int) -> None:
        if self._buried(process):
            return
        if events & selectors.EVENT_WRITE:
            process.go_on_sending()
        if events & selectors.EVENT_READ:
            self._take_reports(process)
        if process.hung_up:
            self._selector.unregister(process.control)
            self._idle.pop(process, None)
            process.kill()
        else:
            self._watch_control(process)

    def _buried(self, process: TaskProcess) -> bool:
        """Whether its end was told earlier in the same round."""
        return process not in self._live and process not in self._dying

    def _watch_control(self, process: TaskProcess) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if process.unsent else 0)
        key = self._selector.get_map().get(process.control)
        if key is not None and key.events != events:
            self._selector.modify(process.control, events, key.data)

    def _take_reports(self, process: TaskProcess) -> None:
        try:
            for report in process.reports():
                self._take(process, report)
        except (msgspec.DecodeError, ValueError) as error:
            invocation = self._running.get(process)
            if invocation is not None:
                reason = f"its process sent what cannot be read: {error}"
                self._end_early(invocation, Outcome.CRASHED, reason)
            elif process in self._live:
                self._discard(process)

    def _take(self, process: TaskProcess, report: Loaded | Ended) -> None:
        invocation = self._running.get(process)
        if invocation is None:  # a late answer of one that was killed
            return
        match report:
            case Loaded():
                invocation.called_ns = time.monotonic_ns()
            case Ended(number, outcome, data, last) if number == invocation.number:
                del self._running[process]
                for stream in process.outputs:  # what was printed before comes before
                    process.read_output(stream)
                verdict = Outcome[outcome.upper()]
                self._ledger.settle(invocation, verdict, data, process.pid)
                if process.loaded and not last and verdict is not Outcome.OVER_QUOTA:
                    self._idle[process] = None
                else:
                    self._discard(process)

    def _read(self, process: TaskProcess, stream: IO[bytes], events: int) -> None:
        del events
        if not self._buried(process) and not process.read_output(stream):
            self._selector.unregister(stream)

    def _bury(self, process: TaskProcess, events: int) -> None:
        del events
        self._take_reports(process)
        everything: list[HasFileno | int] = [process.control, process.handle, *process.outputs]
        for watched in everything:
            if watched in self._selector.get_map():
                self._selector.unregister(watched)
        task = self._live.pop(process, None)
        self._idle.pop(process, None)
        self._dying.discard(process)
        end = process.bury()
        invocation = self._running.pop(process, None)
        if invocation is not None:
            assert task is not None, "what runs was not killed"
            if end.signal in _OUT_OF_TIME and task.limits.cpu_ns:
                outcome, reason = Outcome.OVER_QUOTA, f"stopped: over its quota; {end.words}"
            else:
                outcome, reason = Outcome.CRASHED, f"its process was {end.words}"
            self._ledger.settle(invocation, outcome, reason.encode(), process.pid)
        elif task is not None:
            logs.get().warning("an idle process ended", task=process.name, how=end.words)

    # ---- What is not to go on -----------------------------------------------------

    def _discard(self, process: TaskProcess) -> None:
        del self._live[process]
        self._idle.pop(process, None)
        self._dying.add(process)
        process.kill()

    def _end_early(self, invocation: Invocation, outcome: Outcome, reason: str) -> None:
        """End a run. It has ended at once, whenever the kernel gets its process out of the way."""
        process = next(each for each, runs in self._running.items() if runs is invocation)
        del self._running[process]
        self._discard(process)
        self._ledger.settle(invocation, outcome, reason.encode(), process.pid)

    def _cancel(self) -> None:
        for invocation in self._ledger.take_unwanted():
            if not invocation.ended:
                self._end_early(invocation, Outcome.CANCELLED, "stopped: it was cancelled")

    def _retire(self) -> None:
        over = self._ledger.take_over()
        if over:
            for process in [each for each, task in self._live.items() if task in over]:
                self._discard(process)
            self._forget_ended()

    # ---- Time -----------------------------------------------------------------------

    def _expire(self) -> None:
        for invocation in self._ledger.take_timed():
            self._add_timer(invocation.ticket.deadline_ns, invocation)
        if len(self._timers) > 2 * self._ledger.unended + _MORE_TIMERS:
            self._forget_ended()
        now = time.monotonic_ns()
        late = []
        while self._timers and self._timers[0][0] <= now:
            _, _, invocation = heapq.heappop(self._timers)
            if invocation.ended:
                continue
            if invocation.started_ns:
                self._end_early(invocation, Outcome.TIMED_OUT, "stopped at its deadline")
            else:
                late.append(invocation)
        self._ledger.drop_late(late)

    def _add_timer(self, when: int, invocation: Invocation) -> None:
        heapq.heappush(self._timers, (when, invocation.number, invocation))

    def _forget_ended(self) -> None:
        """Drop the timers of what has ended, and with them what they hold of their tasks."""
        self._timers = [timer for timer in self._timers if not timer[2].ended]
        heapq.heapify(self._timers)

    def _time_left(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, (self._timers[0][0] - time.monotonic_ns()) / 1e9)
