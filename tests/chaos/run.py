"""One supervised host with a population of tasks, killed now and then until its input ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polyvm.host.errors import ExitCode

from .population import MAX_CRASHERS, Population, write_events
from .verdict import Verdict, judge

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

POLL = 0.02  # seconds between looks at the host
END_PATIENCE = 120  # seconds for a host to finish what it has accepted
SECOND_KILL = 3  # one of so many kills is followed by another, in the next host's first steps
AFTER_RESTART = 2.0  # seconds within which that one comes
# A supervisor takes 5 restarts in 60 s, and needs some for the tasks that crash.
MOST_KILLS = 5 - MAX_CRASHERS
WITHIN = 70  # seconds
BYTES_PER_RESULT = 120  # about
LINES_PER_MINUTE = 10_000  # of input: more than 200 tasks get through on most machines


@dataclass
class Run:
    """What happened, and the verdict on it."""

    population: Population
    verdict: Verdict
    code: int
    kills: int
    seconds: float
    ends: Counter[str] = field(default_factory=Counter)  # how hosts ended, as the log has it
    faults: list[str] = field(default_factory=list)

    @property
    def restarts(self) -> int:
        return self.ends.total()


class Host:
    """A supervisor and its child, in a folder; the log goes to a file there."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / "out.jsonl"
        self.log = folder / "host.log"
        self._kills: list[float] = []
        command = [sys.executable, "-m", "polyvm.host", "run", "tasks", "--input", "events.jsonl"]
        command += ["--output", "out.jsonl", "--no-table", "--supervise", "--state", "state"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.process.kill()  # and with it its child
        self.process.wait()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def child(self) -> int | None:
        """The process that runs the tasks."""
        pid = self.process.pid
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:  # noqa: PTH123
                found = file.read().split()
        except OSError:
            return None
        return int(found[0]) if found else None

    def kill(self) -> int | None:
        """Kill the child if there is one, unless there were too many kills: its process id."""
        child = self.child()
        now = time.monotonic()
        late = sum(moment > now - WITHIN for moment in self._kills)
        if child is not None and self.running and late < MOST_KILLS:
            os.kill(child, signal.SIGKILL)
            self._kills.append(now)
            return child
        return None

    @property
    def kills(self) -> int:
        return len(self._kills)

    def written(self) -> int:
        """Bytes of results by now."""
        return self.output.stat().st_size if self.output.exists() else 0

    def ends(self) -> Counter[str]:
        """How the children ended that were followed by another."""
        found: Counter[str] = Counter()
        with self.log.open("rb") as file:
            for line in file:
                if b"host ended, starting it again" in line:
                    how = line.partition(b"how=")[2].split(b"=")[0].rsplit(b" ", 1)[0]
                    found[how.decode().strip(" '\"")] += 1
        return found

    def finish(self) -> int | None:
        """Wait for the end; the exit code, None if there was none in time."""
        try:
            return self.process.wait(END_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


def short(folder: Path, tasks: int, lines: int, kills: int, rand: random.Random) -> Run:
    """Run the input to its end; kill after some part of the results has been written."""
    population = Population.of(tasks)
    population.write(folder / "tasks")
    sums = write_events(folder / "events.jsonl", lines, rand)
    whole = lines * tasks * BYTES_PER_RESULT
    goals = sorted(rand.uniform(0, 0.7) * whole for _ in range(kills))
    began = time.monotonic()
    with Host(folder) as host:
        for goal in goals:
            while host.running and host.written() < goal:
                time.sleep(POLL)
            host.kill()
        return _judged(host, population, sums, lines, began)


def long(folder: Path, tasks: int, minutes: float, every: float, rand: random.Random) -> Run:
    """Run for some minutes, killing every so many seconds; then ask the host to stop."""
    population = Population.of(tasks)
    population.write(folder / "tasks")
    sums = write_events(folder / "events.jsonl", int(minutes * LINES_PER_MINUTE), rand)
    began = time.monotonic()
    end = began + minutes * 60
    with Host(folder) as host:
        for moment in _moments(began, minutes * 60, every, rand):
            while host.running and time.monotonic() < moment:
                time.sleep(POLL)
            killed = host.kill()
            if killed is not None and not rand.randrange(SECOND_KILL):
                while host.running and host.child() in {None, killed}:
                    time.sleep(POLL)
                time.sleep(rand.uniform(0, AFTER_RESTART))
                host.kill()
        while host.running and time.monotonic() < end:
            time.sleep(POLL)
        host.process.send_signal(signal.SIGTERM)  # no harm if the input has come to its end
        return _judged(host, population, sums, None, began)


def _moments(began: float, seconds: float, every: float, rand: random.Random) -> Iterator[float]:
    moment = began + every * rand.uniform(0.5, 1)
    while moment < began + seconds - every / 4:
        yield moment
        moment += every * rand.uniform(0.8, 1.2)


def _judged(
    host: Host, population: Population, sums: list[int], lines: int | None, began: float
) -> Run:
    code = host.finish()
    ends = host.ends()
    verdict = judge(host.output, population, sums, lines=lines, lives=ends.total() + 1)
    run = Run(
        population,
        verdict,
        code if code is not None else -signal.SIGKILL,
        host.kills,
        time.monotonic() - began,
        ends,
        verdict.faults.copy(),
    )
    if code is None:
        run.faults.append(f"the host did not end within {END_PATIENCE} s of its last line")
    elif code == ExitCode.GAVE_UP:
        run.faults.append("the supervisor gave up")
    elif code != ExitCode.PARTIAL:
        run.faults.append(f"the host ended with exit code {code}, and not {ExitCode.PARTIAL}")
    if run.ends["SIGKILL"] > host.kills:
        run.faults.append(f"somebody else killed the host: {dict(run.ends)}, {host.kills} here")
    return run
