"""The thread that runs jobs at their times, one after the other."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from polyvm.host import log, times
from polyvm.host.batch_features import Stopped
from polyvm.host.errors import PolyvmError
from polyvm.host.live_triggers import moment
from polyvm.host.schedules import SECOND
from polyvm.host.timers import Timers
from polyvm.vm import VmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from polyvm.host.batch_features import Done
    from polyvm.host.jobs import Job
    from polyvm.host.schedules import Moment
    from polyvm.host.timer_keeper import TimerKeeper
    from polyvm.host.timers import Tick

_KEPT = "jobs/"  # what their names begin with among the timers that are kept; tasks' have none


@dataclass(slots=True)
class JobFigures:
    """What a job did since the host started."""

    name: str
    next_ns: int  # on the wall
    running: bool = False
    runs: int = 0
    failures: int = 0
    missed: int = 0
    rows: int = 0  # of the last run
    took_s: float = 0.0  # likewise
    error: str | None = None  # of the last run


class JobRunner:
    """Jobs of one host. A job never runs twice at once: what is due meanwhile was missed.

    Every method is for any thread, `run` for one of its own.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        query: Callable[[Job], Done],
        start: Callable[[str, bytes], Exception | None],
        stopping: threading.Event,
        *,
        keeper: TimerKeeper | None = None,
        clock: Callable[[], Moment] = moment,
    ) -> None:
        """``query`` runs a job's SQL; ``start`` starts a task, and returns why it was refused."""
        self._jobs = {job.name: job for job in jobs}
        self._query = query
        self._start = start
        self._stopping = stopping
        self._keeper = keeper
        self._clock = clock
        self._lock = threading.Lock()
        self._timers = Timers()
        self._due: deque[Tick] = deque()
        self._changed = threading.Event()
        self._log = log.get()
        now = clock()
        for name, job in self._jobs.items():
            plan = times.plan(job)
            last = keeper.last_ns(_KEPT + name, plan) if keeper is not None else None
            self._timers.add(name, plan, now, last)
        self._note(self._timers.last_ns())
        self._figures = {name: JobFigures(name, 0) for name in self._jobs}

    def run(self) -> None:
        """Run what is due until the host stops; `wake` ends a wait."""
        while not self._stopping.is_set():
            self._changed.clear()
            self.look()
            if not self._stopping.is_set():
                self._changed.wait(self._timers.wait_ns(self._clock()) / SECOND)

    def wake(self) -> None:
        """Look again, as something is different."""
        self._changed.set()

    def look(self) -> None:
        """Run what is due now."""
        with self._lock:
            self._timers.run(self._clock(), self._take)
            last = self._timers.last_ns()
        while self._due and not self._stopping.is_set():
            tick = self._due.popleft()
            if self._do(tick):
                # Not before: what a host did not end, the next one begins anew.
                self._note({tick.name: last[tick.name]})

    def _take(self, tick: Tick) -> bool:
        self._due.append(tick)
        return True

    def _note(self, last_ns: dict[str, int]) -> None:
        if self._keeper is not None:
            self._keeper.note({_KEPT + name: last for name, last in last_ns.items()})

    def _do(self, tick: Tick) -> bool:
        """Run it; False if the host stops meanwhile."""
        job, figures = self._jobs[tick.name], self._figures[tick.name]
        begun = time.monotonic()
        figures.running = True
        error: Exception | None = None
        rows = 0
        try:
            if job.task is not None:
                error = self._start(job.task, self._payload(tick))
            else:
                done = self._query(job)
                rows = done.put
        except Stopped:
            return False
        except (PolyvmError, VmError, MemoryError, RecursionError) as failure:
            error = failure
        finally:
            figures.running = False
        figures.took_s = time.monotonic() - begun
        figures.runs += 1
        figures.rows = rows
        figures.error = str(error) or repr(error) if error is not None else None
        figures.failures += error is not None
        if error is not None:
            self._log.error("job failed", job=job.name, reason=figures.error)
        return True

    def _payload(self, tick: Tick) -> bytes:
        return msgspec.msgpack.encode(
            {
                "job": tick.name,
                "time": self._clock().wall_ns / SECOND,
                "scheduled": tick.scheduled_ns / SECOND,
                "missed": tick.missed,
            }
        )

    def ask(self, name: str) -> bool:
        """Have a job run now, besides its times; False if there is none of this name."""
        if name not in self._jobs:
            return False
        with self._lock:
            self._timers.at_once(name, self._clock())
        self._changed.set()
        return True

    def figures(self) -> list[JobFigures]:
        """Return what each did, by name."""
        now = self._clock()
        with self._lock:
            for name, figures in self._figures.items():
                figures.next_ns = self._timers.next_ns(name, now)
                figures.missed = self._timers.missed(name)
            return [self._figures[name] for name in sorted(self._figures)]
